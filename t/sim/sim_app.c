/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What an SDK does with a call: parse it, replay the function over the memos,
 * and report or run what comes next.  No step may run that has a memo or
 * runs elsewhere.
 */

#include "sim_app.h"

#define SIM_SDK  "x-inngest-sdk: inngest-js:v4.24.0\n"


/* How far a part of the program is: complete at a place of the stack. */
typedef struct {
    int   pos;
    bool  thrown;
} sim_walk_t;


static sim_walk_t
sim_walk(sim_ctx_t *x, unsigned node)
{
    unsigned           i;
    sim_walk_t         w, best;
    const sim_node_t  *n;
    const sim_step_t  *st;

    n = &x->fn->nodes[node];

    if (n->type == SIM_STEP) {
        w.pos = x->pos[n->step];
        w.thrown = false;

        if (w.pos == SIM_NO_MEMO) {
            x->frontier[x->nfrontier++] = n->step;
            return w;
        }

        st = &x->fn->steps[n->step];
        w.thrown = x->failed[n->step] && st->uncaught;

        return w;
    }

    best.pos = (n->type == SIM_RACE) ? SIM_NO_MEMO : 0;
    best.thrown = false;

    for (i = 0; i < n->nkids; i++) {
        w = sim_walk(x, n->kids[i]);

        switch (n->type) {

        case SIM_SEQ:
            if (w.pos == SIM_NO_MEMO || w.thrown) {
                return w;
            }
            best = w;
            break;

        case SIM_ALL:
            if (w.thrown) {
                best.thrown = true;
            }
            if (w.pos == SIM_NO_MEMO) {
                best.pos = SIM_NO_MEMO;
            } else if (best.pos != SIM_NO_MEMO && w.pos > best.pos) {
                best.pos = w.pos;
            }
            break;

        default:
            if (w.pos != SIM_NO_MEMO
                && (best.pos == SIM_NO_MEMO || w.pos < best.pos))
            {
                best = w;
            }
        }
    }

    return best;
}


static void
sim_set(char **p, const char *text)
{
    free(*p);
    *p = strdup(text);
}


static void
sim_answer(sim_ctx_t *x, unsigned status, const char *headers,
    const char *body)
{
    char  text[256];

    x->c->status = (uint16_t) status;
    x->c->error_kind = DUR_CALL_OK;

    snprintf(text, sizeof(text), "%scontent-type: application/json\n",
             headers);
    sim_set(&x->c->headers, text);
    sim_set(&x->c->body, body);
}


static void
sim_answer_error(sim_ctx_t *x, dur_call_error_t kind)
{
    x->c->status = 0;
    x->c->error_kind = (uint8_t) kind;
    sim_set(&x->c->headers, "");
    sim_set(&x->c->body, "");
    x->run->errored = true;
}


/* An answer of the SDK, now and then as a stream (protocol 4.2, 201). */
static void
sim_answer_sdk(sim_ctx_t *x, unsigned status, const char *body)
{
    int      n;
    char     headers[256], *text;
    json_t  *wrap, *h;

    if (sim_permille(&x->s->rand, 40)) {
        h = json_pack("{s:s}", "content-type", "application/json");
        if (x->no_retry) {
            json_object_set_new(h, "x-inngest-no-retry",
                                json_string(x->no_retry));
        }
        if (x->retry_after) {
            json_object_set_new(h, "retry-after",
                                json_sprintf("%u", x->retry_after));
        }

        wrap = json_pack("{s:i,s:o,s:s}", "status", (int) status,
                         "headers", h, "body", body);
        text = json_dumps(wrap, JSON_COMPACT);
        snprintf(headers, sizeof(headers), SIM_SDK
                 "x-inngest-req-version: %u\n", x->fn->version);
        sim_answer(x, 201, headers, text);
        free(text);
        json_decref(wrap);
        return;
    }

    n = snprintf(headers, sizeof(headers), SIM_SDK
                 "x-inngest-req-version: %u\n", x->fn->version);
    if (x->no_retry) {
        n += snprintf(headers + n, sizeof(headers) - (size_t) n,
                      "x-inngest-no-retry: %s\n", x->no_retry);
    }
    if (x->retry_after) {
        snprintf(headers + n, sizeof(headers) - (size_t) n,
                 "retry-after: %u\n", x->retry_after);
    }

    sim_answer(x, status, headers, body);
}


static void
sim_answer_ops(sim_ctx_t *x, json_t *ops)
{
    char  *text;

    if (json_array_size(ops) == 1 && sim_permille(&x->s->rand, 30)) {
        text = json_dumps(json_array_get(ops, 0), JSON_COMPACT);
    } else {
        text = json_dumps(ops, JSON_COMPACT);
    }

    sim_answer_sdk(x, 206, text);
    free(text);
    json_decref(ops);
}


static void
sim_answer_throw(sim_ctx_t *x, bool final)
{
    bool      last;
    unsigned  status;

    last = x->attempt + 1 >= x->max_attempts;
    status = 500;
    x->no_retry = "false";
    x->run->errored = true;

    if (final || (last && x->fn->version == 2)) {
        status = 400;
        x->no_retry = "true";
    }

    sim_answer_sdk(x, status, "{\"name\":\"Error\",\"message\":\"boom\","
                   "\"stack\":\"Error: boom\\n at f\","
                   "\"__serialized\":true}");
}


static void
sim_complete(sim_ctx_t *x, json_t *ops)
{
    char     text[96];
    json_t  *o;

    x->run->completed = true;

    if (!x->fn->run_complete) {
        json_decref(ops);
        snprintf(text, sizeof(text), "{\"done\":\"%s\"}", x->fn->slug);
        sim_answer_sdk(x, 200, text);
        return;
    }

    o = json_pack("{s:s,s:s,s:{s:s}}", "op", "RunComplete", "id",
                  "0737c22d3bfae812339732d14d8c7dbd6dc4e09c", "data",
                  "done", x->fn->slug);
    json_array_append_new(ops, o);
    sim_answer_ops(x, ops);
}


/* All that is reported runs elsewhere: an old SDK may say nothing new. */
static bool
sim_all_running(const sim_ctx_t *x)
{
    unsigned  i;

    for (i = 0; i < x->nfrontier; i++) {
        if (x->run->steps[x->frontier[i]].by == 0) {
            return false;
        }
    }

    return true;
}


/* -- checkpoints ---------------------------------------------------------- */

/* What was run so far is told, or stands in the answer. */
static void
sim_tell_steps(sim_ctx_t *x, json_t *ops, bool answer)
{
    sim_checkpoint_t  *p;

    p = &x->checkpoint;

    if (json_array_size(x->tells) == 0) {
        return;
    }

    if (answer) {
        json_array_extend(ops, x->tells);

    } else {
        p->ops = json_dumps(x->tells, JSON_COMPACT);
        p->defers = x->c->defers;
        p->aborts = x->c->aborts;
        x->c->defers = 0;
        x->c->aborts = 0;
        sim_checkpoint_add(x->s, x->c, p);
    }

    memset(p, 0, sizeof(*p));
    json_array_clear(x->tells);
}


/* Runs a step of a function that makes checkpoints; false: it answers. */
static bool
sim_discover_told(sim_ctx_t *x, unsigned step, json_t *ops)
{
    bool     failed;
    json_t  *op;

    op = sim_op_run(x, step, &failed);

    if (failed) {
        sim_tell_steps(x, ops, false);
        json_array_append_new(ops, op);
        return false;
    }

    json_array_append_new(x->tells, op);
    sim_op_defers(x, step, x->tells);
    x->checkpoint.nsteps++;

    if (x->checkpoint.nsteps < x->fn->checkpoints) {
        return true;
    }

    if (sim_permille(&x->s->rand, 50)) {
        sim_tell_steps(x, ops, true);           /* the server is not there */
        return false;
    }

    sim_tell_steps(x, ops, false);

    return true;
}


/* -- a discovery ---------------------------------------------------------- */

static bool
sim_throws_now(const sim_ctx_t *x)
{
    return x->fn->throws && x->nmemos == x->fn->throws_at
           && x->attempt < x->fn->throws;
}


/* What the server has to do is reported. */
static void
sim_discover_reports(sim_ctx_t *x, unsigned n, json_t *ops)
{
    unsigned  i;

    if (n == 0 && x->fn->version == 1 && sim_all_running(x)
        && sim_permille(&x->s->rand, 300))
    {
        return;
    }

    for (i = 0; i < x->nfrontier; i++) {
        json_array_append_new(ops, sim_op_report(x, x->frontier[i]));
    }
}


/* Runs one step; false: there is an answer. */
static bool
sim_discover_step(sim_ctx_t *x, unsigned step, unsigned n, json_t *ops)
{
    bool  failed, more;

    if (x->fn->checkpoints) {
        if (n > 0 && sim_permille(&x->s->rand, 40)) {
            sim_tell_steps(x, ops, false);      /* it ran for too long */
            json_array_append_new(ops, sim_op_report(x, step));
            return false;
        }

        more = sim_discover_told(x, step, ops);

    } else {
        json_array_append_new(ops, sim_op_run(x, step, &failed));

        if (!failed) {
            sim_op_defers(x, step, ops);
        }

        more = !failed && n + 1 < x->fn->buffered;
    }

    if (more) {
        /* goes on as if the memo were there */
        x->pos[step] = (int) x->nmemos++;
    }

    return more;
}


static void
sim_discover(sim_ctx_t *x)
{
    json_t      *ops;
    unsigned     n;
    sim_walk_t   w;

    ops = json_array();

    for (n = 0; /* void */; n++) {
        x->nfrontier = 0;
        w = sim_walk(x, x->fn->root);

        if (w.thrown || sim_throws_now(x)) {
            sim_tell_steps(x, ops, false);
            if (json_array_size(ops)) {
                break;
            }
            json_decref(ops);
            x->retry_after = w.thrown || x->fn->throws_final
                             ? 0 : x->fn->retry_after;
            sim_answer_throw(x, w.thrown || x->fn->throws_final);
            return;
        }

        if (x->nfrontier == 0) {
            sim_tell_steps(x, ops, sim_permille(&x->s->rand, 100));
            sim_complete(x, ops);
            return;
        }

        if (x->nfrontier > 1 || x->plan
            || sim_step_reports(&x->fn->steps[x->frontier[0]]))
        {
            sim_tell_steps(x, ops, false);
            sim_discover_reports(x, n, ops);
            break;
        }

        if (!sim_discover_step(x, x->frontier[0], n, ops)) {
            break;
        }
    }

    sim_answer_ops(x, ops);
}


static void
sim_targeted(sim_ctx_t *x)
{
    bool         failed;
    json_t      *ops;
    unsigned     i, step;
    sim_walk_t   w;

    x->nfrontier = 0;
    w = sim_walk(x, x->fn->root);

    for (i = 0; i < x->nfrontier; i++) {
        step = x->frontier[i];

        if (strcmp(x->fn->steps[step].hash, x->target) != 0) {
            continue;
        }

        ops = json_array();
        json_array_append_new(ops, sim_op_run(x, step, &failed));
        if (!failed) {
            sim_op_defers(x, step, ops);
        }
        sim_answer_ops(x, ops);
        return;
    }

    for (i = 0; i < x->fn->nsteps; i++) {
        if (strcmp(x->fn->steps[i].hash, x->target) == 0
            && x->pos[i] != SIM_NO_MEMO)
        {
            sim_fail(x->s, "%s is asked to run step %s, which has a memo",
                     x->fn->slug, x->fn->steps[i].id);
        }
    }

    if (!w.thrown) {
        sim_fail(x->s, "%s is asked to run step %s, which is not found",
                 x->fn->slug, x->target);
    }

    sim_answer_throw(x, true);
}


/* Answers that no SDK means; true when one was given. */
static bool
sim_garbage(sim_ctx_t *x)
{
    char  text[256];

    static const char  *idle[] = {
        "[]", "[{\"op\":\"None\"}]", "[{\"op\":\"DiscoveryRequest\"}]"
    };

    if (x->s->calm || !sim_permille(&x->s->rand, x->s->garbage)) {
        return false;
    }

    x->run->errored = true;

    if (sim_permille(&x->s->rand, 250)) {
        /* an SDK may say this, but not when there is something to do */
        sim_answer(x, 206, SIM_SDK, idle[sim_below(&x->s->rand, 3)]);
        return true;
    }

    switch (sim_below(&x->s->rand, 12)) {
    case 0:
        sim_answer(x, 200, "", "<html>hello</html>");
        break;
    case 1:
        sim_answer(x, 502, "", "<html>bad gateway</html>");
        break;
    case 2:
        sim_answer(x, 206, SIM_SDK, "[{\"op\":");
        break;
    case 3:
        sim_answer(x, 206, SIM_SDK, "");
        break;
    case 4:
        sim_answer(x, 206, SIM_SDK, "[null]");
        break;
    case 5:
        sim_answer(x, 206, SIM_SDK,
                   "[{\"op\":\"Bogus\",\"id\":\"86f7e437faa5a7fce15d1ddcb9"
                   "eaeaea377667b8\"}]");
        break;
    case 6:
        sim_answer_error(x, DUR_CALL_ETIMEOUT);
        break;
    case 7:
        sim_answer_error(x, DUR_CALL_ECONNECT);
        break;
    case 8:
        sim_answer_error(x, DUR_CALL_ETOOBIG);
        break;
    case 9:
        /* ops of nobody: without the SDK's header they are not applied */
        snprintf(text, sizeof(text), "[{\"op\":\"StepRun\",\"id\":\"%s\","
                 "\"data\":\"forged\"}]", x->fn->nsteps
                 ? x->fn->steps[0].hash : "86f7e437faa5a7fce15d1ddcb9"
                 "eaeaea377667b8");
        sim_answer(x, 206, "", text);
        break;
    case 10:
        snprintf(text, sizeof(text), "[{\"op\":\"StepError\",\"id\":\"%s\"}]",
                 x->fn->nsteps ? x->fn->steps[0].hash
                 : "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8");
        sim_answer(x, 206, SIM_SDK, text);
        break;
    default:
        sim_answer(x, 500, SIM_SDK, "");
    }

    return true;
}


void
sim_app_answer(sim_t *s, sim_call_t *c)
{
    bool        lost, errored;
    sim_ctx_t   x;
    sim_app_t  *app;

    memset(&x, 0, sizeof(x));
    x.s = s;
    x.c = c;
    x.tells = json_array();

    sim_ctx_parse(&x);

    c->discovery = strcmp(x.target, "step") == 0;
    c->memos = x.nmemos;
    app = &s->apps[x.fn->app];
    errored = x.run->errored;

    if (s->now < app->down_until) {
        if (app->down_503) {
            sim_answer(&x, 503, "", "down for maintenance");
        } else {
            sim_answer_error(&x, DUR_CALL_ECONNECT);
        }

    } else if (!sim_garbage(&x)) {
        lost = !s->calm && sim_permille(&s->rand, s->garbage / 4);

        if (c->discovery) {
            sim_discover(&x);
        } else {
            sim_targeted(&x);
        }

        if (lost) {
            sim_answer_error(&x, DUR_CALL_ELOST);
            c->reports = 0;
            c->defers = 0;
            c->aborts = 0;
        }
    }

    if (sim_target_away(c)) {
        /* whether it was an attempt is seen when it is decided */
        x.run->errored = errored;
    }

    json_decref(x.tells);
    json_decref(x.body);
}
