
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The feed for tools (GET /v1/feed): the notices of the engine, put into the
 * ring that all workers share.  However much happens, a run is one message in
 * a tenth of a second, and so is the last of its steps; figures are one in a
 * second.  Made only while somebody listens.  When more runs change than are
 * told one by one, the engine makes no notices for the rest of that time.
 */


#include "ngx_durable_process.h"

#include "engine/dur_json_text.h"
#include "engine/dur_realtime.h"


#define NGX_DURABLE_CHANGES_DELAY    100
#define NGX_DURABLE_CHANGES_FIGURES  1000
#define NGX_DURABLE_CHANGES_MAX      256        /* runs at once */
#define NGX_DURABLE_CHANGES_TABLE    1024       /* a power of two */
#define NGX_DURABLE_CHANGES_MANY     "{\"kind\":\"many\"}"


typedef struct {
    u_char                     run[DUR_ULID_TEXT_LEN];
    dur_str_t                  last;            /* of its run */
    dur_str_t                  step;            /* of its steps */
    ngx_uint_t                 steps;
} ngx_durable_change_t;


struct ngx_durable_changes_s {
    ngx_event_t                timer;
    ngx_event_t                figures;
    dur_arena_t                arena;
    ngx_uint_t                 n;
    ngx_uint_t                 many;            /* more than there is room */
    ngx_durable_change_t       runs[NGX_DURABLE_CHANGES_MAX];
    uint16_t                   table[NGX_DURABLE_CHANGES_TABLE];
};


static ngx_durable_change_t *ngx_durable_changes_run(
    ngx_durable_changes_t *c, dur_str_t run);
static void ngx_durable_changes_handler(ngx_event_t *ev);
static void ngx_durable_changes_figures(ngx_event_t *ev);
static void ngx_durable_changes_put(const char *topic, dur_str_t text);
static void ngx_durable_changes_reset(ngx_durable_changes_t *c);


/* Somebody may want the feed now. */

void
ngx_durable_changes_wanted(void)
{
    ngx_durable_changes_t  *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->role != NGX_DURABLE_LEADER || dp->changes
        || !ngx_durable_realtime_feed_wanted())
    {
        return;
    }

    c = ngx_calloc(sizeof(ngx_durable_changes_t), ngx_cycle->log);
    if (c == NULL) {
        return;
    }

    dur_arena_init(&c->arena);

    c->timer.handler = ngx_durable_changes_handler;
    c->timer.data = &dp->idle;
    c->timer.log = ngx_cycle->log;
    c->timer.cancelable = 1;

    c->figures.handler = ngx_durable_changes_figures;
    c->figures.data = &dp->idle;
    c->figures.log = ngx_cycle->log;
    c->figures.cancelable = 1;

    dp->changes = c;

    ngx_durable_feed_set();

    /* what happened while nobody led, or listened, is not known */

    ngx_durable_changes_put("runs", dur_str(NGX_DURABLE_CHANGES_MANY));
    ngx_durable_changes_put("steps", dur_str(NGX_DURABLE_CHANGES_MANY));
    ngx_durable_changes_figures(&c->figures);
}


void
ngx_durable_changes_stop(void)
{
    ngx_durable_changes_t  *c;

    c = ngx_durable_process.changes;

    if (c == NULL) {
        return;
    }

    ngx_durable_process.changes = NULL;

    if (c->timer.timer_set) {
        ngx_del_timer(&c->timer);
    }

    if (c->figures.timer_set) {
        ngx_del_timer(&c->figures);
    }

    dur_arena_deinit(&c->arena);
    ngx_free(c);

    ngx_durable_feed_set();
}


/* A notice: {"kind":"run.started","run":"..",..} */

void
ngx_durable_changes_notice(dur_str_t text)
{
    dur_str_t               kind, run;
    ngx_durable_change_t   *change;
    ngx_durable_changes_t  *c;

    c = ngx_durable_process.changes;

    if (c == NULL
        || dur_json_member(text, dur_str("kind"), &kind) != DUR_OK
        || kind.len < sizeof("\"x.y\"") - 1)
    {
        return;
    }

    if (dur_json_member(text, dur_str("run"), &run) != DUR_OK
        || run.len != DUR_ULID_TEXT_LEN + 2)
    {
        ngx_durable_changes_put(ngx_strncmp(kind.data, "\"bulk.", 6) == 0
                                ? "bulk" : "apps", text);
        return;
    }

    if (!c->timer.timer_set) {
        ngx_add_timer(&c->timer, NGX_DURABLE_CHANGES_DELAY);
    }

    run = dur_str_make(run.data + 1, DUR_ULID_TEXT_LEN);
    change = ngx_durable_changes_run(c, run);

    if (change == NULL) {
        if (!c->many) {
            c->many = 1;
            ngx_durable_feed_set();
        }

        return;
    }

    text = dur_arena_copy(&c->arena, text);

    if (ngx_strncmp(kind.data, "\"run.", sizeof("\"run.") - 1) == 0) {
        change->last = text;
        return;
    }

    change->step = text;
    change->steps++;
}


/* NULL: there are too many. */

static ngx_durable_change_t *
ngx_durable_changes_run(ngx_durable_changes_t *c, dur_str_t run)
{
    uint32_t               i;
    ngx_durable_change_t  *change;

    for (i = dur_ring_hash(run); /* void */ ; i++) {

        i &= NGX_DURABLE_CHANGES_TABLE - 1;

        if (c->table[i] == 0) {
            break;
        }

        change = &c->runs[c->table[i] - 1];

        if (ngx_memcmp(change->run, run.data, run.len) == 0) {
            return change;
        }
    }

    if (c->n == NGX_DURABLE_CHANGES_MAX) {
        return NULL;
    }

    change = &c->runs[c->n++];
    c->table[i] = (uint16_t) c->n;

    ngx_memzero(change, sizeof(ngx_durable_change_t));
    ngx_memcpy(change->run, run.data, run.len);

    return change;
}


static void
ngx_durable_changes_handler(ngx_event_t *ev)
{
    ngx_uint_t              i, many;
    ngx_durable_change_t   *change;
    ngx_durable_changes_t  *c;

    c = ngx_durable_process.changes;

    for (i = 0; i < c->n; i++) {

        change = &c->runs[i];

        /* a run that only went on shows in the list by its step */

        if (change->last.len) {
            ngx_durable_changes_put("runs", change->last);

        } else {
            ngx_durable_changes_put("runs", change->step);
        }

        if (change->step.len) {
            ngx_durable_changes_put("steps", change->step);
        }
    }

    if (c->many) {
        ngx_durable_changes_put("runs", dur_str(NGX_DURABLE_CHANGES_MANY));
        ngx_durable_changes_put("steps", dur_str(NGX_DURABLE_CHANGES_MANY));
    }

    many = c->many;
    ngx_durable_changes_reset(c);

    if (many) {
        ngx_durable_feed_set();
    }
}


/* Whether notices are of use now. */

ngx_uint_t
ngx_durable_changes_heard(void)
{
    ngx_durable_changes_t  *c;

    c = ngx_durable_process.changes;

    return c && !c->many;
}


static void
ngx_durable_changes_reset(ngx_durable_changes_t *c)
{
    c->n = 0;
    c->many = 0;

    ngx_memzero(c->table, sizeof(c->table));
    dur_arena_reset(&c->arena);
}


static void
ngx_durable_changes_figures(ngx_event_t *ev)
{
    u_char              text[512], *last;
    dur_engine_stat_t  *stat;

    if (!ngx_durable_realtime_feed_wanted()) {
        ngx_durable_changes_stop();
        return;
    }

    stat = &ngx_durable_process.stat;

    last = ngx_slprintf(text, text + sizeof(text),
                        "{\"kind\":\"figures\",\"events\":%uL,"
                        "\"runs_started\":%uL,\"runs_completed\":%uL,"
                        "\"runs_failed\":%uL,\"runs_cancelled\":%uL,"
                        "\"runs_live\":%uL,\"attempts\":%uL,\"steps\":%uL,"
                        "\"leases\":%uL,\"epoch\":%uL}",
                        stat->events, stat->runs_started,
                        stat->runs_completed, stat->runs_failed,
                        stat->runs_cancelled, stat->runs_live,
                        stat->attempts, stat->steps, stat->leases,
                        ngx_durable_process.epoch);

    ngx_durable_changes_put("figures", dur_str_make(text, last - text));

    ngx_add_timer(ev, NGX_DURABLE_CHANGES_FIGURES);
}


static void
ngx_durable_changes_put(const char *topic, dur_str_t text)
{
    if (text.len) {
        ngx_durable_realtime_publish(DUR_REALTIME_FEED,
                                     NGX_DURABLE_FEED_CHANNEL,
                                     dur_str_c(topic), text);
    }
}
