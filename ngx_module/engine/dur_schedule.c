/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_schedule.h"
#include "engine/dur_cron.h"
#include "engine/dur_event.h"
#include "engine/dur_flow.h"
#include "engine/dur_json_write.h"
#include "engine/dur_retention.h"
#include "engine/dur_schedule_zone.h"
#include "engine/dur_sign.h"
#include "engine/dur_task.h"
#include "engine/dur_time.h"
#include "engine/dur_timer.h"

#include <inttypes.h>


#define DUR_SCHEDULE_CURSOR  16
#define DUR_SCHEDULE_ROW     64

/* Functions one piece looks at. */
#define DUR_SCHEDULE_PIECE   1024

#define DUR_SCHEDULE_EVENT   "inngest/scheduled.timer"


typedef struct {
    uint8_t   key[DUR_FLOW_KEY];
    int64_t   last;             /* slots after it are to come */
    int64_t   slot;
    int64_t   due;              /* the slot and its jitter */
    uint64_t  item;
} dur_schedule_t;


/* -- rows ----------------------------------------------------------------- */

static void
dur_schedule_hash(dur_str_t cron, uint8_t hash[DUR_FLOW_HASH])
{
    uint8_t  digest[20];

    dur_sha1(cron, digest);
    memcpy(hash, digest, DUR_FLOW_HASH);
}


static dur_rc_t
dur_schedule_decode(dur_str_t key, dur_str_t row, dur_schedule_t *s)
{
    dur_dec_t  r;

    memcpy(s->key, key.data, DUR_FLOW_KEY);

    dur_dec_init(&r, row);
    dur_dec_begin(&r);
    s->last = (int64_t) dur_dec_u64(&r);
    s->slot = (int64_t) dur_dec_u64(&r);
    s->due = (int64_t) dur_dec_u64(&r);
    s->item = dur_dec_u64(&r);
    dur_dec_end(&r);

    return r.failed ? DUR_ECORRUPT : DUR_OK;
}


static dur_rc_t
dur_schedule_get(dur_txn_t *t, uint32_t function,
    const uint8_t hash[DUR_FLOW_HASH], dur_schedule_t *s)
{
    dur_rc_t   rc;
    dur_str_t  key, row;

    memset(s, 0, sizeof(*s));
    key = dur_flow_key(s->key, DUR_FLOW_CRON, function, hash);

    rc = dur_txn_get(t, DUR_T_FLOW, key, &row);
    if (rc == DUR_OK) {
        rc = dur_schedule_decode(key, row, s);
    }

    /* one that cannot be read is planned anew */

    return rc == DUR_ECORRUPT ? DUR_ENOTFOUND : rc;
}


static dur_rc_t
dur_schedule_put(dur_engine_t *e, const dur_schedule_t *s)
{
    uint8_t    row[DUR_SCHEDULE_ROW];
    dur_enc_t  w;

    dur_enc_init(&w, row, sizeof(row));
    dur_enc_begin(&w);
    dur_enc_u64(&w, (uint64_t) s->last);
    dur_enc_u64(&w, (uint64_t) s->slot);
    dur_enc_u64(&w, (uint64_t) s->due);
    dur_enc_u64(&w, s->item);
    dur_enc_end(&w);

    return dur_txn_put(e->txn, DUR_T_FLOW, dur_str_make(s->key, DUR_FLOW_KEY),
                       dur_enc_done(&w));
}


static dur_rc_t
dur_schedule_del(dur_engine_t *e, const dur_schedule_t *s)
{
    dur_rc_t  rc;

    rc = dur_txn_del(e->txn, DUR_T_FLOW, dur_str_make(s->key, DUR_FLOW_KEY));

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* The function's row behind s->key. */
static dur_rc_t
dur_schedule_after(dur_txn_t *t, dur_schedule_t *s)
{
    dur_rc_t       rc;
    dur_str_t      k, v, key;
    dur_cursor_t  *c;

    rc = dur_cursor_open(t, DUR_T_FLOW, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    key = dur_str_make(s->key, DUR_FLOW_KEY);
    rc = dur_cursor_seek(c, key, &k, &v);

    if (rc == DUR_OK && dur_str_eq(k, key)) {
        rc = dur_cursor_next(c, &k, &v);
    }

    if (rc == DUR_OK) {
        rc = (k.len == DUR_FLOW_KEY && memcmp(k.data, s->key, 5) == 0)
             ? dur_schedule_decode(k, v, s) : DUR_ENOTFOUND;
    }

    dur_cursor_close(c);

    if (rc == DUR_ECORRUPT) {
        s->item = 0;
        rc = DUR_OK;
    }

    return rc;
}


/* -- slots ---------------------------------------------------------------- */

/* The trigger of a text, by its hash; NULL: the function has it no more. */
static const dur_trigger_t *
dur_schedule_trigger(const dur_function_t *fn,
    const uint8_t hash[DUR_FLOW_HASH])
{
    uint8_t   other[DUR_FLOW_HASH];
    unsigned  i;

    for (i = 0; fn != NULL && !fn->archived && i < fn->ntriggers; i++) {
        if (fn->triggers[i].cron.len == 0) {
            continue;
        }

        dur_schedule_hash(fn->triggers[i].cron, other);

        if (memcmp(other, hash, DUR_FLOW_HASH) == 0) {
            return &fn->triggers[i];
        }
    }

    return NULL;
}


static dur_rc_t
dur_schedule_slot(dur_engine_t *e, const dur_trigger_t *trigger,
    int64_t after, int64_t *slot)
{
    char        err[160];
    dur_rc_t    rc;
    dur_cron_t  cron;
    dur_zone_t  zone;

    *slot = DUR_CRON_NEVER;

    rc = dur_cron_parse(trigger->cron, &cron, err);

    if (rc == DUR_OK) {
        rc = dur_schedule_zone_get(e, cron.zone, &zone);
    }

    if (rc == DUR_OK) {
        *slot = dur_cron_next(&cron, &zone, after);

    } else if (rc == DUR_ENOTFOUND || rc == DUR_EINVAL) {
        dur_state_log(e, 0, "the schedule \"%.*s\" cannot be read and is not "
                      "planned", (int) trigger->cron.len,
                      (const char *) trigger->cron.data);
        rc = DUR_OK;
    }

    return rc;
}


/* The same for a slot wherever it is planned: from a second up to the jitter,
 * spread over schedules and slots. */
static int64_t
dur_schedule_jitter(const dur_schedule_t *s, uint32_t jitter)
{
    uint8_t   text[DUR_FLOW_KEY + 8], digest[20];
    uint64_t  spread;

    if (jitter == 0) {
        return 0;
    }

    memcpy(text, s->key, DUR_FLOW_KEY);
    dur_put64(text + DUR_FLOW_KEY, (uint64_t) s->slot);
    dur_sha1(dur_str_make(text, sizeof(text)), digest);

    spread = jitter > 1000 ? jitter - 1000 : 1;

    return 1000 + (int64_t) (dur_get64(digest) % spread);
}


/* The first slot after s->last gets a timer; without one the row goes. */
static dur_rc_t
dur_schedule_arm(dur_engine_t *e, const dur_function_t *fn,
    const dur_trigger_t *trigger, dur_schedule_t *s)
{
    dur_rc_t    rc;
    dur_item_t  item;

    rc = dur_schedule_slot(e, trigger, s->last, &s->slot);

    if (rc != DUR_OK || s->slot == DUR_CRON_NEVER) {
        return rc == DUR_OK ? dur_schedule_del(e, s) : rc;
    }

    s->due = s->slot + dur_schedule_jitter(s, trigger->jitter);
    s->item = e->counters.item++;

    memset(&item, 0, sizeof(item));
    item.kind = DUR_ITEM_CRON;
    item.id = s->item;
    item.app = fn->app;
    item.function = fn->id;
    item.due = s->due;
    memcpy(item.step.b, s->key + 5, DUR_FLOW_HASH);

    rc = dur_timer_put(e, &item);

    return rc == DUR_OK ? dur_schedule_put(e, s) : rc;
}


static dur_rc_t
dur_schedule_disarm(dur_engine_t *e, const dur_schedule_t *s)
{
    dur_rc_t  rc;

    rc = s->item ? dur_timer_del(e, s->due, s->item) : DUR_OK;

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- plans ---------------------------------------------------------------- */

dur_rc_t
dur_schedule_check(dur_engine_t *e, dur_str_t text, char err[160])
{
    dur_rc_t    rc;
    dur_cron_t  cron;

    rc = dur_cron_parse(text, &cron, err);

    return rc == DUR_OK ? dur_schedule_zone_check(e, cron.zone, err) : rc;
}


/* One that stands for the right slot already stays as it is. */
static dur_rc_t
dur_schedule_plan_text(dur_engine_t *e, const dur_function_t *fn,
    const dur_trigger_t *trigger, int64_t since)
{
    uint8_t         hash[DUR_FLOW_HASH];
    int64_t         slot;
    dur_rc_t        rc;
    dur_item_t      item;
    dur_schedule_t  s;

    dur_schedule_hash(trigger->cron, hash);
    rc = dur_schedule_get(e->txn, fn->id, hash, &s);

    if (rc == DUR_OK) {
        rc = dur_schedule_slot(e, trigger, s.last, &slot);

        if (rc == DUR_OK && slot == s.slot) {
            rc = dur_timer_get(e, s.due, s.item, &item);
            if (rc == DUR_OK) {
                return DUR_OK;
            }
        }

        if (rc == DUR_OK || rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) {
            rc = dur_schedule_disarm(e, &s);
        }

    } else if (rc == DUR_ENOTFOUND) {
        s.last = since;
        rc = DUR_OK;
    }

    return rc == DUR_OK ? dur_schedule_arm(e, fn, trigger, &s) : rc;
}


/* What the function does not have any more. */
static dur_rc_t
dur_schedule_unplan(dur_engine_t *e, const dur_function_t *fn)
{
    dur_rc_t        rc;
    dur_schedule_t  s;

    static const uint8_t  first[DUR_FLOW_HASH];

    memset(&s, 0, sizeof(s));
    (void) dur_flow_key(s.key, DUR_FLOW_CRON, fn->id, first);

    for ( ;; ) {
        rc = dur_schedule_after(e->txn, &s);

        if (rc == DUR_OK && dur_schedule_trigger(fn, s.key + 5) == NULL) {
            rc = dur_schedule_disarm(e, &s);
            if (rc == DUR_OK) {
                rc = dur_schedule_del(e, &s);
            }
        }

        if (rc != DUR_OK) {
            return rc == DUR_ENOTFOUND ? DUR_OK : rc;
        }
    }
}


static dur_rc_t
dur_schedule_plan_function(dur_engine_t *e, const dur_function_t *fn,
    int64_t since)
{
    unsigned  i;
    dur_rc_t  rc;

    rc = dur_schedule_unplan(e, fn);

    for (i = 0; rc == DUR_OK && !fn->archived && i < fn->ntriggers; i++) {
        if (fn->triggers[i].cron.len) {
            rc = dur_schedule_plan_text(e, fn, &fn->triggers[i], since);
        }
    }

    return rc;
}


/*
 * A piece of the functions of an app (0: of all) from *next on, which is 0
 * when there are no more.
 */
static dur_rc_t
dur_schedule_piece(dur_engine_t *e, uint32_t app, int64_t since,
    uint32_t *next)
{
    unsigned         n;
    dur_rc_t         rc;
    uint64_t         writes;
    dur_function_t  *fn;

    n = 0;
    rc = DUR_OK;
    writes = dur_txn_writes(e->txn);

    for ( ; *next <= e->registry.nfunctions; (*next)++) {
        fn = dur_registry_function(&e->registry, *next);

        if (fn == NULL || (app != 0 && fn->app != app)) {
            continue;
        }

        if (++n > DUR_SCHEDULE_PIECE
            || dur_txn_writes(e->txn) - writes >= DUR_OP_ROWS)
        {
            return DUR_OK;
        }

        rc = dur_schedule_plan_function(e, fn, since);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    *next = 0;

    return DUR_OK;
}


static dur_str_t
dur_schedule_cursor(uint8_t cursor[DUR_SCHEDULE_CURSOR], uint32_t app,
    uint32_t next, int64_t since)
{
    dur_put32(cursor, app);
    dur_put32(cursor + 4, next);
    dur_put64(cursor + 8, (uint64_t) since);

    return dur_str_make(cursor, DUR_SCHEDULE_CURSOR);
}


dur_rc_t
dur_schedule_plan(dur_engine_t *e, uint32_t app)
{
    uint8_t     cursor[DUR_SCHEDULE_CURSOR];
    dur_rc_t    rc;
    uint32_t    next;
    dur_ulid_t  nothing = { { 0 } };

    next = 1;
    rc = dur_schedule_piece(e, app, e->now, &next);

    return (rc != DUR_OK || next == 0) ? rc
           : dur_task_add(e, DUR_TASK_SCHEDULE, &nothing,
                          dur_schedule_cursor(cursor, app, next, e->now));
}


dur_rc_t
dur_schedule_more(dur_engine_t *e, dur_buf_t *cursor, bool *done)
{
    int64_t   since;
    uint8_t   text[DUR_SCHEDULE_CURSOR];
    dur_rc_t  rc;
    uint32_t  app, next;

    *done = true;

    if (cursor->len != DUR_SCHEDULE_CURSOR) {
        return DUR_OK;
    }

    app = dur_get32(cursor->data);
    next = dur_get32(cursor->data + 4);
    since = (int64_t) dur_get64(cursor->data + 8);

    rc = dur_schedule_piece(e, app, since, &next);

    *done = next == 0;
    dur_buf_reset(cursor);
    dur_buf_adds(cursor, dur_schedule_cursor(text, app, next, since));

    return rc;
}


dur_rc_t
dur_schedule_start(dur_engine_t *e)
{
    unsigned         t;
    dur_rc_t         rc;
    uint32_t         i;
    dur_function_t  *fn;

    rc = dur_schedule_zone_refresh(e);
    if (rc != DUR_OK) {
        return rc;
    }

    for (i = 0; i < e->registry.nfunctions; i++) {
        fn = e->registry.functions[i];

        for (t = 0; fn != NULL && t < fn->ntriggers; t++) {
            if (fn->triggers[t].cron.len) {
                return dur_schedule_plan(e, 0);
            }
        }
    }

    return DUR_OK;
}


/* -- firing --------------------------------------------------------------- */

/* {"data":{"cron","fireAt","scheduledAt"},"id","name","ts","user"} */
static dur_rc_t
dur_schedule_event(dur_engine_t *e, const dur_trigger_t *trigger,
    const dur_schedule_t *s, dur_op_event_t *event)
{
    char       slot[32], due[32];
    dur_buf_t  b;

    dur_rfc3339_text(s->slot, slot);
    dur_rfc3339_text(s->due, due);

    dur_buf_init(&b, 4096);
    dur_buf_addz(&b, "{\"data\":{\"cron\":");
    dur_json_write_string(&b, trigger->cron);
    dur_buf_addf(&b, ",\"fireAt\":\"%s\",\"scheduledAt\":\"%s\"},\"id\":"
                 "\"%s\",\"name\":\"" DUR_SCHEDULE_EVENT "\",\"ts\":%" PRId64
                 ",\"user\":{}}", due, slot, slot, s->due);

    memset(event, 0, sizeof(*event));
    dur_state_ulid(e, &event->id);
    event->flags = DUR_EVENT_F_CANONICAL;
    event->ts = s->due;
    event->name = dur_str(DUR_SCHEDULE_EVENT);
    event->client_id = dur_arena_copy(e->arena, dur_str_c(slot));
    event->json = b.failed ? dur_str_null
                           : dur_arena_copy(e->arena, dur_buf_str(&b));

    dur_buf_deinit(&b);

    return (event->client_id.data && event->json.data) ? DUR_OK : DUR_ENOMEM;
}


/* One that is limited, skipped or known is done as well. */
static dur_rc_t
dur_schedule_fire(dur_engine_t *e, const dur_function_t *fn,
    const dur_trigger_t *trigger, const dur_schedule_t *s)
{
    dur_rc_t         rc;
    dur_run_t        run;
    dur_start_t      start;
    dur_op_event_t   event;
    dur_run_event_t  source;

    rc = dur_schedule_event(e, trigger, s, &event);
    if (rc == DUR_OK) {
        rc = dur_event_put(e, &event);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    memset(&source, 0, sizeof(source));
    source.id = event.id;
    source.ts = event.ts;
    source.name = event.name;
    source.client_id = event.client_id;
    source.json = event.json;
    source.scheduled = true;

    start = DUR_START_RUN;
    rc = dur_run_start(e, fn, &source, &run, &start);

    /* limited, known, or a debounce that holds a later one */

    if (rc == DUR_OK && start != DUR_START_RUN) {
        rc = dur_retention_unused(e, &event.id);
    }

    return rc == DUR_OK ? dur_event_scheduled(e, &event, fn->id) : rc;
}


/*
 * The next slot is the first that is not over: what was missed while nobody
 * was there has had its one run.  A slot is over when its jitter is.
 */
static dur_rc_t
dur_schedule_go_on(dur_engine_t *e, const dur_function_t *fn,
    const dur_trigger_t *trigger, dur_schedule_t *s)
{
    int64_t  over;

    over = e->now - trigger->jitter;
    s->last = over > s->slot ? over : s->slot;

    return dur_schedule_arm(e, fn, trigger, s);
}


static dur_rc_t
dur_schedule_came_up(dur_engine_t *e, const dur_item_t *item, bool fire)
{
    dur_rc_t              rc;
    dur_schedule_t        s;
    dur_function_t       *fn;
    const dur_trigger_t  *trigger;

    rc = dur_schedule_get(e->txn, item->function, item->step.b, &s);

    if (rc != DUR_OK || s.item != item->id) {
        /* it was planned anew, or is there no more */
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    fn = dur_registry_function(&e->registry, item->function);
    trigger = dur_schedule_trigger(fn, item->step.b);

    if (trigger == NULL) {
        return dur_schedule_del(e, &s);
    }

    rc = fire ? dur_schedule_fire(e, fn, trigger, &s) : DUR_OK;

    return rc == DUR_OK ? dur_schedule_go_on(e, fn, trigger, &s) : rc;
}


dur_rc_t
dur_schedule_due(dur_engine_t *e, const dur_item_t *item)
{
    return dur_schedule_came_up(e, item, true);
}


dur_rc_t
dur_schedule_poison(dur_engine_t *e, const dur_item_t *item)
{
    dur_state_log(e, 0, "a schedule could not be processed and is left out "
                  "once (internal error)");

    return dur_schedule_came_up(e, item, false);
}


dur_rc_t
dur_schedule_next(dur_txn_t *t, uint32_t function, int64_t *due)
{
    dur_rc_t        rc;
    dur_schedule_t  s;

    static const uint8_t  first[DUR_FLOW_HASH];

    *due = INT64_MAX;

    memset(&s, 0, sizeof(s));
    (void) dur_flow_key(s.key, DUR_FLOW_CRON, function, first);

    while ((rc = dur_schedule_after(t, &s)) == DUR_OK) {
        if (s.item != 0 && s.due < *due) {
            *due = s.due;
        }
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}
