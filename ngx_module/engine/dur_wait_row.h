/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The rows of DUR_T_WAIT; for the dur_wait units alone.
 *
 *   'N' name                                   how many wait, by which fields
 *   'W' name, slot, value, run, kind, step     a wait for an event
 *   'S' signal                                 a wait for a signal
 *   'R' run, kind, step                        the key of the row above
 *   'T' name, ticket                           dur_wait_queue's own
 *
 * Names of events and signals are 16 bytes of their SHA-1.  A slot is a field
 * that some waits of a name want to be equal to something, and the value is a
 * hash of that; slot 0 is for those that want no such thing.
 */

#ifndef DUR_WAIT_ROW_H
#define DUR_WAIT_ROW_H

#include "engine/dur_base.h"
#include "engine/dur_expr_path.h"
#include "engine/dur_payload.h"
#include "engine/dur_run.h"

#define DUR_WAIT_NAME   16
#define DUR_WAIT_WHO    (DUR_ULID_LEN + 1 + DUR_HASH_LEN)
#define DUR_WAIT_VALUE  (1 + DUR_WAIT_NAME + 2 + 8)     /* 'W' .. value */
#define DUR_WAIT_KEY    (DUR_WAIT_VALUE + DUR_WAIT_WHO)

#define DUR_WAIT_PATHS  16      /* slots of a name; further fields get none */
#define DUR_WAIT_PATH   96      /* bytes of a path that gets one */

typedef enum {
    DUR_WAIT_STEP = 1,
    DUR_WAIT_CANCEL,            /* step: the number of the cancelOn entry */
    DUR_WAIT_SIGNAL
} dur_wait_kind_t;

typedef struct {
    dur_ulid_t  run;
    uint8_t     kind;
    dur_hash_t  step;
} dur_wait_who_t;

typedef struct {
    uint8_t         name[DUR_WAIT_NAME];
    uint16_t        slot;
    uint64_t        value;
    dur_wait_who_t  who;
} dur_wait_key_t;

#define DUR_WAIT_F_SAID   0x01  /* the log knows that its expression fails */
#define DUR_WAIT_F_EVENT  0x02  /* what it uses of its run's event is large:
                                   the event is to be read */

/* A 'W' row; strings are borrowed from it. */
typedef struct {
    uint8_t        flags;
    int64_t        expires;
    uint64_t       mark;        /* of events from this mark on, see below */
    dur_payload_t  expression;  /* the run owns its rows */
    dur_str_t      event;       /* JSON, empty with DUR_WAIT_F_EVENT */
} dur_wait_t;

/* An 'N' row. */
typedef struct {
    uint16_t  slot;
    uint32_t  count;
    uint8_t   len;
    uint8_t   text[DUR_WAIT_PATH];      /* the names, a zero between them */
} dur_wait_path_t;

typedef struct {
    uint32_t         plain;     /* waits in slot 0 */
    unsigned         n;
    dur_wait_path_t  paths[DUR_WAIT_PATHS];
} dur_wait_names_t;

void dur_wait_name(dur_str_t text, uint8_t name[DUR_WAIT_NAME]);

void dur_wait_who_put(uint8_t p[DUR_WAIT_WHO], const dur_wait_who_t *who);
void dur_wait_who_get(const uint8_t p[DUR_WAIT_WHO], dur_wait_who_t *who);
dur_str_t dur_wait_key(uint8_t p[DUR_WAIT_KEY], const dur_wait_key_t *key);

/* The hash that a value is found by; false for lists and maps, which are
 * found by none.  NULL is null, numbers are doubles. */
bool dur_wait_value(const json_t *json, uint64_t *value);

/* The path as text; false when it is too long or cannot be one. */
bool dur_wait_path_text(const dur_expr_path_t *path, dur_wait_path_t *text);
/* And back; names are borrowed from the text. */
void dur_wait_path_names(const dur_wait_path_t *text, dur_expr_path_t *path);

/* All zero when nobody waits for events of the name. */
dur_rc_t dur_wait_names_get(dur_txn_t *t, const uint8_t name[DUR_WAIT_NAME],
    dur_wait_names_t *names);

dur_rc_t dur_wait_decode(dur_str_t row, dur_wait_t *wait);
dur_rc_t dur_wait_put(dur_engine_t *e, const dur_wait_key_t *key,
    const dur_wait_t *wait);

/*
 * A new wait of the run, counted everywhere: key->slot and key->value are set
 * here when the path, NULL or one of dur_wait_path_text(), gets a slot.
 */
dur_rc_t dur_wait_insert(dur_engine_t *e, dur_run_t *run,
    dur_wait_key_t *key, const dur_wait_path_t *path, const dur_wait_t *wait);

/* Under the run: `other` is the key of its row. */
dur_rc_t dur_wait_link(dur_engine_t *e, dur_run_t *run,
    const dur_wait_who_t *who, dur_str_t other);

/* Both rows of a wait; nothing when there is none. */
dur_rc_t dur_wait_delete(dur_engine_t *e, dur_run_t *run,
    const dur_wait_who_t *who);

/*
 * A signal's row.  DUR_ENOTFOUND.
 */
typedef struct {
    int64_t     expires;
    dur_ulid_t  run;
    dur_hash_t  step;
} dur_wait_signal_t;

#define DUR_WAIT_SIGNAL_KEY  (1 + DUR_WAIT_NAME)

dur_str_t dur_wait_signal_key(uint8_t p[DUR_WAIT_SIGNAL_KEY],
    dur_str_t signal);
dur_rc_t dur_wait_signal_get(dur_engine_t *e, dur_str_t key,
    dur_wait_signal_t *signal);
dur_rc_t dur_wait_signal_put(dur_engine_t *e, dur_str_t key,
    const dur_wait_signal_t *signal);

#endif /* DUR_WAIT_ROW_H */
