/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_query_core.h"
#include "engine/dur_bulk_row.h"
#include "engine/dur_cancellation.h"
#include "engine/dur_redelivery.h"


typedef dur_rc_t (*dur_query_show_pt)(dur_str_t key, dur_str_t row,
    dur_buf_t *out);

/* What walks the runs: a row of a table, or all of them. */
typedef struct {
    dur_table_t         table;
    dur_query_show_pt   show;
    const dur_ulid_t   *id;
} dur_query_walk_t;


static dur_rc_t
dur_query_read_walk(dur_query_t *q, void *arg)
{
    dur_rc_t           rc;
    dur_str_t          key, row;
    dur_query_walk_t  *walk = arg;

    key = dur_str_make(walk->id->b, DUR_ULID_LEN);

    rc = dur_txn_get(q->txn, walk->table, key, &row);

    return rc == DUR_OK ? walk->show(key, row, q->out) : rc;
}


/* The newest first; what cannot be read is left out. */
static dur_rc_t
dur_query_read_walks(dur_query_t *q, void *arg)
{
    size_t             len;
    dur_rc_t           rc;
    dur_str_t          k, v;
    dur_cursor_t      *c;
    dur_query_walk_t  *walk = arg;

    rc = dur_cursor_open(q->txn, walk->table, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addc(q->out, '[');

    for (rc = dur_cursor_last(c, &k, &v);
         rc == DUR_OK;
         rc = dur_cursor_prev(c, &k, &v))
    {
        len = q->out->len;
        dur_query_comma(q->out);

        if (walk->show(k, v, q->out) != DUR_OK) {
            q->out->len = len;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? dur_buf_addc(q->out, ']') : rc;
}


static dur_rc_t
dur_query_walked(dur_store_t *s, dur_table_t table, dur_query_show_pt show,
    const dur_ulid_t *id, dur_buf_t *out)
{
    dur_query_walk_t  walk;

    walk.table = table;
    walk.show = show;
    walk.id = id;

    return dur_query_read(s, out, id ? dur_query_read_walk
                                     : dur_query_read_walks, &walk);
}


dur_rc_t
dur_query_redelivery(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    return dur_query_walked(s, DUR_T_REDELIVERY, dur_redelivery_show, id, out);
}


dur_rc_t
dur_query_redeliveries(dur_store_t *s, dur_buf_t *out)
{
    return dur_query_walked(s, DUR_T_REDELIVERY, dur_redelivery_show, NULL,
                          out);
}


dur_rc_t
dur_query_bulk(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *out)
{
    return dur_query_walked(s, DUR_T_BULK, dur_bulk_show, id, out);
}


dur_rc_t
dur_query_bulks(dur_store_t *s, dur_buf_t *out)
{
    return dur_query_walked(s, DUR_T_BULK, dur_bulk_show, NULL, out);
}


dur_rc_t
dur_query_cancellations(dur_store_t *s, dur_buf_t *out)
{
    return dur_query_walked(s, DUR_T_CANCELLATION, dur_cancellation_show, NULL,
                          out);
}
