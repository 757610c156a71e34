/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_wait_row.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"


#define DUR_WAIT_NAME_KEY  (1 + DUR_WAIT_NAME)
#define DUR_WAIT_RUN_KEY   (1 + DUR_WAIT_WHO)
#define DUR_WAIT_NAMES_ROW (64 + DUR_WAIT_PATHS * (16 + DUR_WAIT_PATH))


/* -- keys ----------------------------------------------------------------- */

void
dur_wait_name(dur_str_t text, uint8_t name[DUR_WAIT_NAME])
{
    uint8_t  digest[20];

    dur_sha1(text, digest);
    memcpy(name, digest, DUR_WAIT_NAME);
}


void
dur_wait_who_put(uint8_t p[DUR_WAIT_WHO], const dur_wait_who_t *who)
{
    memcpy(p, who->run.b, DUR_ULID_LEN);
    p[DUR_ULID_LEN] = who->kind;
    memcpy(p + DUR_ULID_LEN + 1, who->step.b, DUR_HASH_LEN);
}


void
dur_wait_who_get(const uint8_t p[DUR_WAIT_WHO], dur_wait_who_t *who)
{
    memcpy(who->run.b, p, DUR_ULID_LEN);
    who->kind = p[DUR_ULID_LEN];
    memcpy(who->step.b, p + DUR_ULID_LEN + 1, DUR_HASH_LEN);
}


dur_str_t
dur_wait_key(uint8_t p[DUR_WAIT_KEY], const dur_wait_key_t *key)
{
    p[0] = 'W';
    memcpy(p + 1, key->name, DUR_WAIT_NAME);
    dur_put16(p + 1 + DUR_WAIT_NAME, key->slot);
    dur_put64(p + 1 + DUR_WAIT_NAME + 2, key->value);
    dur_wait_who_put(p + DUR_WAIT_VALUE, &key->who);

    return dur_str_make(p, DUR_WAIT_KEY);
}


static dur_str_t
dur_wait_name_key(uint8_t p[DUR_WAIT_NAME_KEY],
    const uint8_t name[DUR_WAIT_NAME])
{
    p[0] = 'N';
    memcpy(p + 1, name, DUR_WAIT_NAME);

    return dur_str_make(p, DUR_WAIT_NAME_KEY);
}


static dur_str_t
dur_wait_run_key(uint8_t p[DUR_WAIT_RUN_KEY], const dur_wait_who_t *who)
{
    p[0] = 'R';
    dur_wait_who_put(p + 1, who);

    return dur_str_make(p, DUR_WAIT_RUN_KEY);
}


bool
dur_wait_value(const json_t *json, uint64_t *value)
{
    double     number;
    uint8_t    type, digest[20], bytes[8];
    dur_str_t  parts[2];

    parts[0] = dur_str_make(&type, 1);
    parts[1] = dur_str_null;

    type = json ? (uint8_t) json_typeof(json) : JSON_NULL;

    switch (type) {

    case JSON_NULL:
    case JSON_TRUE:
    case JSON_FALSE:
        break;

    case JSON_STRING:
        parts[1] = dur_str_make(json_string_value(json),
                                json_string_length(json));
        break;

    case JSON_INTEGER:
    case JSON_REAL:
        type = JSON_REAL;
        number = json_number_value(json) + 0.0;     /* -0 is 0 */
        memcpy(bytes, &number, 8);
        parts[1] = dur_str_make(bytes, 8);
        break;

    default:
        return false;
    }

    dur_sha1_parts(parts, 2, digest);
    *value = dur_get64(digest);

    return true;
}


bool
dur_wait_path_text(const dur_expr_path_t *path, dur_wait_path_t *text)
{
    size_t     len;
    unsigned   i;
    dur_str_t  name;

    len = 0;

    for (i = 0; i < path->n; i++) {
        name = path->names[i];

        if (len + (i != 0) + name.len > sizeof(text->text)) {
            return false;
        }

        if (i != 0) {
            text->text[len++] = 0;
        }

        if (name.len == 0) {
            continue;
        }

        if (memchr(name.data, 0, name.len) != NULL) {
            return false;
        }

        memcpy(text->text + len, name.data, name.len);
        len += name.len;
    }

    text->len = (uint8_t) len;

    return path->n > 0;
}


void
dur_wait_path_names(const dur_wait_path_t *text, dur_expr_path_t *path)
{
    const uint8_t  *p, *next, *last;

    path->n = 0;
    path->whole = false;

    p = text->text;
    last = p + text->len;

    do {
        next = memchr(p, 0, (size_t) (last - p));
        next = next ? next : last;

        path->names[path->n++] = dur_str_make(p, (size_t) (next - p));
        p = next + 1;

    } while (next < last && path->n < DUR_EXPR_PATH_NAMES);
}


/* -- names ---------------------------------------------------------------- */

static dur_rc_t
dur_wait_names_decode(dur_str_t row, dur_wait_names_t *names)
{
    unsigned          i, n;
    dur_dec_t         r;
    dur_str_t         text;
    dur_wait_path_t  *path;

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    names->plain = dur_dec_u32(&r);
    n = dur_dec_u16(&r);
    dur_dec_end(&r);

    if (n > DUR_WAIT_PATHS) {
        return DUR_ECORRUPT;
    }

    names->n = n;

    for (i = 0; i < n; i++) {
        path = &names->paths[i];
        path->slot = dur_dec_u16(&r);
        path->count = dur_dec_u32(&r);
        text = dur_dec_str(&r);

        if (r.failed || text.len > DUR_WAIT_PATH) {
            return DUR_ECORRUPT;
        }

        path->len = (uint8_t) text.len;
        if (text.len) {
            memcpy(path->text, text.data, text.len);
        }
    }

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


dur_rc_t
dur_wait_names_get(dur_txn_t *t, const uint8_t name[DUR_WAIT_NAME],
    dur_wait_names_t *names)
{
    uint8_t    key[DUR_WAIT_NAME_KEY];
    dur_rc_t   rc;
    dur_str_t  row;

    names->plain = 0;
    names->n = 0;

    rc = dur_txn_get(t, DUR_T_WAIT, dur_wait_name_key(key, name), &row);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    return dur_wait_names_decode(row, names);
}


static dur_rc_t
dur_wait_names_put(dur_engine_t *e, const uint8_t name[DUR_WAIT_NAME],
    const dur_wait_names_t *names)
{
    uint8_t                 key[DUR_WAIT_NAME_KEY], row[DUR_WAIT_NAMES_ROW];
    unsigned                i;
    dur_enc_t               w;
    const dur_wait_path_t  *path;

    if (names->plain == 0 && names->n == 0) {
        return dur_txn_del(e->txn, DUR_T_WAIT, dur_wait_name_key(key, name));
    }

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_u32(&w, names->plain);
    dur_enc_u16(&w, (uint16_t) names->n);
    dur_enc_end(&w);

    for (i = 0; i < names->n; i++) {
        path = &names->paths[i];
        dur_enc_u16(&w, path->slot);
        dur_enc_u32(&w, path->count);
        dur_enc_str(&w, dur_str_make(path->text, path->len));
    }

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    return dur_txn_put(e->txn, DUR_T_WAIT, dur_wait_name_key(key, name),
                       dur_enc_done(&w));
}


/* The lowest slot that no path has. */
static uint16_t
dur_wait_free_slot(const dur_wait_names_t *names)
{
    uint16_t  slot;
    unsigned  i;

    for (slot = 1, i = 0; i < names->n; ) {
        if (names->paths[i].slot == slot) {
            slot++;
            i = 0;
        } else {
            i++;
        }
    }

    return slot;
}


/* One more of the path, or of none; the slot that it has now. */
static uint16_t
dur_wait_names_add(dur_wait_names_t *names, const dur_wait_path_t *path)
{
    unsigned          i;
    dur_str_t         text;
    dur_wait_path_t  *p;

    text = path ? dur_str_make(path->text, path->len) : dur_str_null;

    for (i = 0; path != NULL && i < names->n; i++) {
        p = &names->paths[i];

        if (dur_str_eq(dur_str_make(p->text, p->len), text)) {
            p->count++;
            return p->slot;
        }
    }

    if (path == NULL || names->n == DUR_WAIT_PATHS) {
        names->plain++;
        return 0;
    }

    p = &names->paths[names->n];
    *p = *path;
    p->slot = dur_wait_free_slot(names);
    p->count = 1;
    names->n++;

    return p->slot;
}


static void
dur_wait_names_sub(dur_wait_names_t *names, uint16_t slot)
{
    unsigned  i;

    if (slot == 0) {
        names->plain -= names->plain > 0;
        return;
    }

    for (i = 0; i < names->n; i++) {
        if (names->paths[i].slot == slot) {
            if (--names->paths[i].count == 0) {
                names->paths[i] = names->paths[--names->n];
            }
            return;
        }
    }
}


/* -- waits for events ----------------------------------------------------- */

dur_rc_t
dur_wait_decode(dur_str_t row, dur_wait_t *wait)
{
    dur_dec_t  r;

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    wait->flags = dur_dec_u8(&r);
    wait->expires = (int64_t) dur_dec_u64(&r);
    wait->mark = dur_dec_u64(&r);
    dur_dec_end(&r);

    dur_payload_dec(&r, &wait->expression);
    wait->event = dur_dec_str(&r);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


dur_rc_t
dur_wait_put(dur_engine_t *e, const dur_wait_key_t *key,
    const dur_wait_t *wait)
{
    uint8_t    k[DUR_WAIT_KEY];
    dur_enc_t  w;

    dur_enc_init(&w, e->row, sizeof(e->row));

    dur_enc_begin(&w);
    dur_enc_u8(&w, wait->flags);
    dur_enc_u64(&w, (uint64_t) wait->expires);
    dur_enc_u64(&w, wait->mark);
    dur_enc_end(&w);

    dur_payload_enc(&w, &wait->expression);
    dur_enc_str(&w, wait->event);

    if (w.failed) {
        return DUR_EINTERNAL;
    }

    return dur_txn_put(e->txn, DUR_T_WAIT, dur_wait_key(k, key),
                       dur_enc_done(&w));
}


dur_rc_t
dur_wait_link(dur_engine_t *e, dur_run_t *run, const dur_wait_who_t *who,
    dur_str_t other)
{
    uint8_t  key[DUR_WAIT_RUN_KEY];

    run->waits++;

    return dur_txn_put(e->txn, DUR_T_WAIT, dur_wait_run_key(key, who), other);
}


dur_rc_t
dur_wait_insert(dur_engine_t *e, dur_run_t *run, dur_wait_key_t *key,
    const dur_wait_path_t *path, const dur_wait_t *wait)
{
    uint8_t           other[DUR_WAIT_KEY];
    dur_rc_t          rc;
    dur_wait_names_t  names;

    rc = dur_wait_names_get(e->txn, key->name, &names);
    if (rc != DUR_OK) {
        return rc;
    }

    key->slot = dur_wait_names_add(&names, path);

    if (key->slot == 0) {
        key->value = 0;
    }

    rc = dur_wait_names_put(e, key->name, &names);
    if (rc == DUR_OK) {
        rc = dur_wait_put(e, key, wait);
    }
    if (rc == DUR_OK) {
        e->counters.waits++;
        rc = dur_wait_link(e, run, &key->who, dur_wait_key(other, key));
    }

    return rc;
}


/* -- signals -------------------------------------------------------------- */

dur_str_t
dur_wait_signal_key(uint8_t p[DUR_WAIT_SIGNAL_KEY], dur_str_t signal)
{
    p[0] = 'S';
    dur_wait_name(signal, p + 1);

    return dur_str_make(p, DUR_WAIT_SIGNAL_KEY);
}


dur_rc_t
dur_wait_signal_get(dur_engine_t *e, dur_str_t key, dur_wait_signal_t *signal)
{
    dur_rc_t   rc;
    dur_dec_t  r;
    dur_str_t  row;

    rc = dur_txn_get(e->txn, DUR_T_WAIT, key, &row);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_dec_init(&r, row);

    dur_dec_begin(&r);
    signal->expires = (int64_t) dur_dec_u64(&r);
    dur_dec_raw(&r, signal->run.b, DUR_ULID_LEN);
    dur_dec_raw(&r, signal->step.b, DUR_HASH_LEN);
    dur_dec_end(&r);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


dur_rc_t
dur_wait_signal_put(dur_engine_t *e, dur_str_t key,
    const dur_wait_signal_t *signal)
{
    uint8_t    row[64];
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));

    dur_enc_begin(&w);
    dur_enc_u64(&w, (uint64_t) signal->expires);
    dur_enc_raw(&w, signal->run.b, DUR_ULID_LEN);
    dur_enc_raw(&w, signal->step.b, DUR_HASH_LEN);
    dur_enc_end(&w);

    return dur_txn_put(e->txn, DUR_T_WAIT, key, dur_enc_done(&w));
}


/* -- the end -------------------------------------------------------------- */

/* Another step may have taken the signal over. */
static dur_rc_t
dur_wait_signal_delete(dur_engine_t *e, dur_str_t key,
    const dur_wait_who_t *who)
{
    dur_rc_t           rc;
    dur_wait_signal_t  signal;

    rc = dur_wait_signal_get(e, key, &signal);

    if (rc == DUR_OK
        && memcmp(signal.run.b, who->run.b, DUR_ULID_LEN) == 0
        && memcmp(signal.step.b, who->step.b, DUR_HASH_LEN) == 0)
    {
        rc = dur_txn_del(e->txn, DUR_T_WAIT, key);
    }

    return rc;
}


static dur_rc_t
dur_wait_event_delete(dur_engine_t *e, dur_str_t key)
{
    dur_rc_t          rc;
    dur_wait_names_t  names;

    rc = dur_txn_del(e->txn, DUR_T_WAIT, key);
    if (rc != DUR_OK) {
        return rc;
    }

    e->counters.waits -= e->counters.waits > 0;

    rc = dur_wait_names_get(e->txn, key.data + 1, &names);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_wait_names_sub(&names, dur_get16(key.data + 1 + DUR_WAIT_NAME));

    return dur_wait_names_put(e, key.data + 1, &names);
}


dur_rc_t
dur_wait_delete(dur_engine_t *e, dur_run_t *run, const dur_wait_who_t *who)
{
    uint8_t    key[DUR_WAIT_RUN_KEY], other[DUR_WAIT_KEY];
    dur_rc_t   rc;
    dur_str_t  row;

    rc = dur_txn_get(e->txn, DUR_T_WAIT, dur_wait_run_key(key, who), &row);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    run->waits -= run->waits > 0;

    if (row.len == DUR_WAIT_KEY || row.len == DUR_WAIT_SIGNAL_KEY) {
        memcpy(other, row.data, row.len);
        row.data = other;

        rc = row.len == DUR_WAIT_KEY
             ? dur_wait_event_delete(e, row)
             : dur_wait_signal_delete(e, row, who);

        /* what is damaged goes all the same */

        if (rc != DUR_OK && rc != DUR_ENOTFOUND && rc != DUR_ECORRUPT) {
            return rc;
        }
    }

    return dur_txn_del(e->txn, DUR_T_WAIT, dur_wait_run_key(key, who));
}
