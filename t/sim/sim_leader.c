/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The leader: opens the store, decides batches, aborts some, and dies before
 * or after the commit of others; then nobody hears of what it decided.
 */

#include "sim_world.h"


void
sim_open(sim_t *s)
{
    char                  err[256];
    dur_rc_t              rc;
    dur_engine_options_t  options;

    memset(&options, 0, sizeof(options));
    options.path = s->path;
    options.size = (uint64_t) 256 << 20;
    options.async = true;
    options.zone = sim_zone;
    memcpy(options.store_id, s->store_id, sizeof(s->store_id));

    rc = dur_engine_open(&s->engine, &options, err, sizeof(err));
    if (rc != DUR_OK) {
        sim_fail(s, "the store does not open: %s", err);
    }

    dur_engine_set_feed(s->engine, s->seed & 1);

    s->opened++;
    s->need_config = true;
}


void
sim_world_close(sim_t *s)
{
    if (s->engine != NULL) {
        dur_engine_close(s->engine);
        s->engine = NULL;
    }
}


void
sim_leader_change(sim_t *s)
{
    s->figures.deaths++;
    sim_world_close(s);
    sim_sidecar_link(s);
    sim_open(s);
}


/* -- what a commit decided ------------------------------------------------ */

static void
sim_log_batch(sim_t *s, sim_ops_t *b)
{
    unsigned      i;
    sim_batch_t  *l;

    if (s->nlog == s->log_size) {
        s->log_size = s->log_size ? s->log_size * 2 : 256;
        s->log = realloc(s->log, s->log_size * sizeof(*s->log));
    }

    l = &s->log[s->nlog++];
    l->now = s->now;
    l->reopens = s->opened;
    l->nops = b->n;
    l->ops = malloc((b->n + 1) * sizeof(*l->ops));

    for (i = 0; i < b->n; i++) {
        l->ops[i] = b->ops[i].bytes;    /* the log owns the bytes now */
        b->ops[i].bytes = dur_str_null;
    }
}


static void
sim_committed_events(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    bool          known;
    unsigned      i;
    sim_event_t  *e;

    e = &s->events[o->ref];
    known = e->sent;

    if (reply->rc != DUR_OK || reply->status != 200) {
        sim_fail(s, "good events are refused: %s, %u",
                 dur_strerror(reply->rc), reply->status);
    }

    /* retention may have forgotten what started nothing */

    if (known && !(reply->flags & DUR_REPLY_F_DUPLICATE)
        && s->conf.retention > 0 && s->now >= e->accepted + s->conf.retention)
    {
        known = false;
    }

    if (known != ((reply->flags & DUR_REPLY_F_DUPLICATE) != 0)) {
        sim_fail(s, "events that were %sstored before are called %s",
                 known ? "" : "not ", known ? "new" : "duplicates");
    }

    for (i = 0; i < e->nops && !known; i++) {
        sim_check_event(s, (unsigned) o->ref + i);
        sim_wait_event(s, (unsigned) o->ref + i);
        sim_cancel_event(s, (unsigned) o->ref + i);
        e[i].sent = true;
    }
}


/* An answer that was applied: what it left to the server. */
static void
sim_committed_answer(sim_t *s, const sim_call_t *c)
{
    if (c->run < 0 || c->error_kind != DUR_CALL_OK) {
        return;
    }

    s->runs[c->run].defers |= c->defers;
    s->runs[c->run].aborted |= c->aborts;
    sim_wait_reported(s, c);
}


/* What a discovery was told of is behind its run, whatever it answered. */
static void
sim_committed_result(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    sim_run_t   *run;
    sim_call_t  *c;

    c = &s->calls[o->ref];

    if (reply->rc == DUR_OK) {
        sim_target_result(s, c);
        sim_committed_answer(s, c);
    }

    if (reply->rc != DUR_OK || !c->discovery || c->run < 0 || c->gateway
        || sim_target_away(c))
    {
        return;
    }

    run = &s->runs[c->run];

    if (c->memos > run->seen) {
        run->seen = c->memos;
    }
}


static void
sim_committed_cancel(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    sim_run_t  *run;

    run = &s->runs[o->ref];

    if (reply->rc == DUR_OK && reply->status < 300) {
        run->cancelled = true;

    } else if (!run->ended) {
        sim_fail(s, "a run of %s is not cancelled: %s, %u",
                 s->fns[run->fn].slug, dur_strerror(reply->rc),
                 reply->status);
    }
}


static void
sim_committed_active(sim_t *s, sim_fn_t *fn, bool active)
{
    if (fn->active != active) {
        fn->active_in = s->nlog;
    }

    fn->active = active;
}


/* Its settings are what the payload said, which was made for this batch. */
static void
sim_committed_flow(sim_t *s, sim_fn_t *fn)
{
    if (fn->active && memcmp(&fn->held, &fn->flow, sizeof(fn->flow)) != 0) {
        fn->before = fn->held;
        fn->held = fn->flow;
        fn->held_in = s->nlog;
        fn->flow_changed |= s->nlog > 1;
    }
}


static void
sim_committed_register(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    unsigned  i;

    if (reply->rc != DUR_OK || reply->status != 200) {
        sim_fail(s, "a registration is refused: %u %.*s", reply->status,
                 (int) reply->body.len, (const char *) reply->body.data);
    }

    for (i = 0; i < s->nfns; i++) {
        if (s->fns[i].app == (unsigned) o->ref) {
            sim_committed_active(s, &s->fns[i], o->fns >> i & 1);
            sim_committed_flow(s, &s->fns[i]);
        }
    }

    s->apps[o->ref].registered = true;
}


static void
sim_committed_remove(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    unsigned  i;

    if (reply->rc != DUR_OK) {
        sim_fail(s, "an app is not removed: %s", dur_strerror(reply->rc));
    }

    for (i = 0; i < s->nfns; i++) {
        if (s->fns[i].app == (unsigned) o->ref) {
            sim_committed_active(s, &s->fns[i], false);
            s->fns[i].toggled = true;
        }
    }

    s->apps[o->ref].registered = false;
    sim_target_removed(s, (unsigned) o->ref);
}


static void
sim_committed_signal(sim_t *s, const sim_op_t *o, const dur_reply_t *reply)
{
    char            id[DUR_ULID_TEXT_LEN + 1];
    int             run;
    dur_ulid_t      ulid;
    sim_signal_t   *g;

    g = &s->signals[o->ref];
    run = -1;

    if (reply->status == 200) {
        if (reply->body.len < 11 + DUR_ULID_TEXT_LEN) {
            sim_fail(s, "the answer to a signal names no run");
        }

        memcpy(id, reply->body.data + 11, DUR_ULID_TEXT_LEN);
        id[DUR_ULID_TEXT_LEN] = '\0';

        if (dur_ulid_parse(dur_str_c(id), &ulid) == DUR_OK) {
            run = sim_run_find(s, &ulid, false);
        }

    } else if (reply->status != 404) {
        sim_fail(s, "a signal is answered with %u", reply->status);
    }

    if (g->taken) {
        if (run != g->run) {
            sim_fail(s, "a signal that is sent again has another answer");
        }
        return;
    }

    sim_wait_signal(s, g, run);
}


/* What is true from now on, whoever learns of it. */
static void
sim_committed(sim_t *s, sim_ops_t *b)
{
    unsigned     i;
    sim_op_t    *o;
    dur_reply_t *reply;

    for (i = 0; i < b->n; i++) {
        o = &b->ops[i];
        reply = &b->replies[i];

        switch (o->type) {

        case DUR_OP_CONFIG:
            s->need_config = false;
            break;

        case DUR_OP_INVENTORY:
            s->need_inventory = false;
            s->inventory_in = s->nlog;
            break;

        case DUR_OP_REGISTER:
            sim_committed_register(s, o, reply);
            break;

        case DUR_OP_REMOVE:
            sim_committed_remove(s, o, reply);
            break;

        case DUR_OP_EVENTS:
            sim_committed_events(s, o, reply);
            break;

        case DUR_OP_RESULT:
            sim_committed_result(s, o, reply);
            break;

        case DUR_OP_CANCEL:
            sim_committed_cancel(s, o, reply);
            break;

        case DUR_OP_PAUSE:
            sim_committed_pause(s, o, reply);
            break;

        case DUR_OP_RERUN:
            sim_committed_rerun(s, o, reply);
            break;

        case DUR_OP_CANCELLATION:
            sim_committed_rule(s, o, reply);
            break;

        case DUR_OP_BULK:
            sim_bulk_committed(s, o, reply);
            break;

        case DUR_OP_CHECKPOINT:
            sim_committed_checkpoint(s, o, reply);
            break;

        case DUR_OP_SIGNAL:
            sim_committed_signal(s, o, reply);
            break;
        }
    }
}


/* Replies reach those who still wait. */
static void
sim_replied(sim_t *s, sim_ops_t *b)
{
    unsigned      i, j;
    sim_event_t  *e;

    for (i = 0; i < b->n; i++) {
        sim_ask_replied(s, &b->ops[i]);

        if (b->ops[i].type == DUR_OP_CHECKPOINT) {
            sim_checkpoint_replied(s, &b->ops[i], &b->replies[i]);
        }

        if (b->ops[i].type == DUR_OP_SIGNAL) {
            s->signals[b->ops[i].ref].acked = true;
        }

        if (b->ops[i].type != DUR_OP_EVENTS) {
            continue;
        }

        e = &s->events[b->ops[i].ref];

        for (j = 0; j < e->nops; j++) {
            e[j].acked = true;
        }
    }
}


/* What it is made of: numbers of dur_op_type_t, and what they are about. */
static void
sim_note_batch(sim_t *s, const sim_ops_t *b)
{
    char      text[SIM_BATCH_MAX * 12];
    size_t    len;
    unsigned  i;

    if (!s->opt->verbose) {
        return;
    }

    for (i = 0, len = 0, text[0] = '\0'; i < b->n; i++) {
        len += (size_t) snprintf(text + len, sizeof(text) - len, " %u:%d",
                                 b->ops[i].type, b->ops[i].ref);
    }

    sim_note(s, "batch %u at %" PRId64 ":%s", s->nlog + 1, s->now, text);
}


/* Results that were in a batch of which nothing happened come again. */
static void
sim_unsubmit(sim_t *s, sim_ops_t *b)
{
    unsigned  i;

    for (i = 0; i < b->n; i++) {
        if (b->ops[i].type == DUR_OP_RESULT) {
            s->calls[b->ops[i].ref].submitted = false;
        }
        if (b->ops[i].type == DUR_OP_CHECKPOINT) {
            sim_checkpoint_unheard(s, &b->ops[i]);
        }
    }
}


/* A stale result has no ledger that waits for its ACK. */
static void
sim_ghosts(sim_t *s, sim_ops_t *b)
{
    unsigned     i;
    sim_call_t  *c;

    for (i = 0; i < b->n; i++) {
        if (b->ops[i].type == DUR_OP_RESULT) {
            c = &s->calls[b->ops[i].ref];
            if (c->state != SIM_CALL_FREE && c->ghost) {
                sim_call_free(s, c);
            }
        }
    }
}


typedef enum {
    SIM_FINE,
    SIM_ABORT,                  /* and the same leader goes on */
    SIM_DIE_BEFORE,             /* the commit */
    SIM_DIE_AFTER
} sim_fate_t;

static sim_fate_t
sim_fate(sim_t *s)
{
    if (s->calm || !sim_permille(&s->rand, s->chaos)) {
        return SIM_FINE;
    }

    return (sim_fate_t) sim_range(&s->rand, SIM_ABORT, SIM_DIE_AFTER);
}


void
sim_batch(sim_t *s, sim_ops_t *b)
{
    dur_rc_t       rc;
    unsigned       i, upto;
    sim_fate_t     fate;
    dur_effect_t  *f;

    fate = sim_fate(s);
    upto = (fate == SIM_ABORT || fate == SIM_DIE_BEFORE)
           ? sim_below(&s->rand, b->n + 1) : b->n;

    dur_arena_reset(&s->arena);

    rc = dur_engine_begin(s->engine, s->now, &s->arena);
    if (rc != DUR_OK) {
        sim_fail(s, "a batch does not begin: %s", dur_strerror(rc));
    }

    for (i = 0; i < upto; i++) {
        memset(&b->replies[i], 0, sizeof(b->replies[i]));
        rc = dur_engine_apply(s->engine, b->ops[i].bytes, &b->replies[i]);

        if (rc != DUR_OK) {
            sim_fail(s, "an op of type %u fails its batch: %s",
                     b->ops[i].type, dur_strerror(rc));
        }
    }

    if (fate == SIM_ABORT || fate == SIM_DIE_BEFORE) {
        sim_note(s, "%s after %u of %u ops", fate == SIM_ABORT
                 ? "the batch aborts" : "the leader dies", upto, b->n);
        dur_engine_abort(s->engine);
        sim_unsubmit(s, b);
        if (fate == SIM_DIE_BEFORE) {
            sim_leader_change(s);
        }
        sim_ops_free(b);
        return;
    }

    rc = dur_engine_commit(s->engine, &f);
    if (rc != DUR_OK) {
        sim_fail(s, "a commit fails: %s", dur_strerror(rc));
    }

    s->figures.batches++;
    s->figures.ops += b->n;

    sim_note_batch(s, b);

    s->batch_ops = b->n;
    sim_log_batch(s, b);
    s->opened = 0;
    sim_target_begin(s);
    sim_committed(s, b);
    sim_ghosts(s, b);

    if (fate == SIM_DIE_AFTER) {
        sim_note(s, "the leader dies after the commit");
        sim_unsubmit(s, b);
        sim_leader_change(s);

    } else {
        for ( ; f != NULL; f = f->next) {
            sim_sidecar_effect(s, f);
        }
        sim_target_probes(s, b);
        sim_replied(s, b);
    }

    sim_checkpoint_settle(s, b);
    b->n = 0;
    sim_check_commit(s);
}
