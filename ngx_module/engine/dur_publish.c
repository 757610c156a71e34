/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_publish.h"
#include "engine/dur_json.h"
#include "engine/dur_realtime.h"
#include "engine/dur_state.h"
#include "engine/dur_ulid.h"


/* Larger results are not what somebody listens to. */
#define DUR_PUBLISH_MAX  (512 * 1024)


static dur_rc_t
dur_publish(dur_engine_t *e, const dur_realtime_message_t *m)
{
    dur_rc_t       rc;
    dur_buf_t      text;
    dur_effect_t  *effect;

    dur_buf_init(&text, 2 * DUR_PUBLISH_MAX);

    rc = dur_realtime_write(&text, m);
    effect = rc == DUR_OK ? dur_state_effect(e, DUR_EFFECT_PUBLISH) : NULL;

    if (effect != NULL) {
        effect->channel = dur_arena_copy(e->arena, m->channel);
        effect->topic = dur_arena_copy(e->arena, m->topic);
        effect->text = dur_arena_copy(e->arena, dur_buf_str(&text));
    }

    dur_buf_deinit(&text);

    return effect != NULL && effect->text.data != NULL ? DUR_OK : DUR_ENOMEM;
}


/* In a topic of the run's own channel. */
static dur_rc_t
dur_publish_of(dur_engine_t *e, const dur_run_t *run, const char *id,
    dur_realtime_message_t *m)
{
    dur_function_t  *fn;

    fn = dur_registry_function(&e->registry, run->function);

    m->now = e->now;
    m->channel = dur_str_make(id, DUR_ULID_TEXT_LEN);
    m->run_id = m->channel;
    m->fn_slug = fn ? fn->slug : dur_str_null;

    return m->topic.len > 0 && m->topic.len <= DUR_RING_NAME
           && m->data.len <= DUR_PUBLISH_MAX ? dur_publish(e, m) : DUR_OK;
}


dur_rc_t
dur_publish_step(dur_engine_t *e, const dur_run_t *run, dur_str_t name,
    dur_str_t output)
{
    char                    id[DUR_ULID_TEXT_LEN + 1];
    dur_rc_t                rc;
    dur_realtime_message_t  m;

    if (!e->heard) {
        return DUR_OK;
    }

    memset(&m, 0, sizeof(m));
    dur_ulid_text(&run->id, id);

    m.kind = DUR_REALTIME_STEP;
    m.topic = dur_str("$step");
    m.data = output.len ? output : dur_str("null");

    rc = dur_publish_of(e, run, id, &m);

    if (rc != DUR_OK || dur_str_eq(name, m.topic)) {
        return rc;
    }

    m.topic = name;

    return dur_publish_of(e, run, id, &m);
}


dur_rc_t
dur_publish_run(dur_engine_t *e, const dur_run_t *run, dur_str_t output)
{
    char                    id[DUR_ULID_TEXT_LEN + 1];
    dur_realtime_message_t  m;

    if (!e->heard) {
        return DUR_OK;
    }

    memset(&m, 0, sizeof(m));
    dur_ulid_text(&run->id, id);

    m.kind = DUR_REALTIME_RUN;
    m.topic = dur_str("$run");
    m.data = output.len ? output : dur_str("null");
    m.metadata = run->status == DUR_RUN_COMPLETED
                 ? dur_str("{\"status\":\"Completed\"}")
                 : run->status == DUR_RUN_FAILED
                 ? dur_str("{\"status\":\"Failed\"}")
                 : dur_str("{\"status\":\"Cancelled\"}");

    return dur_publish_of(e, run, id, &m);
}


dur_rc_t
dur_publish_gateway(dur_engine_t *e, const dur_ulid_t *run, dur_str_t opts,
    const dur_answer_t *answer)
{
    char                    id[DUR_ULID_TEXT_LEN + 1];
    json_t                 *root, *publish;
    dur_rc_t                rc;
    dur_str_t               value;
    dur_realtime_message_t  m;

    if (dur_json_member(opts, dur_str("publish"), &value) != DUR_OK
        || answer->kind != DUR_ANSWER_OPS || answer->nops != 1
        || answer->ops[0].opcode != DUR_OPCODE_STEP_RUN
        || answer->ops[0].data.len > DUR_PUBLISH_MAX)
    {
        return DUR_OK;
    }

    memset(&m, 0, sizeof(m));
    dur_ulid_text(run, id);

    m.kind = DUR_REALTIME_DATA;
    m.now = e->now;
    m.run_id = dur_str_c(id);
    m.topic = dur_str("data");
    m.data = answer->ops[0].data;

    root = dur_json_parse(value, NULL);
    publish = json_is_object(root) ? root : NULL;
    rc = DUR_OK;

    (void) dur_json_get_string(publish, "topic", &m.topic);

    if (dur_json_get_string(publish, "channel", &m.channel) == DUR_OK
        && m.channel.len > 0 && m.channel.len <= DUR_RING_NAME
        && m.topic.len > 0 && m.topic.len <= DUR_RING_NAME)
    {
        rc = dur_publish(e, &m);
    }

    json_decref(root);

    return rc;
}
