/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_lifecycle.h"
#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_match.h"
#include "engine/dur_member.h"
#include "engine/dur_state.h"
#include "engine/dur_ulid.h"
#include "engine/dur_wait.h"


#define DUR_LIFECYCLE_MAX  (16 * 1024 * 1024)


static const char  dur_lifecycle_finished[] = "inngest/function.finished";


typedef struct {
    const dur_run_t       *run;
    const dur_function_t  *fn;
    dur_str_t              event;       /* canonical JSON of the trigger */
    dur_str_t              events;      /* of all of them, with commas */
    dur_str_t              output;      /* canonical result or error */
} dur_lifecycle_t;


/* -- the event ------------------------------------------------------------ */

static void
dur_lifecycle_correlation(const dur_run_t *run, dur_buf_t *b)
{
    char  parent[DUR_ULID_TEXT_LEN + 1], step[DUR_HASH_TEXT_LEN + 1];

    dur_ulid_text(&run->parent, parent);
    dur_hash_text(&run->parent_step, step);

    dur_buf_addf(b, ",\"correlation_id\":\"%s.%s\"", parent, step);
}


/* Its data, keys in JCS order.  What a run that failed put out is the error:
 * it stands for the result as well. */
static void
dur_lifecycle_data(const dur_lifecycle_t *l, dur_buf_t *b)
{
    char  run[DUR_ULID_TEXT_LEN + 1];

    dur_buf_addf(b, "{\"_inngest\":{\"status\":\"%s\"}",
                 dur_run_status_name(l->run));

    if (l->run->flags & DUR_RUN_F_INVOKED) {
        dur_lifecycle_correlation(l->run, b);
    }

    if (l->run->status == DUR_RUN_FAILED) {
        dur_buf_addz(b, ",\"error\":");
        dur_buf_adds(b, l->output);
    }

    dur_buf_addz(b, ",\"event\":");
    dur_buf_adds(b, l->event);
    dur_buf_addz(b, ",\"events\":[");
    dur_buf_adds(b, l->events);
    dur_buf_addz(b, "],\"function_id\":");
    dur_json_write_string(b, l->fn->slug);

    if (l->run->status != DUR_RUN_CANCELLED) {
        dur_buf_addz(b, ",\"result\":");
        dur_buf_adds(b, l->output);
    }

    dur_ulid_text(&l->run->id, run);
    dur_buf_addf(b, ",\"run_id\":\"%s\"}", run);
}


static void
dur_lifecycle_write(dur_engine_t *e, const dur_lifecycle_t *l,
    const char *name, const dur_ulid_t *id, dur_buf_t *b)
{
    char       text[DUR_ULID_TEXT_LEN + 1];
    dur_str_t  meta;

    dur_ulid_text(id, text);

    dur_buf_addz(b, "{\"data\":");
    dur_lifecycle_data(l, b);
    dur_buf_addf(b, ",\"id\":\"%s\"", text);

    if (dur_json_member(l->event, dur_str("meta"), &meta) == DUR_OK) {
        dur_buf_addz(b, ",\"meta\":");
        dur_buf_adds(b, meta);
    }

    dur_buf_addf(b, ",\"name\":\"%s\",\"ts\":%lld,\"user\":{}}", name,
                 (long long) e->now);
}


/* -- who gets it ---------------------------------------------------------- */

static bool
dur_lifecycle_named(dur_engine_t *e, const char *name)
{
    return dur_match_any(&e->registry, dur_str_c(name))
           || dur_wait_any(e, dur_str_c(name));
}


/* The event of this end besides function.finished, or NULL. */
static const char *
dur_lifecycle_name(const dur_run_t *run)
{
    switch (run->status) {
    case DUR_RUN_FAILED:
        return "inngest/function.failed";
    case DUR_RUN_CANCELLED:
        return "inngest/function.cancelled";
    default:
        return NULL;
    }
}


static dur_rc_t
dur_lifecycle_too_large(dur_engine_t *e, const char *name)
{
    dur_state_log(e, 1, "the event %s of a run is larger than %d bytes and is "
                  "not sent", name, DUR_LIFECYCLE_MAX);

    return DUR_OK;
}


/* The id that its readers see is the run's, or its own. */
static dur_rc_t
dur_lifecycle_emit(dur_engine_t *e, const dur_lifecycle_t *l,
    const char *name, const dur_ulid_t *id)
{
    dur_rc_t        rc;
    dur_buf_t       b;
    dur_op_event_t  event;

    if (name == NULL || !dur_lifecycle_named(e, name)) {
        return DUR_OK;
    }

    memset(&event, 0, sizeof(event));
    dur_state_ulid(e, &event.id);

    dur_buf_init(&b, DUR_LIFECYCLE_MAX);
    dur_lifecycle_write(e, l, name, id ? id : &event.id, &b);

    event.flags = DUR_EVENT_F_CANONICAL;
    event.ts = e->now;
    event.name = dur_str_c(name);
    event.json = dur_buf_str(&b);

    rc = b.failed ? dur_lifecycle_too_large(e, name)
                  : dur_event_emit(e, &event, true);

    dur_buf_deinit(&b);

    return rc;
}


/* -- the end of a run ----------------------------------------------------- */

/* Canonical copies of what the event quotes. */
typedef struct {
    dur_buf_t  event;
    dur_buf_t  events;
    dur_buf_t  result;
} dur_lifecycle_quote_t;


static void
dur_lifecycle_quote_free(dur_lifecycle_quote_t *quote)
{
    dur_buf_deinit(&quote->event);
    dur_buf_deinit(&quote->events);
    dur_buf_deinit(&quote->result);
}


/* DUR_ENOTFOUND, DUR_ECORRUPT: an event of the run cannot be read;
 * DUR_ETOOBIG.  The caller frees in any case. */
static dur_rc_t
dur_lifecycle_quote(dur_engine_t *e, dur_lifecycle_t *l, dur_str_t output,
    dur_lifecycle_quote_t *quote)
{
    dur_rc_t          rc;
    dur_buf_t         scratch;
    dur_event_t       row;
    const dur_run_t  *run = l->run;

    dur_buf_init(&quote->event, DUR_LIFECYCLE_MAX);
    dur_buf_init(&quote->events, DUR_LIFECYCLE_MAX);
    dur_buf_init(&quote->result, DUR_LIFECYCLE_MAX);
    dur_buf_init(&scratch, DUR_LIFECYCLE_MAX);

    rc = dur_event_get(e->txn, &run->event, &row);

    if (rc == DUR_OK) {
        rc = dur_payload_get_canonical(e->txn, &run->event, &row.json,
                                       &quote->event, &scratch);
    }
    if (rc == DUR_OK && (run->flags & DUR_RUN_F_BATCH)) {
        rc = dur_member_events(e->txn, run, &quote->events, &scratch);
    }
    if (rc == DUR_OK) {
        rc = dur_json_canonicalize(&quote->result,
                                   output.len ? output : dur_str("null"));
    }

    dur_buf_deinit(&scratch);

    l->event = dur_buf_str(&quote->event);
    l->output = dur_buf_str(&quote->result);
    l->events = (run->flags & DUR_RUN_F_BATCH) ? dur_buf_str(&quote->events)
                                               : l->event;

    return rc;
}


/* It must not keep the run from ending: then nothing would. */
static dur_rc_t
dur_lifecycle_unreadable(dur_engine_t *e, const dur_run_t *run, dur_rc_t rc)
{
    char  id[DUR_ULID_TEXT_LEN + 1];

    if (rc == DUR_ETOOBIG) {
        return dur_lifecycle_too_large(e, dur_lifecycle_finished);
    }

    if (rc != DUR_ENOTFOUND && rc != DUR_ECORRUPT && rc != DUR_EINVAL) {
        return rc;
    }

    dur_ulid_text(&run->id, id);
    dur_state_log(e, 0, "the event of run %s cannot be read (%s): no event "
                  "says that the run has ended", id, dur_strerror(rc));

    return DUR_OK;
}


/* function.finished, and `name` unless it is NULL. */
static dur_rc_t
dur_lifecycle_tell(dur_engine_t *e, const dur_run_t *run, const char *name,
    dur_str_t output)
{
    dur_rc_t               rc;
    dur_lifecycle_t        l;
    dur_lifecycle_quote_t  quote;

    l.run = run;
    l.fn = dur_registry_function(&e->registry, run->function);

    if ((run->flags & DUR_RUN_F_QUIET) || l.fn == NULL
        || (!dur_lifecycle_named(e, dur_lifecycle_finished)
            && (name == NULL || !dur_lifecycle_named(e, name))))
    {
        return DUR_OK;
    }

    rc = dur_lifecycle_quote(e, &l, output, &quote);

    if (rc == DUR_OK) {
        rc = dur_lifecycle_emit(e, &l, dur_lifecycle_finished, NULL);
        if (rc == DUR_OK) {
            rc = dur_lifecycle_emit(e, &l, name, &run->id);
        }

    } else {
        rc = dur_lifecycle_unreadable(e, run, rc);
    }

    dur_lifecycle_quote_free(&quote);

    return rc;
}


/* The run as if it were of this event alone. */
static void
dur_lifecycle_as(const dur_run_t *run, const dur_member_t *member,
    dur_run_t *alone)
{
    *alone = *run;
    alone->event = member->event;
    alone->parent = member->parent;
    alone->parent_step = member->parent_step;

    if (!member->invoked) {
        alone->flags &= (uint16_t) ~DUR_RUN_F_INVOKED;
    }
}


dur_rc_t
dur_lifecycle_ended(dur_engine_t *e, const dur_run_t *run, dur_str_t output)
{
    dur_run_t     alone;
    dur_member_t  first;

    if ((run->flags & DUR_RUN_F_BATCH)
        && dur_member_get(e->txn, &run->id, 0, &first) == DUR_OK)
    {
        dur_lifecycle_as(run, &first, &alone);
        run = &alone;
    }

    return dur_lifecycle_tell(e, run, dur_lifecycle_name(run), output);
}


bool
dur_lifecycle_heard(dur_engine_t *e)
{
    return dur_lifecycle_named(e, dur_lifecycle_finished);
}


dur_rc_t
dur_lifecycle_answered(dur_engine_t *e, const dur_run_t *run,
    const dur_member_t *member, dur_str_t output)
{
    dur_run_t  alone;

    dur_lifecycle_as(run, member, &alone);

    return dur_lifecycle_tell(e, &alone, NULL, output);
}
