/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The engine is (state, op, now, entropy) -> state and nothing else, so the
 * log of a seed, played again on an empty store, gives the same rows: also
 * when batches are begun and aborted in between, and, but for the epoch, when
 * the leader changes before any batch.
 */

#include "engine/dur_sign.h"

#include "sim.h"

#include <unistd.h>

typedef enum {
    SIM_REPLAY_SAME,            /* the log as it is */
    SIM_REPLAY_ABORTS,          /* .. with aborted batches in between */
    SIM_REPLAY_LEADERS          /* .. and more leader changes */
} sim_replay_kind_t;

static const char  *sim_replay_names[] = {
    "played again",
    "played again with aborted batches",
    "played again with more leader changes",
};


/* SHA-256 over all rows of all tables. */
static void
sim_dump(sim_t *s, dur_engine_t *e, bool epoch, uint8_t digest[32])
{
    uint8_t        head[32 + 12];
    dur_rc_t       rc;
    unsigned       t;
    dur_buf_t      b;
    dur_str_t      key, value;
    dur_txn_t     *txn;
    dur_cursor_t  *c;

    memset(digest, 0, 32);
    dur_buf_init(&b, 64 << 20);

    if (dur_txn_begin(dur_engine_store(e), false, &txn) != DUR_OK) {
        sim_fail(s, "the store cannot be read");
    }

    for (t = 0; t < DUR_T_MAX; t++) {
        if (dur_cursor_open(txn, (dur_table_t) t, &c) != DUR_OK) {
            sim_fail(s, "table %u cannot be read", t);
        }

        for (rc = dur_cursor_seek(c, dur_str_null, &key, &value);
             rc == DUR_OK;
             rc = dur_cursor_next(c, &key, &value))
        {
            if (!epoch && t == DUR_T_META
                && dur_str_eq(key, dur_str("epoch")))
            {
                continue;
            }

            dur_put32(head, t);
            dur_put32(head + 4, (uint32_t) key.len);
            dur_put32(head + 8, (uint32_t) value.len);
            dur_buf_add(&b, head, 12);
            dur_buf_adds(&b, key);
            dur_buf_adds(&b, value);
        }

        dur_cursor_close(c);
    }

    dur_txn_abort(txn);
    dur_sha256(dur_buf_str(&b), digest);
    dur_buf_deinit(&b);
}


static dur_engine_t *
sim_replay_open(sim_t *s, const char *path)
{
    char                  err[256];
    dur_engine_t         *e;
    dur_engine_options_t  options;

    memset(&options, 0, sizeof(options));
    options.path = path;
    options.size = (uint64_t) 256 << 20;
    options.async = true;
    options.zone = sim_zone;
    memcpy(options.store_id, s->store_id, sizeof(s->store_id));

    if (dur_engine_open(&e, &options, err, sizeof(err)) != DUR_OK) {
        sim_fail(s, "the store does not open: %s", err);
    }

    return e;
}


static void
sim_replay_apply(sim_t *s, dur_engine_t *e, const sim_batch_t *l,
    unsigned upto)
{
    unsigned     i;
    dur_rc_t     rc;
    dur_reply_t  reply;

    dur_arena_reset(&s->arena);

    if (dur_engine_begin(e, l->now, &s->arena) != DUR_OK) {
        sim_fail(s, "a batch does not begin");
    }

    for (i = 0; i < upto; i++) {
        memset(&reply, 0, sizeof(reply));
        rc = dur_engine_apply(e, l->ops[i], &reply);

        if (rc != DUR_OK) {
            sim_fail(s, "an op that went well fails when it is %s: %s",
                     sim_replay_names[SIM_REPLAY_SAME], dur_strerror(rc));
        }
    }
}


static void
sim_replay_log(sim_t *s, const char *path, sim_replay_kind_t kind,
    uint8_t digest[32])
{
    unsigned       i, n;
    dur_engine_t  *e;
    dur_effect_t  *f;
    sim_batch_t   *l;

    e = sim_replay_open(s, path);

    for (i = 0; i < s->nlog; i++) {
        l = &s->log[i];

        /* the first one is open already */

        for (n = l->reopens; n > (i == 0); n--) {
            dur_engine_close(e);
            e = sim_replay_open(s, path);
        }

        if (i > 0 && kind == SIM_REPLAY_LEADERS
            && sim_permille(&s->rand, 100))
        {
            dur_engine_close(e);
            e = sim_replay_open(s, path);
        }

        if (kind == SIM_REPLAY_ABORTS && sim_permille(&s->rand, 300)) {
            sim_replay_apply(s, e, l, sim_below(&s->rand, l->nops + 1));
            dur_engine_abort(e);
        }

        sim_replay_apply(s, e, l, l->nops);

        if (dur_engine_commit(e, &f) != DUR_OK) {
            sim_fail(s, "a commit fails");
        }
    }

    sim_dump(s, e, kind != SIM_REPLAY_LEADERS, digest);
    dur_engine_close(e);
}


void
sim_replay(sim_t *s)
{
    char      path[sizeof(s->path) + 8];
    uint8_t   whole[32], rest[32], digest[32];
    unsigned  kind;

    sim_dump(s, s->engine, true, whole);
    sim_dump(s, s->engine, false, rest);

    for (kind = SIM_REPLAY_SAME; kind <= SIM_REPLAY_LEADERS; kind++) {
        snprintf(path, sizeof(path), "%s.%u", s->path, kind);
        sim_directory(path, true);

        sim_replay_log(s, path, (sim_replay_kind_t) kind, digest);

        if (memcmp(digest, kind == SIM_REPLAY_LEADERS ? rest : whole, 32)
            != 0)
        {
            sim_fail(s, "%s, the log gives another store",
                     sim_replay_names[kind]);
        }

        sim_directory(path, false);
    }
}
