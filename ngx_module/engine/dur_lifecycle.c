/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_lifecycle.h"
#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_match.h"
#include "engine/dur_state.h"
#include "engine/dur_ulid.h"
#include "engine/dur_wait.h"


#define DUR_LIFECYCLE_MAX  (16 * 1024 * 1024)


typedef struct {
    const dur_run_t       *run;
    const dur_function_t  *fn;
    dur_str_t              event;       /* canonical JSON of the trigger */
    dur_str_t              output;      /* canonical result or error */
} dur_lifecycle_t;


/* The whole event, keys in JCS order. */
static void
dur_lifecycle_write(dur_engine_t *e, const dur_lifecycle_t *l,
    const char *name, const char *id, dur_buf_t *b)
{
    char  run[DUR_ULID_TEXT_LEN + 1];

    dur_ulid_text(&l->run->id, run);

    dur_buf_addf(b, "{\"data\":{\"_inngest\":{\"status\":\"%s\"}",
                 dur_run_status_name(l->run));

    if (l->run->status != DUR_RUN_COMPLETED) {
        dur_buf_addz(b, ",\"error\":");
        dur_buf_adds(b, l->output);
    }

    dur_buf_addz(b, ",\"event\":");
    dur_buf_adds(b, l->event);
    dur_buf_addz(b, ",\"events\":[");
    dur_buf_adds(b, l->event);
    dur_buf_addz(b, "],\"function_id\":");
    dur_json_write_string(b, l->fn->slug);

    if (l->run->status == DUR_RUN_COMPLETED) {
        dur_buf_addz(b, ",\"result\":");
        if (l->output.len) {
            dur_buf_adds(b, l->output);
        } else {
            dur_buf_addz(b, "null");
        }
    }

    dur_buf_addf(b, ",\"run_id\":\"%s\"},\"id\":\"%s\",\"name\":\"%s\","
                 "\"ts\":%lld,\"user\":{}}", run, id, name,
                 (long long) e->now);
}


static dur_rc_t
dur_lifecycle_emit(dur_engine_t *e, const dur_lifecycle_t *l,
    const char *name, bool run_id)
{
    char            id[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t        rc;
    dur_buf_t       b;
    dur_op_event_t  event;

    if (!dur_match_any(&e->registry, dur_str_c(name))) {
        return DUR_OK;
    }

    memset(&event, 0, sizeof(event));
    dur_state_ulid(e, &event.id);
    dur_ulid_text(run_id ? &l->run->id : &event.id, id);

    dur_buf_init(&b, DUR_LIFECYCLE_MAX);
    dur_lifecycle_write(e, l, name, id, &b);

    if (b.failed) {
        dur_buf_deinit(&b);
        dur_state_log(e, 0, "the event %s of a run is larger than %d bytes "
                      "and is not sent", name, DUR_LIFECYCLE_MAX);
        return DUR_OK;
    }

    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = e->now;
    event.name = dur_str_c(name);
    event.json = dur_buf_str(&b);

    rc = dur_event_emit(e, &event, true);

    dur_buf_deinit(&b);

    return rc;
}


static dur_rc_t
dur_lifecycle_emit_all(dur_engine_t *e, const dur_lifecycle_t *l)
{
    dur_rc_t  rc;

    rc = dur_lifecycle_emit(e, l, "inngest/function.finished", false);

    if (rc == DUR_OK && l->run->status == DUR_RUN_FAILED) {
        rc = dur_lifecycle_emit(e, l, "inngest/function.failed", true);
    }

    if (rc == DUR_OK && l->run->status == DUR_RUN_CANCELLED) {
        rc = dur_lifecycle_emit(e, l, "inngest/function.cancelled", true);
    }

    return rc;
}


static bool
dur_lifecycle_wanted(dur_engine_t *e, const dur_run_t *run)
{
    const dur_registry_t  *r = &e->registry;

    if (run->flags & DUR_RUN_F_QUIET) {
        return false;
    }

    return dur_match_any(r, dur_str("inngest/function.finished"))
           || (run->status == DUR_RUN_FAILED
               && dur_match_any(r, dur_str("inngest/function.failed")))
           || (run->status == DUR_RUN_CANCELLED
               && dur_match_any(r, dur_str("inngest/function.cancelled")));
}


dur_rc_t
dur_lifecycle_ended(dur_engine_t *e, const dur_run_t *run, dur_str_t output)
{
    dur_rc_t         rc;
    dur_buf_t        event, canonical, scratch;
    dur_event_t      row;
    dur_lifecycle_t  l;

    if (!dur_lifecycle_wanted(e, run)) {
        return DUR_OK;
    }

    l.run = run;
    l.fn = dur_registry_function(&e->registry, run->function);

    if (l.fn == NULL) {
        return DUR_OK;
    }

    dur_buf_init(&event, DUR_LIFECYCLE_MAX);
    dur_buf_init(&canonical, DUR_LIFECYCLE_MAX);
    dur_buf_init(&scratch, DUR_LIFECYCLE_MAX);

    rc = dur_event_get(e->txn, &run->event, &row);

    if (rc == DUR_OK) {
        rc = dur_payload_get_canonical(e->txn, &run->event, &row.json, &event,
                                       &scratch);
    }

    if (rc == DUR_OK && output.len) {
        rc = dur_json_canonicalize(&canonical, output);
    }

    if (rc == DUR_OK) {
        l.event = dur_buf_str(&event);
        l.output = dur_buf_str(&canonical);
        rc = dur_lifecycle_emit_all(e, &l);
    }

    dur_buf_deinit(&event);
    dur_buf_deinit(&canonical);
    dur_buf_deinit(&scratch);

    return rc;
}
