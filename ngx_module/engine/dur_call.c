/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_call.h"
#include "engine/dur_config.h"
#include "engine/dur_endpoint_read.h"
#include "engine/dur_defer.h"
#include "engine/dur_event.h"
#include "engine/dur_forward.h"
#include "engine/dur_gateway.h"
#include "engine/dur_member.h"
#include "engine/dur_memo.h"
#include "engine/dur_queue.h"
#include "engine/dur_registry.h"
#include "engine/dur_run.h"
#include "engine/dur_served.h"
#include "engine/dur_sign.h"
#include "engine/dur_step.h"
#include "engine/dur_ulid.h"
#include "engine/dur_workflow_call.h"

#include <stdio.h>


#define DUR_CALL_BODY_MAX  (64 * 1024 * 1024)
#define DUR_CALL_TEXT_MAX  (24 * 1024)

/* What an SDK may answer: an input and an output of 4 MiB each. */
#define DUR_CALL_ANSWER    (8 * 1024 * 1024)

/* What an SDK takes in a request (features 0.5): above it, it fetches. */
#define DUR_CALL_REQUEST   (4 * 1024 * 1024)

/* Around a memo: its hash in `steps` and in the stack, {"data":}. */
#define DUR_CALL_MEMO      100


typedef struct {
    dur_txn_t       *txn;
    dur_item_t       item;
    dur_run_t        run;
    dur_function_t   fn;
    dur_config_t     conf;
    char             step[DUR_HASH_TEXT_LEN + 1];
    char             run_id[DUR_ULID_TEXT_LEN + 1];
    bool             memos;             /* in the body */
    bool             events;            /* the list of them, likewise */
    bool             use_api;           /* or the SDK fetches them */
} dur_call_state_t;


void
dur_call_init(dur_call_t *call)
{
    memset(call, 0, sizeof(*call));
    dur_buf_init(&call->method, DUR_CALL_TEXT_MAX);
    dur_buf_init(&call->url, DUR_CALL_TEXT_MAX);
    dur_buf_init(&call->headers, DUR_CALL_TEXT_MAX);
    dur_buf_init(&call->body, DUR_CALL_BODY_MAX);
    dur_buf_init(&call->scratch, DUR_CALL_BODY_MAX);
    dur_arena_init(&call->arena);
}


void
dur_call_deinit(dur_call_t *call)
{
    dur_buf_deinit(&call->method);
    dur_buf_deinit(&call->url);
    dur_buf_deinit(&call->headers);
    dur_buf_deinit(&call->body);
    dur_buf_deinit(&call->scratch);
    dur_arena_deinit(&call->arena);
    dur_workflow_cache_free(call->workflows);
}


/* -- what is read --------------------------------------------------------- */

static dur_rc_t
dur_call_lease(dur_call_state_t *s, uint64_t item, uint32_t generation)
{
    dur_rc_t  rc;

    rc = dur_call_body_lease(s->txn, item, generation, &s->item);

    return (rc == DUR_OK && s->item.kind != DUR_ITEM_SERVED)
           ? dur_run_get(s->txn, &s->item.run, &s->run) : rc;
}


static dur_rc_t
dur_call_load(dur_call_state_t *s)
{
    uint8_t    key[4];
    dur_rc_t   rc;
    dur_str_t  row, k;

    dur_put32(key, s->item.function);
    k = dur_str_make(key, 4);

    rc = dur_txn_get(s->txn, DUR_T_FUNCTION, k, &row);
    if (rc == DUR_OK) {
        rc = dur_registry_function_decode(k, row, &s->fn);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_config_init(&s->conf);

    rc = dur_txn_get(s->txn, DUR_T_META, dur_str("config"), &row);
    if (rc == DUR_OK) {
        rc = dur_config_decode(row, &s->conf);
    }

    if (s->item.kind == DUR_ITEM_STEP) {
        dur_hash_text(&s->item.step, s->step);
    } else {
        memcpy(s->step, "step", 5);
    }

    dur_ulid_text(&s->run.id, s->run_id);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* -- URL and headers ------------------------------------------------------ */

/* The stored URL with stepId set: replaced where it stands, else added. */
static dur_rc_t
dur_call_url(const dur_call_state_t *s, dur_buf_t *out)
{
    dur_str_t       url = s->fn.url;
    const uint8_t  *p, *end, *query, *next;

    end = url.data + url.len;
    query = memchr(url.data, '?', url.len);

    for (p = query ? query + 1 : end; p < end; p = next) {
        next = memchr(p, '&', (size_t) (end - p));
        next = next ? next + 1 : end;

        if ((size_t) (end - p) >= 7 && memcmp(p, "stepId=", 7) == 0) {
            dur_buf_add(out, url.data, (size_t) (p - url.data) + 7);
            dur_buf_addz(out, s->step);

            if (next < end || next[-1] == '&') {
                dur_buf_addc(out, '&');
                dur_buf_add(out, next, (size_t) (end - next));
            }

            return out->failed ? DUR_ETOOBIG : DUR_OK;
        }
    }

    dur_buf_adds(out, url);
    dur_buf_addf(out, "%cstepId=%s", query ? '&' : '?', s->step);

    return out->failed ? DUR_ETOOBIG : DUR_OK;
}


/*
 * W3C trace context: the run is the trace, the attempt is the span, so that
 * what an app's tracing says of a call can be found without asking us.
 */
static void
dur_call_trace(const dur_call_state_t *s, dur_buf_t *out)
{
    size_t  i;

    dur_buf_addz(out, "traceparent: 00-");

    for (i = 0; i < DUR_ULID_LEN; i++) {
        dur_buf_addf(out, "%02x", s->run.id.b[i]);
    }

    dur_buf_addf(out, "-%04x%012llx-01\n", s->item.generation & 0xffff,
                 (unsigned long long) s->item.id & 0xffffffffffffull);
}


static dur_rc_t
dur_call_headers(const dur_call_state_t *s, const dur_call_options_t *options,
    const dur_call_t *call, dur_buf_t *out)
{
    char  signature[96];

    dur_buf_addf(out,
                 "Content-Type: application/json\n"
                 "X-Run-ID: %s\n"
                 "X-Inngest-Step-ID: %s\n"
                 "X-Inngest-Server-Kind: %s\n"
                 "x-inngest-req-version: %d\n"
                 "x-inngest-generation-id: %u\n"
                 "x-inngest-job-id: %llu\n"
                 "x-request-id: %llu-%u\n",
                 s->run_id, s->step, options->dev ? "dev" : "cloud",
                 s->run.request_version ? s->run.request_version : -1,
                 s->item.generation, (unsigned long long) s->item.id,
                 (unsigned long long) s->item.id, s->item.generation);

    dur_call_trace(s, out);

    if (options->signing_key.len) {
        dur_sign_request(options->signing_key, dur_buf_str(&call->body),
                         options->now_ms / 1000, signature);
        dur_buf_addf(out, "X-Inngest-Signature: %s\n", signature);
    }

    return out->failed ? DUR_ETOOBIG : DUR_OK;
}


/* -- the body ------------------------------------------------------------- */

/* Which SDK the app was registered by: "js:", "go:", .. */
static bool
dur_call_sdk_is(const dur_call_state_t *s, dur_str_t language)
{
    uint8_t               key[4];
    dur_str_t             row, k;
    dur_registered_app_t  app;

    dur_put32(key, s->item.app);
    k = dur_str_make(key, 4);

    return dur_txn_get(s->txn, DUR_T_APP, k, &row) == DUR_OK
           && dur_registry_app_decode(k, row, &app) == DUR_OK
           && app.sdk.len > language.len
           && memcmp(app.sdk.data, language.data, language.len) == 0;
}


static dur_rc_t
dur_call_ctx(const dur_call_state_t *s, dur_call_t *call)
{
    char        fn_id[DUR_UUID_TEXT_LEN + 1];
    dur_rc_t    rc;
    dur_buf_t  *b = &call->body;

    dur_uuid5("function", s->fn.slug, fn_id);

    /* JavaScript passes over a step with an edited input while it makes
     * checkpoints, and makes none without this id */

    if ((s->run.flags & DUR_RUN_F_INPUT)
        && dur_call_sdk_is(s, dur_str("js:")))
    {
        fn_id[0] = '\0';
    }

    dur_buf_addf(b, "{\"ctx\":{\"attempt\":%u,"
                 "\"disable_immediate_execution\":%s,\"env\":\"\","
                 "\"fn_id\":\"%s\",\"generation_id\":%u,\"job_id\":\"%llu\","
                 "\"max_attempts\":%u,\"qi_id\":\"%llu\","
                 "\"request_id\":\"%llu-%u\",\"run_id\":\"%s\","
                 "\"stack\":{\"current\":%u,\"stack\":",
                 s->item.attempt,
                 (s->run.flags & DUR_RUN_F_FORCE_PLAN) ? "true" : "false",
                 fn_id, s->item.generation, (unsigned long long) s->item.id,
                 s->fn.retries + 1, (unsigned long long) s->item.id,
                 (unsigned long long) s->item.id, s->item.generation,
                 s->run_id, s->run.steps);

    /* also when the memos are fetched: it says in what order they came */

    rc = dur_memo_stack(s->txn, &s->run, b, &call->scratch);
    if (rc != DUR_OK) {
        return rc;
    }

    return dur_buf_addf(b, "},\"step_id\":\"%s\",\"use_api\":%s}", s->step,
                        s->use_api ? "true" : "false");
}


/*
 * What goes into the body of a call and what the SDK has to fetch (protocol
 * 4.7).  The (first) event stands in the body twice: the list of events goes
 * before the memos.
 */
static void
dur_call_fit(dur_call_state_t *s, uint64_t event, uint64_t events)
{
    uint64_t  state;

    state = s->run.state_bytes + (uint64_t) s->run.steps * DUR_CALL_MEMO;

    s->memos = state <= DUR_CALL_REQUEST - 1024
               && event + state <= DUR_CALL_REQUEST;
    s->events = event + events + (s->memos ? state : 0) <= DUR_CALL_REQUEST;

    if ((!s->memos || !s->events) && dur_call_sdk_is(s, dur_str("go:"))) {
        s->memos = true;
        s->events = true;
    }

    s->use_api = !s->memos || !s->events;
}


/* `event` and `events`; of a batch the list is read, else it is a copy. */
static dur_rc_t
dur_call_events(dur_call_state_t *s, const dur_event_t *event,
    dur_call_t *call)
{
    size_t      start, end;
    dur_rc_t    rc;
    dur_buf_t  *b = &call->body;

    dur_buf_addz(b, ",\"event\":");
    start = b->len;

    rc = dur_payload_get_canonical(s->txn, &s->run.event, &event->json, b,
                                   &call->scratch);
    if (rc != DUR_OK) {
        return rc;
    }

    end = b->len;
    dur_buf_addz(b, ",\"events\":[");

    if (s->events && (s->run.flags & DUR_RUN_F_BATCH)) {
        rc = dur_member_events(s->txn, &s->run, b, &call->scratch);

    } else if (s->events && dur_buf_reserve(b, end - start) == DUR_OK) {
        dur_buf_add(b, b->data + start, end - start);
    }

    dur_buf_addc(b, ']');

    return rc;
}


static dur_rc_t
dur_call_body(dur_call_state_t *s, dur_call_t *call)
{
    uint64_t      events;
    dur_rc_t      rc;
    dur_buf_t    *b = &call->body;
    dur_event_t   event;

    rc = dur_event_get(s->txn, &s->run.event, &event);
    if (rc != DUR_OK) {
        return rc;
    }

    events = event.json.length;

    if (s->run.flags & DUR_RUN_F_BATCH) {
        rc = dur_member_length(s->txn, &s->run, &events);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    dur_call_fit(s, event.json.length, events);

    rc = dur_call_ctx(s, call);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addz(b, ",\"defers\":");

    rc = dur_defer_write(s->txn, &s->run, b);
    if (rc == DUR_OK) {
        rc = dur_call_events(s, &event, call);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_addz(b, ",\"steps\":");

    if (!s->memos) {
        dur_buf_addz(b, "{}");

    } else {
        rc = dur_memo_steps(s->txn, &s->run, b, &call->scratch);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    dur_buf_addf(b, ",\"use_api\":%s,\"version\":%d}",
                 s->use_api ? "true" : "false",
                 s->run.request_version ? s->run.request_version : -1);

    return b->failed ? DUR_ETOOBIG : DUR_OK;
}


/* -- the request of a step ------------------------------------------------ */

static dur_rc_t
dur_call_gateway(dur_call_state_t *s, dur_call_t *call)
{
    dur_rc_t             rc;
    dur_step_t           step;
    dur_gateway_call_t   request = { &call->method, &call->url,
                                     &call->headers, &call->body };

    rc = dur_step_get(s->txn, &s->item.run, &s->item.step, &step);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_buf_reset(&call->scratch);

    rc = dur_payload_get(s->txn, &s->item.run, &step.input, &call->scratch);

    return rc == DUR_OK ? dur_gateway_build(step.op,
                                            dur_buf_str(&call->scratch),
                                            &request)
                        : rc;
}


/* -- the request that an event was ---------------------------------------- */

static dur_rc_t
dur_call_forward(dur_call_state_t *s, dur_call_t *call)
{
    dur_rc_t             rc;
    dur_event_t          event;
    dur_gateway_call_t   request = { &call->method, &call->url,
                                     &call->headers, &call->body };

    rc = dur_event_get(s->txn, &s->run.event, &event);
    if (rc != DUR_OK) {
        return rc;
    }

    if (dur_call_body_is_large(s->txn, &s->run.event, &event.json,
                               &call->scratch))
    {
        call->rest.item = s->item.id;
        call->rest.generation = s->item.generation;
        call->rest.owner = s->run.event;
        call->rest.event = event.json;

        return dur_call_body_open(s->txn, &call->rest, s->fn.url, &request,
                                  &call->scratch);
    }

    dur_buf_reset(&call->scratch);

    rc = dur_payload_get(s->txn, &s->run.event, &event.json, &call->scratch);

    return rc == DUR_OK ? dur_forward_build(dur_buf_str(&call->scratch),
                                            s->fn.url, &request)
                        : rc;
}


static void
dur_call_follow(const dur_call_state_t *s, dur_call_t *call)
{
    call->app = s->item.app;
    call->gateway = s->item.kind == DUR_ITEM_GATEWAY;
    call->forward = s->fn.kind == DUR_FUNCTION_FORWARD;
    call->timeout_ms = s->conf.call_timeout;

    if (call->forward) {
        call->max_body = DUR_FORWARD_ANSWER + 1;

        if (s->fn.timeout != 0) {
            call->timeout_ms = s->fn.timeout;
        }

    } else {
        call->max_body = call->gateway ? s->conf.max_output : DUR_CALL_ANSWER;
    }
}


static dur_rc_t
dur_call_app(dur_call_state_t *s, const dur_call_options_t *options,
    dur_call_t *call)
{
    dur_rc_t  rc;

    if (s->run.flags & DUR_RUN_F_ENDPOINT) {
        return dur_endpoint_build(s->txn, &s->run, &s->item, options, call);
    }

    rc = dur_call_body(s, call);

    if (rc == DUR_OK) {
        rc = dur_call_url(s, &call->url);
    }
    if (rc == DUR_OK) {
        rc = dur_call_headers(s, options, call, &call->headers);
    }

    return rc == DUR_OK ? dur_buf_addz(&call->method, "POST") : rc;
}


static dur_rc_t
dur_call_request(dur_call_state_t *s, const dur_call_options_t *options,
    dur_call_t *call)
{
    dur_rc_t  rc;

    rc = dur_call_load(s);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_call_follow(s, call);

    if (s->run.definition != 0) {
        call->max_body = s->conf.max_output;
        return dur_workflow_build(s->txn, &s->item, &s->run, options, call);
    }

    return call->forward ? dur_call_forward(s, call)
           : call->gateway ? dur_call_gateway(s, call)
                           : dur_call_app(s, options, call);
}


dur_rc_t
dur_call_build(dur_store_t *store, uint64_t item, uint32_t generation,
    const dur_call_options_t *options, dur_call_t *call)
{
    dur_rc_t          rc;
    dur_call_state_t  s;

    memset(&s, 0, sizeof(s));

    dur_buf_reset(&call->method);
    dur_buf_reset(&call->url);
    dur_buf_reset(&call->headers);
    dur_buf_reset(&call->body);
    call->rest.length = 0;
    call->exec = false;
    call->error[0] = '\0';

    rc = dur_txn_begin(store, false, &s.txn);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_call_lease(&s, item, generation);

    if (rc == DUR_OK) {
        rc = s.item.kind == DUR_ITEM_SERVED
             ? dur_served_build(s.txn, &s.item, options, call)
             : dur_call_request(&s, options, call);

        /* the run is there, so its event, function and steps should be */
        rc = rc == DUR_ENOTFOUND ? DUR_ECORRUPT : rc;
    }

    dur_txn_abort(s.txn);

    return rc;
}
