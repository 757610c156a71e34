/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_realtime.h"
#include "engine/dur_json.h"
#include "engine/dur_query.h"
#include "engine/dur_time.h"

#include <inttypes.h>
#include <stdio.h>


#define DUR_REALTIME_ISSUER  "rt.inngest.com"


/* -- tokens --------------------------------------------------------------- */

static bool
dur_realtime_name(const json_t *object, const char *key, dur_str_t *name)
{
    return dur_json_get_string(object, key, name) == DUR_OK
           && name->len > 0 && name->len <= DUR_RING_NAME;
}


static dur_rc_t
dur_realtime_claim(const json_t *topic, dur_buf_t *claims, char err[160])
{
    dur_str_t  channel, name;

    if (!dur_realtime_name(topic, "channel", &channel)
        || !dur_realtime_name(topic, "name", &name))
    {
        snprintf(err, 160, "each topic must have a channel and a name, "
                 "strings of at most %d bytes", DUR_RING_NAME);
        return DUR_EINVAL;
    }

    dur_buf_addz(claims, "{\"channel\":");
    dur_json_write_string(claims, channel);
    dur_buf_addz(claims, ",\"env_id\":\"" DUR_QUERY_ENVIRONMENT "\","
                 "\"kind\":\"run\",\"name\":");
    dur_json_write_string(claims, name);
    dur_buf_addc(claims, '}');

    return DUR_OK;
}


dur_rc_t
dur_realtime_claims(dur_str_t body, int64_t now_s, bool streams,
    dur_buf_t *claims, char err[160])
{
    size_t    i, n;
    json_t   *root;
    dur_rc_t  rc;

    root = dur_json_parse(body, NULL);
    n = json_array_size(root);

    if (n == 0 || n > DUR_REALTIME_TOPICS) {
        json_decref(root);
        snprintf(err, 160, "the body must be a JSON array of 1 to %d topics, "
                 "such as [{\"channel\":\"c\",\"name\":\"t\"}]",
                 DUR_REALTIME_TOPICS);
        return DUR_EINVAL;
    }

    dur_buf_addf(claims, "{\"env\":\"" DUR_QUERY_ENVIRONMENT "\","
                 "\"exp\":%" PRId64 ",\"iat\":%" PRId64 ","
                 "\"iss\":\"" DUR_REALTIME_ISSUER "\",\"publish\":false,"
                 "\"streams\":%s,\"sub\":\"" DUR_QUERY_ACCOUNT "\","
                 "\"topics\":[", now_s + DUR_REALTIME_LIFE, now_s,
                 streams ? "true" : "false");

    for (i = 0, rc = DUR_OK; i < n && rc == DUR_OK; i++) {
        if (i > 0) {
            dur_buf_addc(claims, ',');
        }

        rc = dur_realtime_claim(json_array_get(root, i), claims, err);
    }

    dur_buf_addz(claims, "]}");
    json_decref(root);

    if (rc == DUR_OK && claims->failed) {
        rc = DUR_ENOMEM;
    }

    return rc;
}


/* What the client of a durable endpoint may hear: what its run streams. */
static dur_rc_t
dur_realtime_grant_run(const json_t *claims, dur_realtime_grant_t *grant)
{
    dur_str_t  value;

    if (dur_json_get_string(claims, "sub", &value) != DUR_OK
        || !dur_str_eq(value, dur_str("realtime-claim"))
        || !dur_realtime_name(claims, "RunID", &grant->topics[0].channel))
    {
        return DUR_EACCES;
    }

    grant->topics[0].name = dur_str(DUR_REALTIME_RAW);
    grant->n = 1;

    return DUR_OK;
}


/* Topics of an array; those that are none are left out. */
static void
dur_realtime_topics(const json_t *list, bool channels,
    dur_realtime_grant_t *grant)
{
    size_t                 i, n;
    json_t                *v;
    dur_realtime_topic_t  *topic;

    n = json_array_size(list);

    for (i = 0; i < n && grant->n < DUR_REALTIME_TOPICS; i++) {
        v = json_array_get(list, i);
        topic = &grant->topics[grant->n];
        topic->channel = dur_str_null;

        if (json_is_string(v) && !channels) {
            topic->name = dur_str_make(json_string_value(v),
                                       json_string_length(v));

        } else if (!dur_realtime_name(v, "name", &topic->name)
                   && (channels
                       || !dur_realtime_name(v, "topic", &topic->name)))
        {
            continue;
        }

        if (dur_realtime_name(v, "channel", &topic->channel) || !channels) {
            grant->n++;
        }
    }
}


dur_rc_t
dur_realtime_grant(const json_t *claims, dur_realtime_grant_t *grant)
{
    dur_str_t  issuer;

    memset(grant, 0, sizeof(*grant));

    if (dur_json_get_string(claims, "iss", &issuer) != DUR_OK) {
        return DUR_EACCES;
    }

    if (!dur_str_eq(issuer, dur_str(DUR_REALTIME_ISSUER))) {
        return dur_str_eq(issuer, dur_str("api.inngest.com"))
               ? dur_realtime_grant_run(claims, grant) : DUR_EACCES;
    }

    grant->publish = json_is_true(json_object_get(claims, "publish"));
    grant->streams = json_is_true(json_object_get(claims, "streams"));

    dur_realtime_topics(json_object_get(claims, "topics"), true, grant);

    return DUR_OK;
}


dur_realtime_ask_t
dur_realtime_ask(dur_str_t text, json_t **root, dur_str_t *token,
    dur_realtime_grant_t *grant)
{
    dur_str_t  kind;

    memset(grant, 0, sizeof(*grant));

    *root = dur_json_parse(text, NULL);

    if (dur_json_get_string(*root, "kind", &kind) != DUR_OK) {
        return DUR_REALTIME_NOTHING;
    }

    if (dur_str_eq(kind, dur_str("sub"))) {
        return dur_json_get_string(*root, "data", token) == DUR_OK
               ? DUR_REALTIME_SUB : DUR_REALTIME_NOTHING;
    }

    if (dur_str_eq(kind, dur_str("unsub"))) {
        dur_realtime_topics(json_object_get(*root, "data"), false, grant);
        return DUR_REALTIME_UNSUB;
    }

    return DUR_REALTIME_NOTHING;
}


/* -- messages ------------------------------------------------------------- */

static const char *
dur_realtime_kind(dur_realtime_kind_t kind)
{
    switch (kind) {

    case DUR_REALTIME_RUN:
        return "run";

    case DUR_REALTIME_STEP:
        return "step";

    case DUR_REALTIME_STREAM_START:
        return "datastream-start";

    case DUR_REALTIME_CHUNK_OF:
        return "chunk";

    case DUR_REALTIME_STREAM_END:
        return "datastream-end";

    default:
        return "data";
    }
}


static void
dur_realtime_member(dur_buf_t *out, const char *name, dur_str_t value)
{
    if (value.len == 0) {
        return;
    }

    dur_buf_addf(out, ",\"%s\":", name);
    dur_json_write_string(out, value);
}


/* JSON in its shortest form, without a line break. */
static dur_rc_t
dur_realtime_value(dur_buf_t *out, dur_str_t text)
{
    json_t    *value;
    dur_rc_t   rc;

    value = dur_json_parse(text, NULL);

    rc = value != NULL ? dur_json_write(out, value)
                       : dur_json_write_string(out, text);

    json_decref(value);

    return rc;
}


dur_rc_t
dur_realtime_write(dur_buf_t *out, const dur_realtime_message_t *m)
{
    char      time[32];
    dur_rc_t  rc;

    dur_rfc3339_text(m->now, time);

    /* the kind is first, see dur_realtime_plain() */

    dur_buf_addf(out, "{\"kind\":\"%s\",\"channel\":",
                 dur_realtime_kind(m->kind));
    dur_json_write_string(out, m->channel);
    dur_buf_addf(out, ",\"created_at\":\"%s\",\"env_id\":\""
                 DUR_QUERY_ENVIRONMENT "\"", time);

    dur_realtime_member(out, "topic", m->topic);
    dur_realtime_member(out, "run_id", m->run_id);
    dur_realtime_member(out, "fn_slug", m->fn_slug);
    dur_realtime_member(out, "stream_id", m->stream_id);

    if (m->metadata.len) {
        dur_buf_addz(out, ",\"metadata\":");
        rc = dur_realtime_value(out, m->metadata);
        if (rc != DUR_OK) {
            return rc;
        }
    }

    dur_buf_addz(out, ",\"data\":");

    rc = m->kind == DUR_REALTIME_DATA || m->kind == DUR_REALTIME_RUN
         || m->kind == DUR_REALTIME_STEP
         ? dur_realtime_value(out, m->data)
         : dur_json_write_string(out, m->data);

    dur_buf_addc(out, '}');

    return rc == DUR_OK && out->failed ? DUR_ENOMEM : rc;
}


dur_str_t
dur_realtime_plain(dur_str_t *text)
{
    static const char  chunk[] = "{\"kind\":\"chunk\"";

    if (text->len < sizeof(chunk) - 1
        || memcmp(text->data, chunk, sizeof(chunk) - 1) != 0)
    {
        return dur_str_null;
    }

    text->data += sizeof(chunk) - 1;
    text->len -= sizeof(chunk) - 1;

    return dur_str("{\"kind\":\"data\"");
}
