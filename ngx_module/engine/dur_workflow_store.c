/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_workflow_store.h"
#include "engine/dur_state.h"

#include <stdlib.h>


/* Definitions that are kept compiled; one more takes the place of another. */
#define DUR_WORKFLOW_CACHE  256

#define DUR_WORKFLOW_KEY    9


struct dur_workflow_cache_s {
    unsigned  next;
    struct {
        uint32_t         function;      /* 0: free */
        uint32_t         version;
        dur_plan_def_t  *def;
    } entries[DUR_WORKFLOW_CACHE];
};


static dur_str_t
dur_workflow_key(uint8_t key[DUR_WORKFLOW_KEY], uint32_t function,
    uint32_t version)
{
    dur_put32(key, function);
    dur_put32(key + 4, version);
    key[8] = 'n';

    return dur_str_make(key, 8);
}


/* -- what is compiled ----------------------------------------------------- */

/* A slot that is the function's version's, or may become it. */
static unsigned
dur_workflow_slot(dur_workflow_cache_t *cache, uint32_t function,
    uint32_t version)
{
    unsigned  i, slot;

    slot = (function * 31 + version) % DUR_WORKFLOW_CACHE;

    for (i = 0; i < 4; i++) {
        if (cache->entries[(slot + i) % DUR_WORKFLOW_CACHE].function
            == function
            && cache->entries[(slot + i) % DUR_WORKFLOW_CACHE].version
               == version)
        {
            return (slot + i) % DUR_WORKFLOW_CACHE;
        }
    }

    for (i = 0; i < 4; i++) {
        if (cache->entries[(slot + i) % DUR_WORKFLOW_CACHE].function == 0) {
            return (slot + i) % DUR_WORKFLOW_CACHE;
        }
    }

    return (slot + cache->next++ % 4) % DUR_WORKFLOW_CACHE;
}


dur_rc_t
dur_workflow_def(dur_workflow_cache_t **cache, dur_txn_t *t,
    uint32_t function, uint32_t version, dur_plan_def_t **def)
{
    uint8_t            key[DUR_WORKFLOW_KEY];
    dur_rc_t           rc;
    unsigned           slot;
    dur_str_t          row;
    dur_plan_error_t   err;

    *def = NULL;

    if (*cache == NULL) {
        *cache = calloc(1, sizeof(dur_workflow_cache_t));
        if (*cache == NULL) {
            return DUR_ENOMEM;
        }
    }

    slot = dur_workflow_slot(*cache, function, version);

    if ((*cache)->entries[slot].function == function
        && (*cache)->entries[slot].version == version)
    {
        *def = (*cache)->entries[slot].def;
        return DUR_OK;
    }

    rc = dur_txn_get(t, DUR_T_DEFINITION,
                     dur_workflow_key(key, function, version), &row);

    if (rc == DUR_OK) {
        rc = dur_plan_load(row, def, &err);
    }
    if (rc != DUR_OK) {
        return rc == DUR_EINVAL ? DUR_ECORRUPT : rc;
    }

    dur_plan_free((*cache)->entries[slot].def);
    (*cache)->entries[slot].function = function;
    (*cache)->entries[slot].version = version;
    (*cache)->entries[slot].def = *def;

    return DUR_OK;
}


void
dur_workflow_cache_free(dur_workflow_cache_t *cache)
{
    unsigned  i;

    for (i = 0; cache != NULL && i < DUR_WORKFLOW_CACHE; i++) {
        dur_plan_free(cache->entries[i].def);
    }

    free(cache);
}


/* -- what is stored ------------------------------------------------------- */

dur_rc_t
dur_workflow_def_put(dur_engine_t *e, uint32_t function, uint32_t version,
    dur_str_t json)
{
    uint8_t  key[DUR_WORKFLOW_KEY];

    return dur_txn_put(e->txn, DUR_T_DEFINITION,
                       dur_workflow_key(key, function, version), json);
}


bool
dur_workflow_def_is(dur_engine_t *e, uint32_t function, uint32_t version,
    dur_str_t json)
{
    uint8_t    key[DUR_WORKFLOW_KEY];
    dur_str_t  row;

    return dur_txn_get(e->txn, DUR_T_DEFINITION,
                       dur_workflow_key(key, function, version), &row)
           == DUR_OK
           && dur_str_eq(row, json);
}


/* Nobody needs the version any more. */
static dur_rc_t
dur_workflow_def_delete(dur_engine_t *e, uint32_t function, uint32_t version)
{
    uint8_t   key[DUR_WORKFLOW_KEY];
    dur_rc_t  rc;

    rc = dur_txn_del(e->txn, DUR_T_DEFINITION,
                     dur_workflow_key(key, function, version));

    if (rc == DUR_OK || rc == DUR_ENOTFOUND) {
        rc = dur_txn_del(e->txn, DUR_T_DEFINITION,
                         dur_str_make(key, DUR_WORKFLOW_KEY));
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


dur_rc_t
dur_workflow_def_count(dur_engine_t *e, uint32_t function, uint32_t version,
    int change, bool old)
{
    uint8_t    key[DUR_WORKFLOW_KEY], row[4];
    int64_t    n;
    dur_rc_t   rc;
    dur_str_t  value;

    (void) dur_workflow_key(key, function, version);

    rc = dur_txn_get(e->txn, DUR_T_DEFINITION,
                     dur_str_make(key, DUR_WORKFLOW_KEY), &value);

    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    n = (rc == DUR_OK && value.len == 4 ? dur_get32(value.data) : 0) + change;

    if (n <= 0 && old) {
        return dur_workflow_def_delete(e, function, version);
    }

    if (change == 0) {
        return DUR_OK;
    }

    dur_put32(row, n > 0 ? (uint32_t) n : 0);

    return dur_txn_put(e->txn, DUR_T_DEFINITION,
                       dur_str_make(key, DUR_WORKFLOW_KEY),
                       dur_str_make(row, 4));
}
