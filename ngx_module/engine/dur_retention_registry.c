/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_retention_registry.h"
#include "engine/dur_register.h"
#include "engine/dur_state.h"
#include "engine/dur_ulid.h"


/* Rows of a kind that one piece deletes. */
#define DUR_RETENTION_ROWS  64


typedef struct {
    dur_engine_t  *e;
    unsigned       budget;
    int64_t        oldest;      /* creation of the oldest run, ms */
    int64_t        next;
    unsigned       deleted;
} dur_retention_sweep_t;


/* Durable endpoints bring ids of their own: theirs do not tell the time, but
 * their functions stay. */
static dur_rc_t
dur_retention_oldest(dur_engine_t *e, int64_t *ms)
{
    dur_rc_t       rc;
    dur_str_t      k;
    dur_ulid_t     id;
    dur_cursor_t  *c;

    *ms = INT64_MAX;

    rc = dur_cursor_open(e->txn, DUR_T_RUN, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str_null, &k, NULL);

    if (rc == DUR_OK && k.len == DUR_ULID_LEN) {
        memcpy(id.b, k.data, DUR_ULID_LEN);
        *ms = (int64_t) dur_ulid_ms(&id);
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* Whether what ended at `since` is to go now. */
static bool
dur_retention_is_due(dur_retention_sweep_t *s, int64_t since)
{
    int64_t  due;

    due = since + s->e->conf.retention;

    if (due > s->e->now) {
        s->next = due < s->next ? due : s->next;
        return false;
    }

    if (since >= s->oldest) {
        return false;
    }

    if (s->budget == 0 || s->deleted >= DUR_RETENTION_ROWS) {
        s->next = s->e->now;
        return false;
    }

    return true;
}


static dur_rc_t
dur_retention_row(dur_retention_sweep_t *s, dur_table_t table, uint32_t id)
{
    uint8_t  key[4];

    s->budget--;
    s->deleted++;
    dur_put32(key, id);

    return dur_txn_del(s->e->txn, table, dur_str_make(key, 4));
}


/* One that is paused stays: it would go on when its app is back. */
static bool
dur_retention_may_go(const dur_function_t *fn)
{
    return fn->archived && !fn->paused && !fn->resuming
           && fn->kind != DUR_FUNCTION_ENDPOINT;
}


static dur_rc_t
dur_retention_functions(dur_retention_sweep_t *s)
{
    uint32_t         i;
    dur_rc_t         rc;
    dur_function_t  *fn;

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < s->e->registry.nfunctions;
         i++)
    {
        fn = s->e->registry.functions[i];

        if (fn != NULL && dur_retention_may_go(fn)
            && dur_retention_is_due(s, fn->archived_at))
        {
            rc = dur_retention_row(s, DUR_T_FUNCTION, fn->id);
        }
    }

    return rc;
}


static bool
dur_retention_has_functions(const dur_registry_t *r, uint32_t app)
{
    uint32_t  i;

    for (i = 0; i < r->nfunctions; i++) {
        if (r->functions[i] != NULL && r->functions[i]->app == app) {
            return true;
        }
    }

    return false;
}


static dur_rc_t
dur_retention_apps(dur_retention_sweep_t *s)
{
    uint32_t               i;
    dur_rc_t               rc;
    dur_registered_app_t  *app;

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < s->e->registry.napps; i++) {
        app = s->e->registry.apps[i];

        /* an older version did not write when it was removed: it stays */

        if (app != NULL && app->removed && app->removed_at != 0
            && !app->endpoint
            && dur_retention_is_due(s, app->removed_at)
            && !dur_retention_has_functions(&s->e->registry, app->id))
        {
            rc = dur_retention_row(s, DUR_T_APP, app->id);
        }
    }

    return rc;
}


/* Rules whose window is over, and that looked at all of its runs. */
static dur_rc_t
dur_retention_cancellations(dur_retention_sweep_t *s)
{
    size_t               i;
    dur_rc_t             rc;
    unsigned             before;
    dur_cancellation_t  *rule;

    before = s->deleted;

    for (i = 0, rc = DUR_OK; rc == DUR_OK && i < s->e->cancellations.n; i++) {
        rule = &s->e->cancellations.list[i];

        if (rule->done
            && dur_retention_is_due(s, rule->before > rule->created
                                       ? rule->before : rule->created))
        {
            s->budget--;
            s->deleted++;
            rc = dur_txn_del(s->e->txn, DUR_T_CANCELLATION,
                             dur_ulid_key(&rule->id));
        }
    }

    if (rc == DUR_OK && s->deleted != before) {
        rc = dur_cancellation_load(s->e);
        s->deleted = before;
    }

    return rc;
}


dur_rc_t
dur_retention_registry(dur_engine_t *e, unsigned *budget, int64_t *next)
{
    dur_rc_t               rc;
    dur_retention_sweep_t  s;

    *next = INT64_MAX;

    if (e->conf.retention == 0) {
        return DUR_OK;
    }

    memset(&s, 0, sizeof(s));
    s.e = e;
    s.budget = *budget;
    s.next = INT64_MAX;

    rc = dur_retention_oldest(e, &s.oldest);

    if (rc == DUR_OK) {
        rc = dur_retention_cancellations(&s);
    }
    if (rc == DUR_OK) {
        rc = dur_retention_apps(&s);
    }
    if (rc == DUR_OK) {
        rc = dur_retention_functions(&s);
    }
    if (rc == DUR_OK && s.deleted > 0) {
        rc = dur_register_reload(e);
        s.next = e->now;        /* an app may have lost its last function */
    }

    *budget = s.budget;
    *next = s.next;

    return rc;
}
