/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_run_feed.h"
#include "engine/dur_json.h"
#include "engine/dur_redact.h"
#include "engine/dur_state.h"
#include "engine/dur_ulid.h"


static void
dur_run_feed_member(dur_buf_t *b, const char *key, dur_str_t value)
{
    if (value.len) {
        dur_buf_addf(b, ",\"%s\":", key);
        dur_json_write_string(b, value);
    }
}


static void
dur_run_feed_begin(dur_engine_t *e, const dur_run_t *run, const char *kind,
    dur_buf_t *b)
{
    char             id[DUR_ULID_TEXT_LEN + 1];
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, run->function);
    dur_ulid_text(&run->id, id);

    dur_buf_init(b, 64 * 1024);
    dur_buf_addf(b, "{\"ts\":%lld,\"kind\":\"%s\",\"run\":\"%s\"",
                 (long long) e->now, kind, id);
    dur_run_feed_member(b, "function", fn ? fn->slug : dur_str_null);
}


static dur_rc_t
dur_run_feed_end_line(dur_engine_t *e, dur_buf_t *b)
{
    dur_effect_t  *effect;

    dur_buf_addc(b, '}');

    effect = b->failed ? NULL : dur_state_effect(e, DUR_EFFECT_FEED);
    if (effect != NULL) {
        effect->text = dur_arena_copy(e->arena, dur_buf_str(b));
    }

    dur_buf_deinit(b);

    return effect ? DUR_OK : DUR_ENOMEM;
}


static dur_rc_t
dur_run_feed_error(dur_engine_t *e, dur_buf_t *b, dur_str_t error)
{
    dur_rc_t             rc;
    dur_buf_t            shown;
    const dur_redact_t  *redact;

    redact = dur_store_redact(e->store);

    if (redact == NULL || error.len == 0) {
        dur_run_feed_member(b, "error", error);
        return DUR_OK;
    }

    dur_buf_init(&shown, 16 * error.len + 64);

    rc = dur_redact_message(redact, error, &shown);

    if (rc == DUR_OK) {
        dur_run_feed_member(b, "error", dur_buf_str(&shown));
    }

    dur_buf_deinit(&shown);

    return rc;
}


dur_rc_t
dur_run_feed(dur_engine_t *e, const dur_run_t *run, const char *kind,
    dur_str_t step, unsigned attempt, int64_t ms, int64_t at,
    dur_str_t error)
{
    dur_buf_t  b;

    if (!e->feed) {
        return DUR_OK;
    }

    if (error.len > 1024) {
        error.len = 1024;
    }

    dur_run_feed_begin(e, run, kind, &b);
    dur_run_feed_member(&b, "step", step);
    dur_buf_addf(&b, ",\"attempt\":%u,\"ms\":%lld", attempt, (long long) ms);

    if (at != 0) {
        dur_buf_addf(&b, ",\"at\":%lld", (long long) at);
    }

    if (dur_run_feed_error(e, &b, error) != DUR_OK) {
        dur_buf_deinit(&b);
        return DUR_ENOMEM;
    }

    return dur_run_feed_end_line(e, &b);
}


dur_rc_t
dur_run_feed_open(dur_engine_t *e, const dur_run_t *run,
    const dur_run_open_t *open)
{
    dur_buf_t  b;

    if (!e->feed) {
        return DUR_OK;
    }

    dur_run_feed_begin(e, run, open->kind, &b);
    dur_run_feed_member(&b, "step", open->step);

    if (open->what != NULL) {
        dur_run_feed_member(&b, open->what, open->name);
    }

    if (open->due != 0) {
        dur_buf_addf(&b, ",\"at\":%lld", (long long) open->due);
    }

    return dur_run_feed_end_line(e, &b);
}


static void
dur_run_feed_id(dur_buf_t *b, const char *key, const dur_ulid_t *id)
{
    char        text[DUR_ULID_TEXT_LEN + 1];
    dur_ulid_t  none = { { 0 } };

    if (memcmp(id, &none, sizeof(none)) != 0) {
        dur_ulid_text(id, text);
        dur_run_feed_member(b, key, dur_str_c(text));
    }
}


dur_rc_t
dur_run_feed_started(dur_engine_t *e, const dur_run_t *run, dur_str_t event)
{
    dur_buf_t  b;

    if (!e->feed) {
        return DUR_OK;
    }

    dur_run_feed_begin(e, run, "run.started", &b);
    dur_run_feed_member(&b, "event", event);
    dur_run_feed_id(&b, "parent", &run->parent);
    dur_run_feed_id(&b, "original", &run->original);
    dur_buf_addz(&b, ",\"attempt\":0,\"ms\":0");

    if (run->discovery_due != 0 && run->discovery_due != DUR_RUN_HELD
        && !(run->flags & DUR_RUN_F_ENDPOINT))
    {
        dur_buf_addf(&b, ",\"at\":%lld", (long long) run->discovery_due);
    }

    return dur_run_feed_end_line(e, &b);
}


/* The text of "message" in an error object; empty when there is none. */
static dur_str_t
dur_run_message(dur_engine_t *e, dur_str_t error)
{
    json_t            *value;
    dur_str_t          text;
    dur_json_error_t   err;

    if (dur_json_member(error, dur_str("message"), &text) != DUR_OK) {
        return dur_str_null;
    }

    value = dur_json_parse(text, &err);

    text = json_is_string(value)
           ? dur_arena_copy(e->arena,
                            dur_str_make(json_string_value(value),
                                         json_string_length(value)))
           : dur_str_null;

    json_decref(value);

    return text;
}


dur_rc_t
dur_run_feed_ended(dur_engine_t *e, const dur_run_t *run, dur_str_t output)
{
    const char  *kind;

    if (!e->feed) {
        return DUR_OK;
    }

    kind = run->status == DUR_RUN_COMPLETED ? "run.completed"
           : run->status == DUR_RUN_FAILED ? "run.failed" : "run.cancelled";

    return dur_run_feed(e, run, kind, dur_str_null, 0,
                        run->ended - run->created, 0,
                        run->status == DUR_RUN_COMPLETED
                        ? dur_str_null : dur_run_message(e, output));
}
