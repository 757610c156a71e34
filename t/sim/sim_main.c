/* SPDX-License-Identifier: BSD-2-Clause */

#include "sim_route.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIM_FAILURES_MAX  5             /* of one job, then it gives up */


void
sim_note(sim_t *s, const char *fmt, ...)
{
    va_list  ap;

    if (!s->opt->verbose) {
        return;
    }

    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
}


void
sim_fail(sim_t *s, const char *fmt, ...)
{
    va_list  ap;

    printf("not ok - seed %" PRIu64 ": ", s->seed);
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n# batch %u of the seed; see it again:\n# %s --start %" PRIu64
           " --seeds 1 --steps %u --verbose\n", s->nlog, s->opt->program,
           s->seed, s->opt->steps);
    fflush(stdout);

    longjmp(s->failed, 1);
}


/* Removes what a store may hold, and makes the directory anew. */
void
sim_directory(const char *path, bool create)
{
    char         name[320];
    unsigned     i;
    static const char  *files[] = { "data.mdb", "lock.mdb", "format" };

    for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(name, sizeof(name), "%s/%s", path, files[i]);
        unlink(name);
    }

    rmdir(path);

    if (create && mkdir(path, 0700) == -1) {
        fprintf(stderr, "mkdir %s: %s\n", path, strerror(errno));
        exit(2);
    }
}


static void
sim_free(sim_t *s)
{
    unsigned  i, j;

    sim_world_close(s);

    for (i = 0; i < s->ncalls; i++) {
        sim_call_free(s, &s->calls[i]);
    }

    sim_checkpoint_free(s);

    for (i = 0; i < s->nruns; i++) {
        for (j = 0; j < SIM_STEPS_MAX; j++) {
            json_decref(s->runs[i].steps[j].memo);
        }
    }

    for (i = 0; i < s->nlog; i++) {
        for (j = 0; j < s->log[i].nops; j++) {
            free((void *) s->log[i].ops[j].data);
        }
        free(s->log[i].ops);
    }

    free(s->log);
    free(s->events);
    free(s->accepted);
    free(s->waits);
    free(s->cancels);
    free(s->signals);
    free(s->attempts);
    dur_arena_deinit(&s->arena);
    dur_call_deinit(&s->call);
    dur_buf_deinit(&s->buf);
}


static void
sim_add_figures(sim_figures_t *to, const sim_figures_t *from)
{
    to->seeds += from->seeds;
    to->failed += from->failed;
    to->runs += from->runs;
    to->executed += from->executed;
    to->batches += from->batches;
    to->ops += from->ops;
    to->deaths += from->deaths;
    to->parked += from->parked;
    to->probes += from->probes;
    to->deliveries += from->deliveries;
    to->waited += from->waited;
    to->heard += from->heard;
    to->timed_out += from->timed_out;
    to->invoked += from->invoked;
    to->reruns += from->reruns;
    to->waiters += from->waiters;
    to->debounced += from->debounced;
    to->batched += from->batched;
    to->slots += from->slots;
    to->skipped += from->skipped;
    to->limited += from->limited;
    to->late += from->late;
    to->cancelled += from->cancelled;
    to->ruled_out += from->ruled_out;
    to->bulks += from->bulks;
    to->replayed += from->replayed;
    to->swept += from->swept;
    to->deferred += from->deferred;
    to->checkpointed += from->checkpointed;
}


/* One seed; false when it failed. */
static bool
sim_seed(const sim_options_t *opt, uint64_t seed, sim_figures_t *total)
{
    sim_t  *s;
    bool    passed;

    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        abort();
    }

    s->opt = opt;
    s->seed = seed;
    s->rand.state = seed * 0x2545f4914f6cdd1d + 1;
    s->bulk_rand.state = seed * 0x2545f4914f6cdd1d + 2;
    dur_arena_init(&s->arena);
    dur_call_init(&s->call);
    dur_buf_init(&s->buf, 16 << 20);

    snprintf(s->path, sizeof(s->path), "%s/dur-sim-%d", opt->directory,
             (int) getpid());
    sim_directory(s->path, true);

    if (setjmp(s->failed) == 0) {
        sim_world_run(s);

        if (opt->replay_every && seed % opt->replay_every == 0) {
            sim_replay(s);
        }

        s->passed = true;
    }

    passed = s->passed;

    s->figures.seeds = 1;
    s->figures.failed = !passed;
    s->figures.runs = s->nruns;
    sim_add_figures(total, &s->figures);

    sim_directory(s->path, false);

    if (passed) {
        sim_free(s);
        free(s);
    }

    /* what failed stands in the middle of a batch: it is left as it is */

    return passed;
}


/* Every jobs-th seed; the figures go to the parent. */
static int
sim_job(const sim_options_t *opt, unsigned job, int fd)
{
    uint64_t        i;
    sim_figures_t   total;

    memset(&total, 0, sizeof(total));

    for (i = job; i < opt->seeds && total.failed < SIM_FAILURES_MAX;
         i += opt->jobs)
    {
        /* every other one has webhooks beside it */

        if (sim_seed(opt, opt->start + i, &total)
            && ((opt->start + i) % 2 || opt->seeds == 1))
        {
            sim_route(opt, opt->start + i, &total);
        }
    }

    fflush(stdout);

    if (write(fd, &total, sizeof(total)) != sizeof(total)) {
        return 2;
    }

    return total.failed ? 1 : 0;
}


static void
sim_tell(bool passed, const sim_options_t *opt, const sim_figures_t *f)
{
    unsigned  i;

    const struct {
        uint64_t     n;
        const char  *what;
    } figures[] = {
        { f->runs, "runs" },
        { f->executed, "steps executed" },
        { f->waited, "events waited for" },
        { f->heard, "signals" },
        { f->timed_out, "waits timed out" },
        { f->invoked, "functions invoked" },
        { f->deferred, "deferred" },
        { f->reruns, "run again" },
        { f->waiters, "waited for limits" },
        { f->debounced, "debounced" },
        { f->batched, "in batches" },
        { f->slots, "slots of schedules" },
        { f->skipped, "skipped or replaced" },
        { f->limited, "refused by a limit" },
        { f->late, "ended by a timeout" },
        { f->cancelled, "cancelled by an event" },
        { f->ruled_out, "by a cancellation" },
        { f->bulks, "bulk jobs" },
        { f->replayed, "run again by one" },
        { f->swept, "cancelled by one" },
        { f->checkpointed, "steps in checkpoints" },
        { f->ops, "ops" },
        { f->batches, "commits" },
        { f->deaths, "leaders died" },
        { f->parked, "apps parked" },
        { f->probes, "probes" },
        { f->deliveries, "webhooks" },
        { f->failed, "seeds failed" },
    };

    printf("%sok 1 - %" PRIu64 " seeds from %" PRIu64 ":",
           passed ? "" : "not ", f->seeds, opt->start);

    for (i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        printf("%s %" PRIu64 " %s", i ? "," : "", figures[i].n,
               figures[i].what);
    }

    printf("\n1..1\n");
}


static int
sim_jobs(const sim_options_t *opt)
{
    int            fd[2], status, rc;
    unsigned       i;
    pid_t          pid;
    sim_figures_t  part, total;

    if (pipe(fd) == -1) {
        return 2;
    }

    fflush(stdout);

    for (i = 0; i < opt->jobs; i++) {
        pid = fork();

        if (pid == -1) {
            return 2;
        }

        if (pid == 0) {
            close(fd[0]);
            exit(sim_job(opt, i, fd[1]));
        }
    }

    close(fd[1]);
    memset(&total, 0, sizeof(total));

    while (read(fd[0], &part, sizeof(part)) == sizeof(part)) {
        sim_add_figures(&total, &part);
    }

    for (i = 0, rc = 0; i < opt->jobs; i++) {
        if (wait(&status) == -1 || !WIFEXITED(status)
            || WEXITSTATUS(status) != 0)
        {
            rc = 1;
        }
    }

    sim_tell(rc == 0, opt, &total);

    return rc;
}


static void
sim_usage(const char *program)
{
    fprintf(stderr, "usage: %s [--seeds N] [--start N] [--steps N] "
            "[--jobs N]\n       [--replay-every N] [--dir PATH] "
            "[--without FEATURE]\n       [--verbose]\n",
            program);
    exit(2);
}


int
main(int argc, char **argv)
{
    int            i;
    uint64_t       n;
    sim_options_t  opt = {
        .start = 1, .seeds = 100, .steps = 200, .jobs = 2,
        .replay_every = 4, .directory = "/dev/shm", .program = argv[0]
    };

    for (i = 1; i < argc; i++) {

        if (strcmp(argv[i], "--verbose") == 0) {
            opt.verbose = true;
            opt.jobs = 1;
            continue;
        }

        if (i + 1 == argc) {
            sim_usage(argv[0]);
        }

        if (strcmp(argv[i], "--dir") == 0) {
            opt.directory = argv[++i];
            continue;
        }

        if (strcmp(argv[i], "--without") == 0) {
            if (!sim_option_without(&opt, argv[++i])) {
                sim_usage(argv[0]);
            }
            continue;
        }

        n = strtoull(argv[i + 1], NULL, 10);

        if (strcmp(argv[i], "--seeds") == 0) {
            opt.seeds = n;
        } else if (strcmp(argv[i], "--start") == 0) {
            opt.start = n;
        } else if (strcmp(argv[i], "--steps") == 0) {
            opt.steps = (unsigned) n;
        } else if (strcmp(argv[i], "--jobs") == 0 && n > 0) {
            opt.jobs = (unsigned) n;
        } else if (strcmp(argv[i], "--replay-every") == 0) {
            opt.replay_every = (unsigned) n;
        } else {
            sim_usage(argv[0]);
        }

        i++;
    }

    if (access(opt.directory, W_OK) == -1) {
        opt.directory = "/tmp";
    }

    return sim_jobs(&opt);
}
