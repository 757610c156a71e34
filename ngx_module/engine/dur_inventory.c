/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_inventory.h"
#include "engine/dur_frame.h"
#include "engine/dur_queue.h"
#include "engine/dur_result.h"
#include "engine/dur_state.h"


static bool
dur_inventory_has(dur_str_t attempts, uint64_t id, uint32_t generation)
{
    size_t  i;

    for (i = 0; i + DUR_ATTEMPT_LEN <= attempts.len; i += DUR_ATTEMPT_LEN) {
        if (dur_attempt_item(attempts.data + i) == id
            && dur_attempt_generation(attempts.data + i) == generation)
        {
            return true;
        }
    }

    return false;
}


/* Everything leased; the array is from the arena of the batch. */
static dur_rc_t
dur_inventory_leases(dur_engine_t *e, dur_item_t **items, size_t *n)
{
    size_t         size;
    dur_rc_t       rc;
    dur_str_t      k, v;
    dur_cursor_t  *c;

    *n = 0;

    size = dur_txn_count(e->txn, DUR_T_LEASE);

    *items = dur_arena_alloc(e->arena, (size + 1) * sizeof(dur_item_t));
    if (*items == NULL) {
        return DUR_ENOMEM;
    }

    rc = dur_cursor_open(e->txn, DUR_T_LEASE, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    for (rc = dur_cursor_seek(c, dur_str_null, &k, &v);
         rc == DUR_OK && *n < size;
         rc = dur_cursor_next(c, &k, &v))
    {
        if (dur_item_decode(v, &(*items)[*n]) == DUR_OK) {
            (*n)++;
            continue;
        }

        dur_state_log(e, 0, "a lease cannot be read and was dropped");

        rc = dur_cursor_del(c);
        if (rc != DUR_OK) {
            break;
        }
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* A leased call that the executor does not hold. */
static dur_rc_t
dur_inventory_missing(dur_engine_t *e, dur_item_t *item, bool changed)
{
    dur_rc_t  rc;

    rc = dur_queue_lease_get(e, item->id, item);
    if (rc != DUR_OK) {
        /* its run ended a moment ago, with another call that was lost */
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    if (!changed) {
        /* it was leased but never sent: the same attempt goes out now */
        return dur_queue_call(e, item);
    }

    rc = dur_queue_release(e, item);
    if (rc != DUR_OK) {
        return rc;
    }

    item->losses++;

    if (item->losses >= DUR_ITEM_LOSSES) {
        item->losses = 0;
        return dur_result_lost(e, item);
    }

    return dur_queue_push(e, item);
}


static dur_rc_t
dur_inventory_cancel_unknown(dur_engine_t *e, dur_str_t attempts)
{
    size_t      i;
    uint64_t    id;
    uint32_t    generation;
    dur_rc_t    rc;
    dur_item_t  item;

    for (i = 0; i + DUR_ATTEMPT_LEN <= attempts.len; i += DUR_ATTEMPT_LEN) {
        id = dur_attempt_item(attempts.data + i);
        generation = dur_attempt_generation(attempts.data + i);

        rc = dur_queue_lease_get(e, id, &item);

        if (rc == DUR_OK && item.generation == generation) {
            continue;
        }

        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            return rc;
        }

        rc = dur_queue_cancel(e, id, generation);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    return DUR_OK;
}


dur_rc_t
dur_inventory_apply(dur_engine_t *e, const uint8_t instance[16],
    dur_str_t attempts)
{
    bool         changed;
    size_t       i, n;
    dur_rc_t     rc;
    dur_item_t  *items;

    changed = memcmp(e->instance, instance, sizeof(e->instance)) != 0;

    if (changed) {
        memcpy(e->instance, instance, sizeof(e->instance));

        rc = dur_txn_put(e->txn, DUR_T_META, dur_str("instance"),
                         dur_str_make(e->instance, sizeof(e->instance)));
        if (rc != DUR_OK) {
            return rc;
        }
    }

    rc = dur_inventory_cancel_unknown(e, attempts);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_inventory_leases(e, &items, &n);

    for (i = 0; rc == DUR_OK && i < n; i++) {
        if (dur_inventory_has(attempts, items[i].id, items[i].generation)) {
            continue;
        }

        rc = dur_inventory_missing(e, &items[i], changed);
    }

    return rc;
}
