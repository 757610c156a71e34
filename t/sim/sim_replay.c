/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The engine is (state, op, now, entropy) -> state and nothing else, so the
 * log of a seed, played again on an empty store, gives the same rows: also
 * when batches are begun and aborted in between, and, but for the epoch, when
 * the leader changes before any batch.
 */

#include "sim.h"

#include <unistd.h>

#define SIM_DUMP_HEAD  12
#define SIM_DUMP_TEXT  400

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


/* All rows of all tables: table, lengths, key, value. */
static void
sim_dump(sim_t *s, dur_engine_t *e, bool epoch, dur_buf_t *b)
{
    uint8_t        head[SIM_DUMP_HEAD];
    dur_rc_t       rc;
    unsigned       t;
    dur_str_t      key, value;
    dur_txn_t     *txn;
    dur_cursor_t  *c;

    dur_buf_init(b, 64 << 20);

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
            dur_buf_add(b, head, sizeof(head));
            dur_buf_adds(b, key);
            dur_buf_adds(b, value);
        }

        dur_cursor_close(c);
    }

    dur_txn_abort(txn);
}


/* A row of a dump: its length, and what it is. */
static size_t
sim_dump_row(const dur_buf_t *b, size_t at, char text[SIM_DUMP_TEXT])
{
    size_t          i, len, n;
    const uint8_t  *p;

    if (at >= b->len) {
        snprintf(text, SIM_DUMP_TEXT, "nothing");
        return 0;
    }

    p = b->data + at;
    len = dur_get32(p + 4) + dur_get32(p + 8);
    n = (size_t) snprintf(text, SIM_DUMP_TEXT, "table %u ", dur_get32(p));

    for (i = 0; i < len && n + 4 < SIM_DUMP_TEXT; i++) {
        n += (size_t) snprintf(text + n, SIM_DUMP_TEXT - n, "%s%02x",
                               i == dur_get32(p + 4) ? " " : "",
                               p[SIM_DUMP_HEAD + i]);
    }

    return SIM_DUMP_HEAD + len;
}


/* The first row that is another one. */
static void
sim_dump_compare(sim_t *s, const dur_buf_t *a, const dur_buf_t *b,
    const char *what)
{
    char    was[SIM_DUMP_TEXT], is[SIM_DUMP_TEXT];
    size_t  at, n, m;

    if (a->len == b->len && memcmp(a->data, b->data, a->len) == 0) {
        return;
    }

    for (at = 0; at < a->len && at < b->len; at += n) {
        n = sim_dump_row(a, at, was);
        m = sim_dump_row(b, at, is);

        if (n != m || at + n > a->len || at + n > b->len
            || memcmp(a->data + at, b->data + at, n) != 0)
        {
            break;
        }
    }

    (void) sim_dump_row(a, at, was);
    (void) sim_dump_row(b, at, is);

    sim_fail(s, "%s, the log gives another store:\n# %s\n# became\n# %s",
             what, was, is);
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
    dur_buf_t *dump)
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

    sim_dump(s, e, kind != SIM_REPLAY_LEADERS, dump);
    dur_engine_close(e);
}


void
sim_replay(sim_t *s)
{
    char       path[sizeof(s->path) + 8];
    unsigned   kind;
    dur_buf_t  whole, rest, dump;

    sim_dump(s, s->engine, true, &whole);
    sim_dump(s, s->engine, false, &rest);

    for (kind = SIM_REPLAY_SAME; kind <= SIM_REPLAY_LEADERS; kind++) {
        snprintf(path, sizeof(path), "%s.%u", s->path, kind);
        sim_directory(path, true);

        sim_replay_log(s, path, (sim_replay_kind_t) kind, &dump);

        sim_dump_compare(s, kind == SIM_REPLAY_LEADERS ? &rest : &whole,
                         &dump, sim_replay_names[kind]);

        dur_buf_deinit(&dump);
        sim_directory(path, false);
    }

    dur_buf_deinit(&whole);
    dur_buf_deinit(&rest);
}
