/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The inputs of steps without the secrets of those that call a URL
 * (protocol 5.9, 5.10).  What is not known to be harmless is not shown: of the
 * headers the names, of a URL the names of its arguments, no key at all.
 */

#include "engine/dur_query_core.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_json.h"


#define DUR_INPUT_HIDDEN  "***"


static bool
dur_input_is_gateway(const dur_step_t *step)
{
    return step->op == DUR_OPCODE_AI || step->op == DUR_OPCODE_GATEWAY;
}


/* Headers that say what is sent and what may come back. */
static bool
dur_input_plain(const char *header)
{
    size_t              i;
    static const char  *names[] = {
        "accept", "content-type", "user-agent", "anthropic-version"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (dur_str_caseeq(dur_str_c(header), dur_str_c(names[i]))) {
            return true;
        }
    }

    return false;
}


/* Without a user and a password, and with the names of the arguments only. */
static void
dur_input_url(dur_buf_t *out, dur_str_t url)
{
    size_t          i, from;
    bool            value;
    const uint8_t  *at, *p;

    from = 0;
    value = false;

    for (i = 0; i + 2 < url.len; i++) {
        if (memcmp(url.data + i, "://", 3) == 0) {
            from = i + 3;
            break;
        }
    }

    at = NULL;

    for (p = url.data + from; p < url.data + url.len; p++) {
        if (*p == '/' || *p == '?' || *p == '#') {
            break;
        }
        if (*p == '@') {
            at = p;
        }
    }

    dur_buf_add(out, url.data, from);
    p = at ? at + 1 : url.data + from;

    while (p < url.data + url.len && *p != '?' && *p != '#') {
        dur_buf_addc(out, *p++);
    }

    for ( ; p < url.data + url.len; p++) {
        if (*p == '#') {
            break;
        }

        if (*p == '&') {
            value = false;
        }

        if (!value) {
            dur_buf_addc(out, *p);
        }

        if (*p == '=' && !value) {
            dur_buf_addz(out, DUR_INPUT_HIDDEN);
            value = true;
        }
    }
}


static json_t *
dur_input_shown_url(dur_query_t *q, const json_t *url)
{
    dur_str_t  text;

    text = dur_str_make(json_string_value(url), json_string_length(url));

    dur_buf_reset(&q->scratch);
    dur_input_url(&q->scratch, text);

    return q->scratch.len ? json_stringn((char *) q->scratch.data,
                                         q->scratch.len)
                          : json_null();
}


static bool
dur_input_shown(const char *key)
{
    size_t              i;
    static const char  *names[] = {
        "type", "format", "method", "body", "publish"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(key, names[i]) == 0) {
            return true;
        }
    }

    return false;
}


/* False without memory: then nothing may be shown. */
static bool
dur_input_hide_headers(json_t *opts, const char *key, json_t *headers)
{
    void        *next;
    bool         good;
    json_t      *value;
    const char  *name;

    if (!json_is_object(headers)) {
        return json_object_set_new(opts, key, json_null()) == 0;
    }

    good = true;

    json_object_foreach_safe(headers, next, name, value) {
        if (!dur_input_plain(name)) {
            good &= json_object_set_new(headers, name,
                                        json_string(DUR_INPUT_HIDDEN)) == 0;
        }
    }

    return good;
}


static bool
dur_input_hide(dur_query_t *q, json_t *opts)
{
    void        *next;
    bool         good;
    json_t      *value, *shown;
    const char  *key;

    good = true;

    json_object_foreach_safe(opts, next, key, value) {

        if (strcmp(key, "headers") == 0) {
            good &= dur_input_hide_headers(opts, key, value);
            continue;
        }

        if (dur_input_shown(key)) {
            continue;
        }

        shown = (strcmp(key, "url") == 0 && json_is_string(value))
                ? dur_input_shown_url(q, value)
                : json_string(DUR_INPUT_HIDDEN);

        good &= json_object_set_new(opts, key, shown) == 0;
    }

    return good;
}


static dur_rc_t
dur_input_gateway(dur_query_t *q, dur_str_t text)
{
    json_t    *opts;
    dur_rc_t   rc;
    dur_buf_t  shown;

    if (q->redact == NULL) {
        opts = dur_json_parse(text, NULL);

    } else {
        dur_buf_init(&shown, 16 * text.len + 64);

        opts = dur_redact_json(q->redact, DUR_REDACT_VALUE, text, &shown)
               == DUR_OK ? dur_json_parse(dur_buf_str(&shown), NULL) : NULL;

        dur_buf_deinit(&shown);
    }

    if (!json_is_object(opts)) {
        json_decref(opts);
        return dur_buf_addz(q->out, "null");
    }

    rc = dur_input_hide(q, opts) ? dur_json_write(q->out, opts) : DUR_ENOMEM;
    json_decref(opts);

    return rc;
}


dur_rc_t
dur_query_input(dur_query_t *q, const dur_ulid_t *run,
    const dur_step_t *step, size_t max)
{
    dur_rc_t   rc;
    dur_buf_t  text;

    if (step->input.length == 0) {
        return DUR_OK;
    }

    if (!dur_input_is_gateway(step) || step->input.length > max) {
        return dur_query_body(q, "input", run, &step->input, max);
    }

    dur_query_key(q->out, "input");
    dur_buf_init(&text, step->input.length);

    rc = dur_payload_get(q->txn, run, &step->input, &text);

    if (rc == DUR_OK) {
        rc = dur_input_gateway(q, dur_buf_str(&text));

    } else if (rc == DUR_ECORRUPT) {
        rc = dur_buf_addz(q->out, "null,\"incomplete\":true");
    }

    dur_buf_deinit(&text);

    return rc;
}


void
dur_query_detail(dur_buf_t *out, const dur_step_t *step)
{
    dur_buf_t  url;

    if (step->detail.len == 0) {
        return;
    }

    if (dur_input_is_gateway(step)) {
        dur_buf_init(&url, step->detail.len * 4 + 16);
        dur_input_url(&url, step->detail);
        dur_query_string(out, "url", dur_buf_str(&url));
        dur_buf_deinit(&url);
        return;
    }

    dur_query_string(out, step->op == DUR_OPCODE_WAIT_SIGNAL ? "signal"
                          : step->op == DUR_OPCODE_INVOKE ? "function"
                          : step->op == DUR_OPCODE_WAIT_EVENT ? "event"
                          : "detail",
                     step->detail);
}
