/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_schedule_zone.h"

#include <stdio.h>


#define DUR_SCHEDULE_ZONE_KEY  (5 + DUR_ZONE_NAME_MAX)


static dur_str_t
dur_schedule_zone_key(uint8_t key[DUR_SCHEDULE_ZONE_KEY], dur_str_t name)
{
    memcpy(key, "zone:", 5);

    if (name.len) {
        memcpy(key + 5, name.data, name.len);
    }

    return dur_str_make(key, 5 + name.len);
}


/* What the machine says of a zone now.  DUR_ENOTFOUND; DUR_EINVAL and a few
 * words: it is damaged. */
static dur_rc_t
dur_schedule_zone_read(dur_engine_t *e, dur_str_t name, dur_buf_t *bytes,
    char err[80])
{
    dur_rc_t    rc;
    dur_zone_t  zone;

    if (e->zone == NULL || (name.len && !dur_zone_name(name))) {
        return DUR_ENOTFOUND;
    }

    rc = e->zone(e->zone_data, name, bytes);

    if (rc == DUR_ETOOBIG) {
        snprintf(err, 80, "has more data than a zone can have");
        return DUR_EINVAL;
    }

    if (rc != DUR_OK) {
        return rc == DUR_ENOMEM ? rc : DUR_ENOTFOUND;
    }

    return dur_zone_parse(dur_buf_str(bytes), &zone, err);
}


dur_rc_t
dur_schedule_zone_check(dur_engine_t *e, dur_str_t name, char err[160])
{
    char       why[80];
    uint8_t    key[DUR_SCHEDULE_ZONE_KEY];
    dur_rc_t   rc;
    dur_buf_t  bytes;
    dur_str_t  row;

    if (name.len == 0 || dur_zone_is_utc(name)) {
        return DUR_OK;
    }

    if (dur_zone_name(name)) {
        rc = dur_txn_get(e->txn, DUR_T_META, dur_schedule_zone_key(key, name),
                         &row);
        if (rc != DUR_ENOTFOUND) {
            return rc;
        }
    }

    dur_buf_init(&bytes, DUR_ZONE_MAX);
    rc = dur_schedule_zone_read(e, name, &bytes, why);
    dur_buf_deinit(&bytes);

    if (rc == DUR_ENOTFOUND) {
        snprintf(err, 160, "the time zone \"%.*s\" is not known on this "
                 "server; is the package tzdata installed?",
                 (int) name.len, (const char *) name.data);
        return DUR_EINVAL;
    }

    if (rc == DUR_EINVAL) {
        snprintf(err, 160, "the time zone \"%.*s\" %s", (int) name.len,
                 (const char *) name.data, why);
    }

    return rc;
}


dur_rc_t
dur_schedule_zone_get(dur_engine_t *e, dur_str_t name, dur_zone_t *zone)
{
    char       err[80];
    uint8_t    text[DUR_SCHEDULE_ZONE_KEY];
    dur_rc_t   rc;
    dur_buf_t  bytes;
    dur_str_t  key, row;

    if (dur_zone_is_utc(name)) {
        dur_zone_utc(zone);
        return DUR_OK;
    }

    if (name.len && !dur_zone_name(name)) {
        return DUR_ENOTFOUND;
    }

    key = dur_schedule_zone_key(text, name);
    rc = dur_txn_get(e->txn, DUR_T_META, key, &row);

    if (rc == DUR_ENOTFOUND) {
        dur_buf_init(&bytes, DUR_ZONE_MAX);

        rc = dur_schedule_zone_read(e, name, &bytes, err);
        if (rc == DUR_OK) {
            rc = dur_txn_put(e->txn, DUR_T_META, key, dur_buf_str(&bytes));
        }
        if (rc == DUR_OK) {
            rc = dur_txn_get(e->txn, DUR_T_META, key, &row);
        }

        dur_buf_deinit(&bytes);
    }

    if (rc == DUR_OK) {
        rc = dur_zone_parse(row, zone, err);
    }

    if ((rc == DUR_ENOTFOUND || rc == DUR_EINVAL) && name.len == 0) {
        dur_zone_utc(zone);
        return DUR_OK;
    }

    return rc == DUR_EINVAL ? DUR_ENOTFOUND : rc;
}


/* The zone stays as it was when the machine does not know it any more. */
static dur_rc_t
dur_schedule_zone_again(dur_engine_t *e, dur_str_t name)
{
    char       err[80];
    uint8_t    text[DUR_SCHEDULE_ZONE_KEY];
    dur_rc_t   rc;
    dur_buf_t  bytes;
    dur_str_t  key, row;

    key = dur_schedule_zone_key(text, name);
    dur_buf_init(&bytes, DUR_ZONE_MAX);

    rc = dur_schedule_zone_read(e, name, &bytes, err);

    if (rc == DUR_OK) {
        rc = dur_txn_get(e->txn, DUR_T_META, key, &row);

        if (rc == DUR_ENOTFOUND
            || (rc == DUR_OK && !dur_str_eq(row, dur_buf_str(&bytes))))
        {
            rc = dur_txn_put(e->txn, DUR_T_META, key, dur_buf_str(&bytes));
        }

    } else if (rc == DUR_EINVAL) {
        dur_state_log(e, 1, "the time zone \"%.*s\" %s, schedules go on with "
                      "what was known of it", (int) name.len,
                      (const char *) name.data, err);
    }

    dur_buf_deinit(&bytes);

    return (rc == DUR_ENOTFOUND || rc == DUR_EINVAL) ? DUR_OK : rc;
}


dur_rc_t
dur_schedule_zone_refresh(dur_engine_t *e)
{
    size_t         n;
    uint8_t        key[DUR_SCHEDULE_ZONE_KEY];
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    if (e->zone == NULL) {
        return DUR_OK;
    }

    rc = dur_schedule_zone_again(e, dur_str_null);
    n = dur_schedule_zone_key(key, dur_str_null).len;

    while (rc == DUR_OK) {
        rc = dur_cursor_open(e->txn, DUR_T_META, &c);
        if (rc != DUR_OK) {
            return rc;
        }

        rc = dur_cursor_seek(c, dur_str_make(key, n), &k, NULL);
        if (rc == DUR_OK && dur_str_eq(k, dur_str_make(key, n))) {
            rc = dur_cursor_next(c, &k, NULL);
        }

        if (rc == DUR_OK && (k.len > sizeof(key) || k.len < 5
                             || memcmp(k.data, "zone:", 5) != 0))
        {
            rc = DUR_ENOTFOUND;
        }

        if (rc == DUR_OK) {
            n = k.len;
            memcpy(key, k.data, n);
        }

        dur_cursor_close(c);

        if (rc == DUR_OK) {
            rc = dur_schedule_zone_again(e, dur_str_make(key + 5, n - 5));
        }
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}
