/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The only unit that knows LMDB.  Tables, transactions with a sticky error
 * (after the first failure every call does nothing and commit returns it), and
 * the mapping of LMDB's codes to dur_rc_t.
 *
 * Values handed out are borrowed: valid until the next write of the same
 * transaction, or its end.  A process opens a store at most once.
 */

#ifndef DUR_STORE_H
#define DUR_STORE_H

#include "engine/dur_base.h"

#define DUR_STORE_FORMAT  1

typedef struct dur_store_s  dur_store_t;
typedef struct dur_txn_s    dur_txn_t;
typedef struct dur_cursor_s dur_cursor_t;

typedef enum {
    DUR_T_META = 0,     /* name -> counters, store id, configuration */
    DUR_T_APP,          /* u32 id -> app */
    DUR_T_FUNCTION,     /* u32 id -> function, its newest version */
    DUR_T_NAME,         /* kind + text -> u32 id, and back */
    DUR_T_EVENT,        /* ULID -> event */
    DUR_T_EVENT_RUN,    /* event ULID + run ULID -> */
    DUR_T_RUN,          /* ULID -> run header */
    DUR_T_STEP,         /* run ULID + hash -> step */
    DUR_T_PAYLOAD,      /* owner ULID + u32 sequence -> up to 4,000 bytes */
    DUR_T_TIMER,        /* due ms + u64 sequence -> item */
    DUR_T_READY,        /* app u32 + partition u64 + score u64 + seq -> item */
    DUR_T_LEASE,        /* item -> item, generation */
    DUR_T_IDEM,         /* u32 bucket + 16-byte hash -> run or answer */
    DUR_T_ENDED,        /* ended ms + run ULID -> ; what retention reads */
    DUR_T_TASK,         /* u64 sequence -> kind, cursor */
    DUR_T_HISTORY,      /* run ULID + u32 sequence -> attempt */
    DUR_T_WAIT,
    DUR_T_FLOW,
    DUR_T_TARGET,
    DUR_T_UPLOAD,
    DUR_T_CANCELLATION, /* ULID -> which runs, and how far it is */
    DUR_T_REDELIVERY,   /* the same, of webhooks that are sent again */
    DUR_T_SERVED,       /* run ULID + hash of another server -> result */
    DUR_T_DEFINITION,   /* u32 function + u32 version -> a workflow */
    DUR_T_BLOCKED,      /* counter + function + score + item -> item */
    DUR_T_PLACE,        /* kind + item -> where it is blocked, or ready */
    DUR_T_BULK,         /* ULID -> a bulk job, and how far it is */
    DUR_T_MAX
} dur_table_t;

typedef struct {
    const char  *path;
    uint64_t     size;          /* 0: 64 GiB */
    bool         create;        /* the leader: creates tables */
    bool         async;
} dur_store_options_t;

/*
 * DUR_EFORMAT, DUR_EACCES, DUR_EFULL, DUR_EIO, DUR_ECORRUPT; err holds a
 * sentence.  Without `create` the tables must exist (DUR_ENOTFOUND).
 */
dur_rc_t dur_store_open(dur_store_t **store, const dur_store_options_t *opt,
    char *err, size_t size);
void dur_store_close(dur_store_t *s);

/*
 * Reads <path>/format without opening the store: DUR_OK also when there is no
 * store yet; DUR_EFORMAT with a sentence for a newer or foreign one.  For
 * `nginx -t`.
 */
dur_rc_t dur_store_check_format(const char *path, char *err, size_t size);

/* Frees the reader slots of dead processes. */
void dur_store_reader_check(dur_store_t *s);

typedef struct {
    uint64_t  pages_used;       /* without the free ones */
    uint64_t  pages_last;       /* high-water mark of the file */
    uint64_t  pages_total;
    uint64_t  page_size;
    uint64_t  readers;          /* slots that are or were in use */
} dur_store_stat_t;

dur_rc_t dur_store_stat(dur_store_t *s, dur_store_stat_t *st);

/* Of the library: "LMDB 0.9.24: (July 24, 2019)". */
const char *dur_store_version(void);

/*
 * What people may not read (dur_redact.h), or NULL.  The store does nothing
 * with it but to have it at hand wherever something is read for them.
 */
struct dur_redact_s;
void dur_store_set_redact(dur_store_t *s, const struct dur_redact_s *redact);
const struct dur_redact_s *dur_store_redact(const dur_store_t *s);
const struct dur_redact_s *dur_txn_redact(const dur_txn_t *t);

/* As docs/storage.md has it; the names are in dur_store_file.c. */
const char *dur_store_table_name(dur_table_t table);

dur_rc_t dur_txn_begin(dur_store_t *s, bool write, dur_txn_t **txn);
dur_rc_t dur_txn_commit(dur_txn_t *t);      /* frees t in any case */
void dur_txn_abort(dur_txn_t *t);           /* NULL allowed */
dur_rc_t dur_txn_rc(const dur_txn_t *t);    /* the sticky error */

dur_rc_t dur_txn_get(dur_txn_t *t, dur_table_t table, dur_str_t key,
    dur_str_t *value);
dur_rc_t dur_txn_put(dur_txn_t *t, dur_table_t table, dur_str_t key,
    dur_str_t value);
/* The key must be the highest of the table. */
dur_rc_t dur_txn_append(dur_txn_t *t, dur_table_t table, dur_str_t key,
    dur_str_t value);
/* DUR_EEXIST and the present value when the key exists. */
dur_rc_t dur_txn_insert(dur_txn_t *t, dur_table_t table, dur_str_t key,
    dur_str_t value, dur_str_t *present);
/* DUR_ENOTFOUND is not sticky. */
dur_rc_t dur_txn_del(dur_txn_t *t, dur_table_t table, dur_str_t key);
uint64_t dur_txn_count(dur_txn_t *t, dur_table_t table);
/* Rows that were written and deleted so far. */
uint64_t dur_txn_writes(const dur_txn_t *t);

/* Cursors live inside the transaction; close before commit or abort. */
dur_rc_t dur_cursor_open(dur_txn_t *t, dur_table_t table, dur_cursor_t **c);
void dur_cursor_close(dur_cursor_t *c);     /* NULL allowed */
/* First key >= key / the following / the one before / the last: DUR_OK or
 * DUR_ENOTFOUND. */
dur_rc_t dur_cursor_seek(dur_cursor_t *c, dur_str_t key, dur_str_t *k,
    dur_str_t *v);
dur_rc_t dur_cursor_next(dur_cursor_t *c, dur_str_t *k, dur_str_t *v);
dur_rc_t dur_cursor_prev(dur_cursor_t *c, dur_str_t *k, dur_str_t *v);
dur_rc_t dur_cursor_last(dur_cursor_t *c, dur_str_t *k, dur_str_t *v);
dur_rc_t dur_cursor_del(dur_cursor_t *c);

#endif /* DUR_STORE_H */
