/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_wait.h"
#include "engine/dur_json.h"
#include "engine/dur_state.h"
#include "engine/dur_time.h"
#include "engine/dur_wait_row.h"

#include <stdio.h>


/* How long a cancelOn entry without a timeout is good for. */
#define DUR_WAIT_CANCEL_LIFE  (365 * DUR_TIME_DAY_MS)


/* A wait in the making. */
typedef struct {
    dur_str_t          name;            /* of the event */
    dur_wait_who_t     who;
    int64_t            expires;
    uint64_t           mark;
    dur_str_t          expression;      /* may be empty */
    const dur_expr_t  *expr;
    const json_t      *event;           /* the run's, NULL: not used */
} dur_wait_new_t;


/* -- storing -------------------------------------------------------------- */

static int
dur_wait_dump(const char *p, size_t n, void *data)
{
    return dur_buf_add(data, p, n) == DUR_OK ? 0 : -1;
}


/* What the expression uses of the run's event; `b` takes as much of it as may
 * stand in a row. */
static dur_rc_t
dur_wait_projection(const dur_wait_new_t *new, dur_wait_t *wait, dur_buf_t *b)
{
    int      failed;
    json_t  *json;

    wait->event = dur_str("{}");

    if (new->event == NULL) {
        return DUR_OK;
    }

    json = dur_expr_project(new->expr, new->event);
    if (json == NULL) {
        return DUR_ENOMEM;
    }

    /* not canonical, which would round integers */

    failed = json_dump_callback(json, dur_wait_dump, b, JSON_COMPACT);
    json_decref(json);

    if (failed && !b->failed) {
        return DUR_ENOMEM;
    }

    if (failed) {
        wait->flags |= DUR_WAIT_F_EVENT;
        wait->event = dur_str_null;

    } else {
        wait->event = dur_buf_str(b);
    }

    return DUR_OK;
}


/* The field and the value it is found by; false when it is by none. */
static bool
dur_wait_indexed(const dur_wait_new_t *new, dur_wait_path_t *path,
    uint64_t *value)
{
    bool                 indexed;
    dur_expr_equality_t  equality;

    if (new->expr == NULL
        || !dur_expr_equality(new->expr, new->event, &equality))
    {
        return false;
    }

    indexed = dur_wait_value(equality.value, value)
              && dur_wait_path_text(&equality.path, path);

    json_decref(equality.value);

    return indexed;
}


static dur_rc_t
dur_wait_store(dur_engine_t *e, dur_run_t *run, const dur_wait_new_t *new)
{
    bool             indexed;
    dur_rc_t         rc;
    dur_buf_t        b;
    dur_wait_t       wait;
    dur_wait_key_t   key;
    dur_wait_path_t  path;

    memset(&wait, 0, sizeof(wait));
    wait.expires = new->expires;
    wait.mark = new->mark;

    dur_wait_name(new->name, key.name);
    key.who = new->who;
    indexed = dur_wait_indexed(new, &path, &key.value);

    dur_buf_init(&b, DUR_PAYLOAD_INLINE);

    rc = new->expr ? dur_wait_projection(new, &wait, &b) : DUR_OK;

    if (rc == DUR_OK) {
        rc = dur_payload_put(e->txn, &run->id, &run->payload_sequence,
                             new->expression, 0, &wait.expression);
    }
    if (rc == DUR_OK) {
        rc = dur_wait_insert(e, run, &key, indexed ? &path : NULL, &wait);
    }

    dur_buf_deinit(&b);

    return rc;
}


/* -- steps ---------------------------------------------------------------- */

static dur_rc_t
dur_wait_run_event(dur_engine_t *e, const dur_run_t *run, json_t **event,
    char err[160])
{
    dur_rc_t  rc;

    rc = dur_run_event(e, run, event);

    if (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) {
        snprintf(err, 160, "the event of the run cannot be read");
        return DUR_EINVAL;
    }

    return rc;
}


dur_rc_t
dur_wait_event(dur_engine_t *e, dur_run_t *run, const dur_answer_op_t *op,
    char err[160])
{
    json_t          *event;
    dur_rc_t         rc;
    dur_wait_new_t   new;

    memset(&new, 0, sizeof(new));
    new.name = op->target;
    new.who.run = run->id;
    new.who.kind = DUR_WAIT_STEP;
    new.who.step = op->id;
    new.expires = op->due;
    new.mark = e->counters.item;
    new.expression = op->expression;

    if (op->expression.len) {
        rc = dur_wait_cache_get(&e->wait_cache, op->expression, &new.expr,
                                err);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    if (op->due <= e->now) {
        return DUR_OK;          /* its timer is due: nothing can match it */
    }

    event = NULL;

    if (new.expr != NULL && dur_expr_uses_event(new.expr)) {
        rc = dur_wait_run_event(e, run, &event, err);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    new.event = event;

    rc = dur_wait_store(e, run, &new);

    json_decref(event);

    return rc;
}


/* -- cancelOn ------------------------------------------------------------- */

static int64_t
dur_wait_cancel_expires(dur_str_t timeout, int64_t now)
{
    int64_t  ms;

    if (timeout.len == 0) {
        return now + DUR_WAIT_CANCEL_LIFE;
    }

    if (dur_duration_parse(timeout, &ms) == DUR_OK) {
        return __builtin_add_overflow(now, ms, &ms) ? INT64_MAX : ms;
    }

    return dur_rfc3339_parse(timeout, &ms) == DUR_OK
           ? ms : now + DUR_WAIT_CANCEL_LIFE;
}


static dur_rc_t
dur_wait_cancel_never(dur_engine_t *e, const dur_wait_new_t *new, bool *never)
{
    dur_rc_t         rc;
    dur_arena_t      arena;
    dur_expr_vars_t  vars = { new->event, NULL, e->now, true };

    dur_arena_init(&arena);
    rc = dur_expr_never(new->expr, &vars, &arena, never);
    dur_arena_deinit(&arena);

    return rc;
}


static dur_rc_t
dur_wait_cancel(dur_engine_t *e, dur_run_t *run, unsigned number,
    const dur_option_cancel_t *cancel, const json_t *event)
{
    bool            never;
    char            err[160];
    dur_rc_t        rc;
    dur_wait_new_t  new;

    memset(&new, 0, sizeof(new));
    new.name = cancel->event;
    new.who.run = run->id;
    new.who.kind = DUR_WAIT_CANCEL;
    dur_put32(new.who.step.b, number);
    new.expires = dur_wait_cancel_expires(cancel->timeout, e->now);
    new.expression = cancel->expression;
    new.event = event;

    /* the run's first item comes after it, so the event that starts the run,
     * and all before that item, have a lower mark */

    new.mark = e->counters.item + 1;

    if (new.expires <= e->now) {
        return DUR_OK;
    }

    if (cancel->expression.len) {
        rc = dur_wait_cache_get(&e->wait_cache, cancel->expression, &new.expr,
                                err);
        if (rc == DUR_EINVAL) {
            dur_state_log(e, 2, "a cancelOn entry does nothing: %s", err);
            return DUR_OK;
        }

        if (rc == DUR_OK) {
            rc = dur_wait_cancel_never(e, &new, &never);
        }

        if (rc != DUR_OK || never) {
            return rc;
        }
    }

    return dur_wait_store(e, run, &new);
}


dur_rc_t
dur_wait_cancel_on(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_run_t *run)
{
    json_t        *parsed;
    dur_rc_t       rc;
    unsigned       i;
    const json_t  *root;

    if (fn->option.ncancels == 0) {
        return DUR_OK;
    }

    parsed = NULL;
    root = event->root;

    if (root == NULL) {
        parsed = dur_json_parse(event->json, NULL);
        if (parsed == NULL) {
            return DUR_ENOMEM;  /* it was parsed before it was stored */
        }
        root = parsed;
    }

    rc = DUR_OK;

    for (i = 0; i < fn->option.ncancels && rc == DUR_OK; i++) {
        rc = dur_wait_cancel(e, run, i, &fn->option.cancels[i], root);
    }

    json_decref(parsed);

    return rc;
}


/* -- the end -------------------------------------------------------------- */

dur_rc_t
dur_wait_remove(dur_engine_t *e, dur_run_t *run, const dur_hash_t *step)
{
    dur_rc_t        rc;
    uint32_t        waits;
    dur_wait_who_t  who = { run->id, DUR_WAIT_STEP, *step };

    waits = run->waits;

    if (waits == 0) {
        return DUR_OK;
    }

    rc = dur_wait_delete(e, run, &who);

    if (rc == DUR_OK && run->waits == waits) {
        who.kind = DUR_WAIT_SIGNAL;
        rc = dur_wait_delete(e, run, &who);
    }

    return rc;
}


/* The first wait of the run; DUR_ENOTFOUND without one. */
static dur_rc_t
dur_wait_first(dur_engine_t *e, const dur_run_t *run, dur_wait_who_t *who)
{
    uint8_t        key[1 + DUR_ULID_LEN];
    dur_rc_t       rc;
    dur_str_t      k;
    dur_cursor_t  *c;

    key[0] = 'R';
    memcpy(key + 1, run->id.b, DUR_ULID_LEN);

    rc = dur_cursor_open(e->txn, DUR_T_WAIT, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_cursor_seek(c, dur_str_make(key, sizeof(key)), &k, NULL);

    if (rc == DUR_OK) {
        if (k.len == 1 + DUR_WAIT_WHO && memcmp(k.data, key, sizeof(key)) == 0)
        {
            dur_wait_who_get(k.data + 1, who);
        } else {
            rc = DUR_ENOTFOUND;
        }
    }

    dur_cursor_close(c);

    return rc;
}


dur_rc_t
dur_wait_remove_all(dur_engine_t *e, dur_run_t *run)
{
    dur_rc_t        rc;
    dur_wait_who_t  who;

    for ( ;; ) {
        rc = dur_wait_first(e, run, &who);
        if (rc == DUR_OK) {
            rc = dur_wait_delete(e, run, &who);
        }
        if (rc != DUR_OK) {
            break;
        }
    }

    run->waits = 0;

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}
