/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_gateway_publish.h"
#include "engine/dur_json.h"
#include "engine/dur_realtime.h"
#include "engine/dur_state.h"
#include "engine/dur_ulid.h"


/* Larger results are not what somebody listens to. */
#define DUR_GATEWAY_PUBLISH_MAX  (512 * 1024)


static dur_rc_t
dur_gateway_message(dur_engine_t *e, const dur_realtime_message_t *m)
{
    dur_rc_t       rc;
    dur_buf_t      text;
    dur_effect_t  *effect;

    dur_buf_init(&text, 2 * DUR_GATEWAY_PUBLISH_MAX);

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


dur_rc_t
dur_gateway_publish(dur_engine_t *e, const dur_ulid_t *run, dur_str_t opts,
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
        || answer->ops[0].data.len > DUR_GATEWAY_PUBLISH_MAX)
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
        rc = dur_gateway_message(e, &m);
    }

    json_decref(root);

    return rc;
}
