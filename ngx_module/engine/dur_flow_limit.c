/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_flow_limit.h"
#include "engine/dur_flow.h"
#include "engine/dur_sign.h"
#include "engine/dur_state.h"
#include "engine/dur_ulid.h"


#define DUR_FLOW_NS           ((int64_t) 1000000)       /* of one ms */

/* How long a client's event id does not count twice. */
#define DUR_FLOW_EVENT_MS     (5 * 60 * (int64_t) 1000)

/* This part of the limit may start together. */
#define DUR_FLOW_BURST_SHARE  10


static dur_str_t
dur_flow_event_key(uint8_t key[DUR_FLOW_KEY], uint32_t function,
    dur_str_t client_id)
{
    uint8_t  digest[20];

    dur_sha1(client_id, digest);

    return dur_flow_key(key, DUR_FLOW_EVENT, function, digest);
}


/* Whether the client's id of the event was counted a moment ago. */
static dur_rc_t
dur_flow_counted(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, bool *counted)
{
    int64_t   ns;
    uint8_t   key[DUR_FLOW_KEY];
    dur_rc_t  rc;

    *counted = false;

    if (event->client_id.len == 0) {
        return DUR_OK;
    }

    rc = dur_flow_until_get(e, dur_flow_event_key(key, fn->id,
                                                  event->client_id), &ns);
    if (rc == DUR_OK) {
        *counted = ns > e->now * DUR_FLOW_NS;
    }

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


static dur_rc_t
dur_flow_count(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event)
{
    int64_t    ns;
    uint8_t    key[DUR_FLOW_KEY];
    dur_rc_t   rc;
    dur_str_t  k;

    if (event->client_id.len == 0) {
        return DUR_OK;
    }

    k = dur_flow_event_key(key, fn->id, event->client_id);

    rc = dur_flow_until_get(e, k, &ns);
    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    return dur_flow_until_put(e, k, (e->now + DUR_FLOW_EVENT_MS) * DUR_FLOW_NS,
                              rc == DUR_ENOTFOUND);
}


/*
 * GCRA: the row is the instant at which the bucket is empty again (TAT).  A
 * start adds one emission interval and is allowed while the sum is at most
 * `window` ahead.
 */
static dur_rc_t
dur_flow_gcra(dur_engine_t *e, const dur_function_t *fn,
    const uint8_t hash[DUR_FLOW_HASH], bool *allowed)
{
    int64_t    now, tat, interval, window;
    uint8_t    key[DUR_FLOW_KEY];
    dur_rc_t   rc;
    dur_str_t  k;

    now = e->now * DUR_FLOW_NS;
    interval = fn->option.period / 1000 * 1000 * DUR_FLOW_NS
               / fn->option.limit;
    window = interval * (fn->option.limit / DUR_FLOW_BURST_SHARE + 1);

    k = dur_flow_key(key, DUR_FLOW_LIMIT, fn->id, hash);

    rc = dur_flow_until_get(e, k, &tat);
    if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
        return rc;
    }

    if (rc == DUR_ENOTFOUND || tat < now) {
        tat = now;
    }

    /* the limit was tighter, or the clock was set back */

    if (tat > now + window) {
        *allowed = false;
        return dur_flow_until_put(e, k, now + window, false);
    }

    tat += interval;
    *allowed = tat - window <= now;

    return *allowed ? dur_flow_until_put(e, k, tat, rc == DUR_ENOTFOUND)
                    : DUR_OK;
}


static void
dur_flow_refused(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, const char *err)
{
    char  id[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(&event->id, id);

    dur_state_log(e, 1, "function \"%.*s\" is not started by event %s: its "
                  "rate limit's key has no value, %s", (int) fn->slug.len,
                  (const char *) fn->slug.data, id, err);
}


dur_rc_t
dur_flow_limit(dur_engine_t *e, const dur_function_t *fn,
    const dur_run_event_t *event, dur_start_t *start)
{
    bool              counted, allowed;
    dur_rc_t          rc;
    dur_flow_value_t  value;

    *start = DUR_START_RUN;

    if (fn->option.limit == 0) {
        return DUR_OK;
    }

    rc = dur_flow_value(e, event, fn->option.limit_key, &value);

    if (rc == DUR_EINVAL) {
        dur_flow_refused(e, fn, event, value.err);
        *start = DUR_START_LIMITED;
        return DUR_OK;
    }

    if (rc != DUR_OK || value.none) {
        return rc;
    }

    rc = dur_flow_counted(e, fn, event, &counted);
    if (rc != DUR_OK || counted) {
        return rc;
    }

    rc = dur_flow_gcra(e, fn, value.hash, &allowed);
    if (rc != DUR_OK) {
        return rc;
    }

    if (!allowed) {
        *start = DUR_START_LIMITED;
        return DUR_OK;
    }

    return dur_flow_count(e, fn, event);
}
