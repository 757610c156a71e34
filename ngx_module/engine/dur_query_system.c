/* SPDX-License-Identifier: BSD-2-Clause */

/* The store as people who watch it see it: how large it is and what is in it.
 */

#include "engine/dur_query_core.h"
#include "engine/dur_ulid.h"


static void
dur_system_rows(dur_query_t *q)
{
    int  i;

    dur_query_key(q->out, "rows");
    dur_buf_addc(q->out, '{');

    for (i = 0; i < DUR_T_MAX; i++) {
        dur_query_number(q->out, dur_store_table_name(i),
                         dur_txn_count(q->txn, i));
    }

    dur_buf_addc(q->out, '}');
}


/* When the first run that is still there was made. */
static dur_rc_t
dur_system_oldest(dur_query_t *q)
{
    int64_t        ms;
    dur_rc_t       rc;
    dur_str_t      k;
    dur_ulid_t     id;
    dur_cursor_t  *c;

    rc = dur_cursor_open(q->txn, DUR_T_RUN, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    ms = 0;
    rc = dur_cursor_seek(c, dur_str_null, &k, NULL);

    if (rc == DUR_OK && k.len == DUR_ULID_LEN) {
        memcpy(id.b, k.data, DUR_ULID_LEN);
        ms = (int64_t) dur_ulid_ms(&id);
    }

    dur_cursor_close(c);
    dur_query_time(q->out, "oldest_run_at", ms);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_query_read_system(dur_query_t *q, void *arg)
{
    dur_rc_t           rc;
    dur_store_stat_t  *st = arg;

    dur_buf_addc(q->out, '{');
    dur_query_number(q->out, "used_bytes", st->pages_used * st->page_size);
    dur_query_number(q->out, "file_bytes", st->pages_last * st->page_size);
    dur_query_number(q->out, "limit_bytes", st->pages_total * st->page_size);
    dur_query_number(q->out, "readers", st->readers);
    dur_system_rows(q);

    rc = dur_system_oldest(q);

    return rc == DUR_OK ? dur_buf_addc(q->out, '}') : rc;
}


dur_rc_t
dur_query_system(dur_store_t *s, dur_buf_t *out)
{
    dur_rc_t          rc;
    dur_store_stat_t  st;

    rc = dur_store_stat(s, &st);

    return rc == DUR_OK ? dur_query_read(s, out, dur_query_read_system, &st)
                        : rc;
}
