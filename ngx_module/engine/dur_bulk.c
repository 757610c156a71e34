/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_bulk.h"
#include "engine/dur_bulk_row.h"
#include "engine/dur_filter.h"
#include "engine/dur_json.h"
#include "engine/dur_query_core.h"
#include "engine/dur_rerun.h"
#include "engine/dur_run.h"
#include "engine/dur_state.h"
#include "engine/dur_task.h"
#include "engine/dur_ulid.h"
#include "engine/dur_walk.h"

#include <stdio.h>


/* Of one piece: runs that are looked at, rows that are written, units of work
 * of the filter (dur_filter.h): about 2 ms. */
#define DUR_BULK_READS  2048
#define DUR_BULK_ROWS   DUR_OP_ROWS
#define DUR_BULK_WORK   200000

/* While others wait for the batch a piece takes this part of it all.  The op
 * says so: what else is in its batch decides nothing. */
#define DUR_BULK_SHARE  32

/* How far the time in an id may be off, as for lists. */
#define DUR_BULK_SLACK   (5 * 60 * (int64_t) 1000)
#define DUR_BULK_MS_MAX  (((int64_t) 1 << 48) - 1)


static const struct {
    const char  *statuses;      /* that are meant when none are named */
    const char  *wrong;
} dur_bulk_actions[] = {
    [DUR_BULK_CANCEL] = { "Scheduled,Running",
                          "what is cancelled lives: status must be a list of "
                          "Scheduled and Running" },
    [DUR_BULK_REPLAY] = { "Failed",
                          "what is run again has ended: status must be a list "
                          "of Completed, Failed, Cancelled and Skipped" }
};


static dur_rc_t
dur_bulk_reply(dur_engine_t *e, const dur_bulk_t *x, unsigned status,
    dur_reply_t *reply)
{
    dur_buf_t  b;

    dur_buf_init(&b, 2 * DUR_ROW_MAX);
    dur_bulk_write(x, &b);

    reply->status = (uint16_t) status;
    reply->body = dur_arena_copy(e->arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return reply->body.data ? DUR_OK : DUR_ENOMEM;
}


/* -- what is asked for ---------------------------------------------------- */

/* NULL, or what is wrong with a member. */
static const char *
dur_bulk_members(const json_t *root, dur_bulk_t *x, bool *all)
{
    json_t      *value;
    dur_str_t    text;
    const char  *name;

    if (!json_is_object(root)) {
        return "the body must be an object, {\"action\":\"replay\","
               "\"filter\":{\"status\":\"Failed\"}}";
    }

    json_object_foreach((json_t *) (uintptr_t) root, name, value) {
        if (strcmp(name, "action") != 0 && strcmp(name, "filter") != 0
            && strcmp(name, "all") != 0)
        {
            return "a job has no members but \"action\", \"filter\" and "
                   "\"all\"";
        }
    }

    if (dur_json_get_string(root, "action", &text) == DUR_OK) {
        if (dur_str_eq(text, dur_str("cancel"))) {
            x->action = DUR_BULK_CANCEL;

        } else if (dur_str_eq(text, dur_str("replay"))) {
            x->action = DUR_BULK_REPLAY;
        }
    }

    if (x->action == 0) {
        return "action must be \"cancel\" or \"replay\"";
    }

    value = json_object_get(root, "all");
    *all = json_is_true(value);

    return (value == NULL || json_is_boolean(value)) ? NULL
                                                     : "all must be true or "
                                                       "false";
}


/* The same for the filter, which is filled. */
static const char *
dur_bulk_filter(const json_t *root, const dur_bulk_t *x, bool all,
    dur_filter_want_t *want, char err[160])
{
    bool         live;
    json_t      *value;
    const char  *unnamed;

    value = json_object_get(root, "filter");

    dur_filter_init(want);

    if (value != NULL && dur_filter_read(value, want, err) != DUR_OK) {
        return err;
    }

    if (dur_filter_all(want) && !all) {
        return "the filter is empty: this means all runs, and needs "
               "\"all\":true";
    }

    if (want->after_ms < 0 || want->before_ms < want->after_ms) {
        return "before must not be before after";
    }

    live = x->action == DUR_BULK_CANCEL;

    if (want->statuses & (live ? ~DUR_QUERY_LIVE : DUR_QUERY_LIVE)) {
        return dur_bulk_actions[x->action].wrong;
    }

    if (want->statuses == 0) {
        unnamed = dur_bulk_actions[x->action].statuses;
        (void) dur_filter_set(want, "status", dur_str_c(unnamed), err);
    }

    return NULL;
}


/* The names are those of now; the filter is kept as people wrote it. */
static dur_rc_t
dur_bulk_resolve(dur_engine_t *e, dur_bulk_t *x,
    const dur_filter_want_t *want, char err[160])
{
    dur_rc_t      rc;
    dur_buf_t     b;
    dur_filter_t  filter;

    rc = dur_filter_open_runs(&filter, e->txn, want, e->now, err);
    if (rc != DUR_OK) {
        return rc;
    }

    x->app = filter.app;
    x->function = filter.function;

    dur_filter_close(&filter);

    dur_buf_init(&b, DUR_ROW_MAX / 2);

    rc = dur_filter_write(want, &b);

    if (rc == DUR_OK && !b.failed) {
        x->filter = dur_arena_copy(e->arena, dur_buf_str(&b));
        rc = x->filter.data ? DUR_OK : DUR_ENOMEM;

    } else {
        snprintf(err, 160, "the filter is too long");
        rc = DUR_EINVAL;
    }

    dur_buf_deinit(&b);

    return rc;
}


/* -- a new job ------------------------------------------------------------ */

/* The last run that was ever made, by its id. */
static dur_rc_t
dur_bulk_newest(dur_engine_t *e, dur_ulid_t *id)
{
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_RUN, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_last(c, &k, &v);

    if (rc == DUR_OK && k.len == DUR_ULID_LEN) {
        memcpy(id->b, k.data, DUR_ULID_LEN);
    }

    dur_cursor_close(c);

    return rc;
}


/*
 * Which runs there are to look at, first and last; one that asks for none is
 * done.  An id in the filter means its run wherever the clock was.
 */
static dur_rc_t
dur_bulk_window(dur_engine_t *e, dur_bulk_t *x, const dur_filter_want_t *want)
{
    bool        window;
    int64_t     from;
    dur_rc_t    rc;
    dur_ulid_t  id, until;
    dur_walk_t  w;

    static const uint8_t     zero[10];
    static const dur_ulid_t  none;

    window = want->id.len < DUR_ULID_TEXT_LEN;
    from = (window && want->after_ms > DUR_BULK_SLACK)
           ? want->after_ms - DUR_BULK_SLACK : 0;

    rc = dur_bulk_newest(e, &x->last);

    if (window && want->before_ms < DUR_BULK_MS_MAX - DUR_BULK_SLACK) {
        dur_walk_until(&until, want->before_ms + DUR_BULK_SLACK);

        if (memcmp(until.b, x->last.b, DUR_ULID_LEN) < 0) {
            x->last = until;
        }
    }

    if (rc == DUR_OK) {
        rc = dur_walk_open(&w, e->txn, &none, from, &x->last);
    }

    if (rc == DUR_OK) {
        rc = dur_walk_next(&w, &id);
        dur_walk_close(&w);
    }

    if (rc == DUR_ENOTFOUND) {
        x->done = true;
        return DUR_OK;
    }

    x->first = (int64_t) dur_ulid_ms(&id);

    if (from) {
        dur_ulid_make(&x->cursor, (uint64_t) from, zero);
    }

    return rc;
}


static bool
dur_bulk_is_done(dur_str_t key, dur_str_t row)
{
    dur_bulk_t  x;

    return dur_bulk_decode(key, row, &x) != DUR_OK || x.done;
}


/* DUR_EBUSY: there are as many as there may be. */
static dur_rc_t
dur_bulk_room(dur_engine_t *e)
{
    unsigned       n;
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    rc = dur_cursor_open(e->txn, DUR_T_BULK, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    n = 0;

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_next(c, &k, &v))
    {
        n += !dur_bulk_is_done(k, v);
    }

    dur_cursor_close(c);

    if (rc != DUR_ENOTFOUND) {
        return rc;
    }

    return n >= DUR_BULKS_ON ? DUR_EBUSY
                             : dur_walk_room(e->txn, DUR_T_BULK, DUR_BULKS,
                                             dur_bulk_is_done);
}


static dur_rc_t
dur_bulk_begin(dur_engine_t *e, dur_bulk_t *x, const dur_filter_want_t *want,
    dur_reply_t *reply)
{
    dur_rc_t  rc;

    rc = dur_bulk_window(e, x, want);

    if (rc == DUR_OK) {
        rc = dur_bulk_room(e);
    }

    if (rc == DUR_EBUSY) {
        return dur_state_refuse(e, reply, 409, "there are %u bulk jobs that "
                                "are not done: wait for one, or stop one",
                                DUR_BULKS_ON);
    }

    if (rc == DUR_OK) {
        rc = dur_bulk_notice(e, x);
    }
    if (rc == DUR_OK) {
        rc = dur_bulk_put(e, x);
    }
    if (rc == DUR_OK && !x->done) {
        rc = dur_task_add(e, DUR_TASK_BULK, &x->id, dur_str_null);
    }

    return rc == DUR_OK ? dur_bulk_reply(e, x, 201, reply) : rc;
}


static dur_rc_t
dur_bulk_create(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    bool               all;
    char               err[160];
    json_t            *root;
    dur_rc_t           rc;
    dur_bulk_t         x;
    const char        *wrong;
    dur_json_error_t   bad;
    dur_filter_want_t  want;

    /* asked for again, when its reply is not kept any more */

    rc = dur_bulk_get(e, &op->id, &x);

    if (rc == DUR_OK) {
        return dur_bulk_reply(e, &x, 201, reply);
    }

    if (rc != DUR_ENOTFOUND && rc != DUR_ECORRUPT) {
        return rc;
    }

    root = dur_json_parse(op->body, &bad);
    if (root == NULL) {
        return dur_state_refuse(e, reply, 400, "the body is not JSON: %s",
                                bad.text);
    }

    memset(&x, 0, sizeof(x));
    x.id = op->id;
    x.created = e->now;
    x.sequence = e->counters.sequence;

    wrong = dur_bulk_members(root, &x, &all);
    if (wrong == NULL) {
        wrong = dur_bulk_filter(root, &x, all, &want, err);
    }

    if (wrong != NULL) {
        rc = dur_state_refuse(e, reply, 400, "%s", wrong);
        json_decref(root);
        return rc;
    }

    rc = dur_bulk_resolve(e, &x, &want, err);

    if (rc == DUR_ENOTFOUND || rc == DUR_EINVAL) {
        rc = dur_state_refuse(e, reply, rc == DUR_EINVAL ? 400 : 404, "%s",
                              err);

    } else if (rc == DUR_OK) {
        rc = dur_bulk_begin(e, &x, &want, reply);
    }

    json_decref(root);

    return rc;
}


/* What was begun goes on. */
static dur_rc_t
dur_bulk_stop(dur_engine_t *e, const dur_ulid_t *id, dur_reply_t *reply)
{
    dur_rc_t    rc;
    dur_bulk_t  x;

    rc = dur_bulk_get(e, id, &x);

    if (rc == DUR_ENOTFOUND) {
        return dur_state_refuse(e, reply, 404, "there is no such bulk job");
    }

    if (rc == DUR_OK && !x.done) {
        x.done = true;
        x.stopped = true;

        rc = dur_bulk_notice(e, &x);
        if (rc == DUR_OK) {
            rc = dur_bulk_put(e, &x);
        }
    }

    return rc == DUR_OK ? dur_bulk_reply(e, &x, 200, reply) : rc;
}


dur_rc_t
dur_bulk_apply(dur_engine_t *e, const dur_op_t *op, dur_reply_t *reply)
{
    return op->generation ? dur_bulk_stop(e, &op->run, reply)
                          : dur_bulk_create(e, op, reply);
}


/* -- a run ---------------------------------------------------------------- */

/* DUR_ENOTFOUND: its function is archived, or its event is being deleted. */
static dur_rc_t
dur_bulk_replay(dur_engine_t *e, const dur_run_t *run)
{
    dur_ulid_t       again;
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, run->function);

    if (fn == NULL || fn->archived || (run->flags & DUR_RUN_F_ENDPOINT)) {
        return DUR_ENOTFOUND;
    }

    return dur_rerun_whole(e, run, fn, &again);
}


static dur_rc_t
dur_bulk_cancel(dur_engine_t *e, const dur_bulk_t *x, dur_run_t *run)
{
    char  id[DUR_ULID_TEXT_LEN + 1], why[96];

    dur_ulid_text(&x->id, id);
    snprintf(why, sizeof(why), "The run was cancelled by the bulk job %s",
             id);

    return dur_run_cancel_live(e, run, why);
}


static dur_rc_t
dur_bulk_look(dur_engine_t *e, dur_bulk_t *x, dur_filter_t *filter,
    const dur_ulid_t *id)
{
    bool       match;
    dur_rc_t   rc;
    dur_run_t  run;

    rc = dur_run_get(e->txn, id, &run);

    if (rc != DUR_OK || run.sequence >= x->sequence) {
        /* one that cannot be read is none of any filter */
        return (rc == DUR_ECORRUPT || rc == DUR_ENOTFOUND) ? DUR_OK : rc;
    }

    x->scanned++;

    rc = dur_filter_run(filter, e->txn, &run, &match);
    if (rc != DUR_OK || !match) {
        return rc;
    }

    x->matched++;

    rc = x->action == DUR_BULK_CANCEL ? dur_bulk_cancel(e, x, &run)
                                      : dur_bulk_replay(e, &run);
    if (rc == DUR_OK) {
        x->changed++;

    } else if (rc == DUR_ENOTFOUND) {
        x->refused++;
        rc = DUR_OK;
    }

    return rc;
}


/* -- a piece -------------------------------------------------------------- */

/*
 * Opens the filter as it was when the job was made: apps and functions are
 * those that had the names then.  DUR_EINVAL: it cannot be read any more.
 */
static dur_rc_t
dur_bulk_open(dur_engine_t *e, const dur_bulk_t *x, json_t **root,
    dur_filter_want_t *want, dur_filter_t *filter)
{
    char      err[160];
    dur_rc_t  rc;

    *root = dur_json_parse(x->filter, NULL);

    rc = dur_filter_read(*root, want, err);

    if (rc == DUR_OK) {
        want->app = dur_str_null;
        want->function = dur_str_null;

        rc = dur_filter_open_runs(filter, e->txn, want, e->now, err);
    }

    if (rc == DUR_OK) {
        filter->app = x->app;
        filter->function = x->function;
        return DUR_OK;
    }

    json_decref(*root);

    return rc == DUR_ENOTFOUND ? DUR_EINVAL : rc;
}


/* Goes on until the budget is used, or *done. */
static dur_rc_t
dur_bulk_walk(dur_engine_t *e, dur_bulk_t *x, dur_filter_t *filter)
{
    dur_rc_t    rc;
    unsigned    reads, share;
    uint64_t    written;
    dur_ulid_t  id;
    dur_walk_t  w;

    rc = dur_walk_open(&w, e->txn, &x->cursor, 0, &x->last);
    if (rc != DUR_OK) {
        return rc;
    }

    written = dur_txn_writes(e->txn);
    share = e->shared ? DUR_BULK_SHARE : 1;

    for (reads = 0;
         rc == DUR_OK && reads < DUR_BULK_READS / share
         && filter->work < DUR_BULK_WORK / share
         && dur_txn_writes(e->txn) - written < DUR_BULK_ROWS / share;
         reads++)
    {
        rc = dur_walk_next(&w, &id);

        if (rc == DUR_ENOTFOUND) {
            x->done = true;

        } else if (rc == DUR_OK) {
            x->cursor = id;
            rc = dur_bulk_look(e, x, filter, &id);
        }
    }

    dur_walk_close(&w);

    return x->done ? DUR_OK : rc;
}


dur_rc_t
dur_bulk_more(dur_engine_t *e, const dur_ulid_t *id, bool *done)
{
    json_t            *root;
    dur_rc_t           rc;
    dur_bulk_t         x;
    dur_filter_t       filter;
    dur_filter_want_t  want;

    *done = true;

    rc = dur_bulk_get(e, id, &x);
    if (rc != DUR_OK || x.done) {
        return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
    }

    rc = dur_bulk_open(e, &x, &root, &want, &filter);

    if (rc == DUR_OK) {
        rc = dur_bulk_walk(e, &x, &filter);
        dur_filter_close(&filter);
        json_decref(root);

    } else if (rc == DUR_EINVAL) {
        dur_state_log(e, 0, "the filter of a bulk job cannot be read: it is "
                      "stopped");
        x.done = true;
        x.stopped = true;
        rc = DUR_OK;
    }

    *done = x.done;

    if (rc == DUR_OK) {
        rc = dur_bulk_notice(e, &x);
    }

    return rc == DUR_OK ? dur_bulk_put(e, &x) : rc;
}


dur_rc_t
dur_bulk_poison(dur_engine_t *e, const dur_ulid_t *id)
{
    dur_rc_t    rc;
    dur_bulk_t  x;

    rc = dur_bulk_get(e, id, &x);
    if (rc != DUR_OK) {
        return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
    }

    x.done = true;
    x.stopped = true;

    rc = dur_bulk_notice(e, &x);

    return rc == DUR_OK ? dur_bulk_put(e, &x) : rc;
}
