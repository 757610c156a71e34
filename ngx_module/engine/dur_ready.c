/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_ready.h"
#include "engine/dur_state.h"


dur_str_t
dur_ready_key(uint8_t key[DUR_READY_KEY], uint32_t app, uint64_t partition,
    int64_t score, uint64_t id)
{
    dur_put32(key, app);
    dur_put64(key + 4, partition);
    dur_put64(key + 12, (uint64_t) score);
    dur_put64(key + 20, id);

    return dur_str_make(key, DUR_READY_KEY);
}


uint64_t
dur_ready_partition(dur_engine_t *e, const dur_item_t *item)
{
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, item->function);

    return (fn != NULL && fn->paused) ? fn->id : 0;
}


dur_rc_t
dur_ready_put_at(dur_engine_t *e, const dur_item_t *item, uint64_t partition,
    int64_t score)
{
    uint8_t  key[DUR_READY_KEY], row[DUR_ITEM_ROW];

    return dur_txn_put(e->txn, DUR_T_READY,
                       dur_ready_key(key, item->app, partition, score,
                                     item->id),
                       dur_item_encode(item, row));
}


dur_rc_t
dur_ready_put(dur_engine_t *e, const dur_item_t *item, uint64_t partition)
{
    dur_registered_app_t  *app;

    app = dur_registry_app(&e->registry, item->app);

    return dur_ready_put_at(e, item, partition,
                            (app != NULL && app->ordered) ? DUR_READY_ORDERED
                                                          : item->score);
}


dur_rc_t
dur_ready_del(dur_engine_t *e, uint32_t app, uint64_t partition,
    int64_t score, uint64_t id)
{
    uint8_t   key[DUR_READY_KEY];
    dur_rc_t  rc;

    rc = dur_txn_del(e->txn, DUR_T_READY,
                     dur_ready_key(key, app, partition, score, id));

    return rc == DUR_ENOTFOUND
           ? dur_txn_del(e->txn, DUR_T_READY,
                         dur_ready_key(key, app, partition,
                                       DUR_READY_ORDERED, id))
           : rc;
}


dur_rc_t
dur_ready_get(dur_txn_t *t, const dur_item_t *item, uint64_t partition,
    dur_str_t *row)
{
    uint8_t   key[DUR_READY_KEY];
    dur_rc_t  rc;

    rc = dur_txn_get(t, DUR_T_READY,
                     dur_ready_key(key, item->app, partition, item->score,
                                   item->id), row);

    return rc == DUR_ENOTFOUND
           ? dur_txn_get(t, DUR_T_READY,
                         dur_ready_key(key, item->app, partition,
                                       DUR_READY_ORDERED, item->id), row)
           : rc;
}


dur_rc_t
dur_queue_ready(dur_txn_t *t, uint32_t app, int64_t score, uint64_t id,
    dur_item_t *item)
{
    dur_rc_t    rc;
    dur_str_t   row;
    dur_item_t  where;

    memset(&where, 0, sizeof(where));
    where.app = app;
    where.score = score;
    where.id = id;

    rc = dur_ready_get(t, &where, 0, &row);

    return rc == DUR_OK ? dur_item_decode(row, item) : rc;
}
