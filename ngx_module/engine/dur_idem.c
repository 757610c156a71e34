/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_idem.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"


#define DUR_IDEM_BUCKET_MS  (12 * 3600 * (int64_t) 1000)
#define DUR_IDEM_HASH       16
#define DUR_IDEM_KEY        (4 + DUR_IDEM_HASH)

/* A row lives through its own bucket and the three after it, so at least 24
 * hours; look-ups probe the same four. */
#define DUR_IDEM_BUCKETS    4

/* An answer that is kept: small, or LMDB would need pages in a row. */
#define DUR_IDEM_ANSWER_MAX  2048


static uint32_t
dur_idem_bucket(int64_t ms)
{
    return (uint32_t) (ms / DUR_IDEM_BUCKET_MS);
}


/* When the rows of a bucket may go. */
static int64_t
dur_idem_expiry(uint32_t bucket)
{
    return ((int64_t) bucket + DUR_IDEM_BUCKETS) * DUR_IDEM_BUCKET_MS;
}


static dur_str_t
dur_idem_key(uint8_t key[DUR_IDEM_KEY], uint32_t bucket,
    const uint8_t hash[DUR_IDEM_HASH])
{
    dur_put32(key, bucket);
    memcpy(key + 4, hash, DUR_IDEM_HASH);

    return dur_str_make(key, DUR_IDEM_KEY);
}


static dur_rc_t
dur_idem_hash(dur_engine_t *e, uint32_t function, dur_str_t client_id,
    uint8_t hash[DUR_IDEM_HASH])
{
    uint8_t  *text, digest[20];

    text = dur_arena_alloc(e->arena, client_id.len + 4);
    if (text == NULL) {
        return DUR_ENOMEM;
    }

    dur_put32(text, function);
    memcpy(text + 4, client_id.data, client_id.len);

    dur_sha1(dur_str_make(text, client_id.len + 4), digest);
    memcpy(hash, digest, DUR_IDEM_HASH);

    return DUR_OK;
}


/* The run of a row lives. */
static dur_rc_t
dur_idem_lives(dur_engine_t *e, dur_str_t value, bool *live)
{
    dur_rc_t    rc;
    dur_run_t   run;
    dur_ulid_t  id;

    *live = false;

    if (value.len > DUR_ULID_LEN) {
        return DUR_OK;          /* an answer */
    }

    if (value.len != DUR_ULID_LEN) {
        return DUR_ECORRUPT;
    }

    memcpy(id.b, value.data, DUR_ULID_LEN);

    rc = dur_run_get(e->txn, &id, &run);
    if (rc == DUR_OK) {
        *live = run.status == DUR_RUN_LIVE;
    }

    /* a run that cannot be read keeps nothing */

    return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
}


/*
 * Buckets whose time is over but which were not dropped yet: of their rows
 * those of live runs count.  DUR_EEXIST for one of them.
 */
static dur_rc_t
dur_idem_overdue(dur_engine_t *e, uint32_t now,
    const uint8_t hash[DUR_IDEM_HASH])
{
    bool           live;
    uint8_t        key[DUR_IDEM_KEY];
    uint32_t       bucket;
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    static const uint8_t  zero[DUR_IDEM_HASH];

    rc = dur_cursor_open(e->txn, DUR_T_IDEM, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str_null, &k, &v);

    while (rc == DUR_OK && k.len == DUR_IDEM_KEY) {
        bucket = dur_get32(k.data);

        if (bucket + DUR_IDEM_BUCKETS > now) {
            break;
        }

        rc = dur_cursor_seek(c, dur_idem_key(key, bucket, hash), &k, &v);

        if (rc == DUR_OK && k.len == DUR_IDEM_KEY
            && memcmp(k.data, key, DUR_IDEM_KEY) == 0)
        {
            rc = dur_idem_lives(e, v, &live);

            if (rc == DUR_OK && live) {
                rc = DUR_EEXIST;
            }
        }

        if (rc == DUR_OK) {
            rc = dur_cursor_seek(c, dur_idem_key(key, bucket + 1, zero), &k,
                                 &v);
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_idem_take(dur_engine_t *e, dur_run_t *run, dur_str_t client_id)
{
    uint8_t    key[DUR_IDEM_KEY];
    uint32_t   now, i;
    dur_rc_t   rc;
    dur_str_t  present;

    rc = dur_idem_hash(e, run->function, client_id, run->idem_hash);
    if (rc != DUR_OK) {
        return rc;
    }

    now = dur_idem_bucket(e->now);

    /* from the next one on, since the clock may have been set back */

    for (i = 0; i <= DUR_IDEM_BUCKETS; i++) {
        rc = dur_txn_get(e->txn, DUR_T_IDEM,
                         dur_idem_key(key, now + 1 - i, run->idem_hash),
                         &present);
        if (rc != DUR_ENOTFOUND) {
            return rc == DUR_OK ? DUR_EEXIST : rc;
        }
    }

    rc = dur_idem_overdue(e, now, run->idem_hash);
    if (rc != DUR_OK) {
        return rc;
    }

    run->idem_bucket = now;

    if (dur_idem_expiry(now) < e->next_expiry) {
        e->next_expiry = dur_idem_expiry(now);
    }

    return dur_txn_insert(e->txn, DUR_T_IDEM,
                          dur_idem_key(key, now, run->idem_hash),
                          dur_ulid_key(&run->id), NULL);
}


dur_rc_t
dur_idem_forget(dur_engine_t *e, dur_run_t *run)
{
    uint8_t   key[DUR_IDEM_KEY];
    uint32_t  bucket;

    bucket = run->idem_bucket;
    run->idem_bucket = 0;

    return bucket ? dur_txn_del(e->txn, DUR_T_IDEM,
                                dur_idem_key(key, bucket, run->idem_hash))
                  : DUR_OK;
}


dur_rc_t
dur_idem_ended(dur_engine_t *e, dur_run_t *run)
{
    uint8_t   key[DUR_IDEM_KEY];
    uint32_t  now, i;
    dur_rc_t  rc;

    now = dur_idem_bucket(e->now);

    if (run->idem_bucket == 0 || run->idem_bucket == now) {
        return DUR_OK;
    }

    /* wherever it is now: it may have moved on since the run began */

    for (i = 1; i <= DUR_IDEM_BUCKETS; i++) {
        rc = dur_txn_del(e->txn, DUR_T_IDEM,
                         dur_idem_key(key, now - i, run->idem_hash));
        if (rc == DUR_OK) {
            break;
        }
        if (rc != DUR_ENOTFOUND) {
            return rc;
        }
    }

    run->idem_bucket = now;

    return dur_txn_put(e->txn, DUR_T_IDEM,
                       dur_idem_key(key, now, run->idem_hash),
                       dur_ulid_key(&run->id));
}


/* -- answers -------------------------------------------------------------- */

dur_rc_t
dur_idem_answer_get(dur_engine_t *e, const dur_ulid_t *id,
    dur_reply_t *reply)
{
    uint8_t    key[DUR_IDEM_KEY];
    uint32_t   now, i;
    dur_rc_t   rc;
    dur_str_t  row;

    now = dur_idem_bucket(e->now);

    for (i = 0; i <= DUR_IDEM_BUCKETS; i++) {
        rc = dur_txn_get(e->txn, DUR_T_IDEM,
                         dur_idem_key(key, now + 1 - i, id->b), &row);
        if (rc == DUR_ENOTFOUND) {
            continue;
        }

        if (rc != DUR_OK) {
            return rc;
        }

        if (row.len <= DUR_ULID_LEN) {
            return DUR_ECORRUPT;
        }

        row = dur_arena_copy(e->arena,
                             dur_str_make(row.data + DUR_ULID_LEN,
                                          row.len - DUR_ULID_LEN));

        return row.data ? dur_reply_decode(row, reply) : DUR_ENOMEM;
    }

    return DUR_ENOTFOUND;
}


dur_rc_t
dur_idem_answer_put(dur_engine_t *e, const dur_ulid_t *id,
    const dur_reply_t *reply)
{
    uint8_t    key[DUR_IDEM_KEY];
    uint32_t   now;
    dur_rc_t   rc;
    dur_buf_t  b;

    static const uint8_t  no_run[DUR_ULID_LEN];

    now = dur_idem_bucket(e->now);

    if (dur_idem_expiry(now) < e->next_expiry) {
        e->next_expiry = dur_idem_expiry(now);
    }

    dur_buf_init(&b, DUR_IDEM_ANSWER_MAX);
    dur_buf_add(&b, no_run, sizeof(no_run));

    rc = dur_reply_encode(reply, &b);
    if (rc == DUR_OK) {
        rc = dur_txn_put(e->txn, DUR_T_IDEM, dur_idem_key(key, now, id->b),
                         dur_buf_str(&b));
    }

    dur_buf_deinit(&b);

    return rc;
}


/* -- expiry --------------------------------------------------------------- */

static dur_rc_t
dur_idem_drop(dur_engine_t *e, dur_str_t key, dur_str_t value)
{
    bool        live;
    uint8_t     copy[DUR_IDEM_KEY], fresh[DUR_IDEM_KEY];
    dur_rc_t    rc;
    dur_ulid_t  id;

    if (key.len != DUR_IDEM_KEY || value.len < DUR_ULID_LEN) {
        key = dur_arena_copy(e->arena, key);
        return key.data ? dur_txn_del(e->txn, DUR_T_IDEM, key) : DUR_ENOMEM;
    }

    memcpy(copy, key.data, DUR_IDEM_KEY);
    memcpy(id.b, value.data, DUR_ULID_LEN);

    rc = dur_idem_lives(e, value, &live);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_txn_del(e->txn, DUR_T_IDEM, dur_str_make(copy, DUR_IDEM_KEY));

    if (rc == DUR_OK && live) {
        rc = dur_txn_put(e->txn, DUR_T_IDEM,
                         dur_idem_key(fresh, dur_idem_bucket(e->now),
                                      copy + 4),
                         dur_ulid_key(&id));
    }

    return rc;
}


dur_rc_t
dur_idem_expire(dur_engine_t *e, unsigned *budget, int64_t *next)
{
    uint32_t       bucket;
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    for ( ;; ) {
        *next = INT64_MAX;

        rc = dur_cursor_open(e->txn, DUR_T_IDEM, &c);
        if (rc != DUR_OK) {
            return rc;
        }

        rc = dur_cursor_seek(c, dur_str_null, &k, &v);
        dur_cursor_close(c);

        if (rc != DUR_OK) {
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }

        bucket = k.len >= 4 ? dur_get32(k.data) : 0;
        *next = dur_idem_expiry(bucket);

        if (*next > e->now || *budget == 0) {
            return DUR_OK;
        }

        (*budget)--;

        rc = dur_idem_drop(e, k, v);
        if (rc != DUR_OK) {
            return rc;
        }
    }
}
