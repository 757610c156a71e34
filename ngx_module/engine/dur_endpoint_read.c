/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_endpoint_read.h"
#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_sign.h"
#include "engine/dur_ulid.h"


/* -- the call ------------------------------------------------------------- */

/* What cannot stand in a request line as it is gets escaped; what the SDK
 * has escaped stays. */
static void
dur_endpoint_escape(dur_buf_t *b, dur_str_t s, const char *also)
{
    size_t   i;
    uint8_t  c;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c <= 0x20 || c >= 0x7f || strchr(also, c) != NULL) {
            dur_buf_addf(b, "%%%02X", c);
        } else {
            dur_buf_addc(b, c);
        }
    }
}


static dur_str_t
dur_endpoint_member(const json_t *data, const char *key)
{
    dur_str_t  s;

    return dur_json_get_string(data, key, &s) == DUR_OK ? s : dur_str_null;
}


static void
dur_endpoint_url(const json_t *data, dur_buf_t *url)
{
    dur_str_t  query;

    dur_buf_adds(url, dur_endpoint_member(data, "domain"));
    dur_endpoint_escape(url, dur_endpoint_member(data, "path"), "?#");

    query = dur_endpoint_member(data, "query_params");

    if (query.len) {
        dur_buf_addc(url, '?');
        dur_endpoint_escape(url, query, "#");
    }
}


static void
dur_endpoint_body(const json_t *event, const json_t *data, dur_buf_t *body)
{
    size_t     n;
    dur_str_t  text, encoding;

    text = dur_endpoint_member(data, "body");
    encoding = dur_endpoint_member(json_object_get(event, "meta"),
                                   "body_encoding");

    if (dur_str_eq(encoding, dur_str("base64"))
        && dur_buf_reserve(body, text.len) == DUR_OK
        && dur_unbase64(text, body->data, text.len, &n) == DUR_OK)
    {
        body->len = n;
        return;
    }

    dur_buf_adds(body, text);
}


/*
 * As SDKs check it: over the body of a POST or a PUT, in canonical form where
 * it is JSON, over nothing for other methods.  Without a key the header is
 * there and empty: it tells the SDK who calls.
 */
static dur_rc_t
dur_endpoint_sign(const dur_call_options_t *options, dur_call_t *call)
{
    char        signature[96];
    dur_str_t   method, body;
    dur_buf_t  *b = &call->scratch;

    if (options->signing_key.len == 0) {
        return dur_buf_addz(&call->headers, "X-Inngest-Signature: \n");
    }

    method = dur_buf_str(&call->method);
    body = dur_str_null;

    if (dur_str_eq(method, dur_str("POST"))
        || dur_str_eq(method, dur_str("PUT")))
    {
        body = dur_buf_str(&call->body);
        dur_buf_reset(b);

        if (body.len && dur_json_canonicalize(b, body) == DUR_OK) {
            body = dur_buf_str(b);
        }
    }

    dur_sign_request(options->signing_key, body, options->now_ms / 1000,
                     signature);

    return dur_buf_addf(&call->headers, "X-Inngest-Signature: %s\n",
                        signature);
}


static dur_rc_t
dur_endpoint_headers(const dur_run_t *run, const dur_item_t *item,
    const dur_call_options_t *options, dur_str_t type, dur_call_t *call)
{
    char        id[DUR_ULID_TEXT_LEN + 1], step[DUR_HASH_TEXT_LEN + 1];
    dur_buf_t  *b = &call->headers;

    dur_ulid_text(&run->id, id);

    if (type.len) {
        dur_buf_addf(b, "Content-Type: %.*s\n", (int) type.len, type.data);
    }

    dur_buf_addf(b, "X-Run-ID: %s\n"
                 "X-Inngest-Server-Kind: %s\n"
                 "x-inngest-req-version: %d\n"
                 "x-inngest-generation-id: %u\n"
                 "x-inngest-job-id: %llu\n"
                 "x-request-id: %llu-%u\n",
                 id, options->dev ? "dev" : "cloud",
                 run->request_version ? run->request_version : -1,
                 item->generation, (unsigned long long) item->id,
                 (unsigned long long) item->id, item->generation);

    if (item->kind == DUR_ITEM_STEP) {
        dur_hash_text(&item->step, step);
        dur_buf_addf(b, "X-Inngest-Step-ID: %s\n", step);
    }

    if (run->flags & DUR_RUN_F_FORCE_PLAN) {
        dur_buf_addz(b, "X-Inngest-Force-Step-Plan: true\n");
    }

    return dur_endpoint_sign(options, call);
}


dur_rc_t
dur_endpoint_build(dur_txn_t *t, const dur_run_t *run,
    const dur_item_t *item, const dur_call_options_t *options,
    dur_call_t *call)
{
    json_t       *event, *data;
    dur_rc_t      rc;
    dur_event_t   row;

    rc = dur_event_get(t, &run->event, &row);

    if (rc == DUR_OK) {
        dur_buf_reset(&call->scratch);
        rc = dur_payload_get(t, &run->event, &row.json, &call->scratch);
    }

    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_ECORRUPT : rc;
    }

    event = dur_json_parse(dur_buf_str(&call->scratch), NULL);
    data = json_object_get(event, "data");

    if (!json_is_object(data)) {
        json_decref(event);
        return DUR_ECORRUPT;
    }

    dur_buf_adds(&call->method, dur_endpoint_member(data, "method"));
    dur_endpoint_url(data, &call->url);
    dur_endpoint_body(event, data, &call->body);

    rc = dur_endpoint_headers(run, item, options,
                              dur_endpoint_member(data, "content_type"),
                              call);
    json_decref(event);

    return (rc != DUR_OK || call->url.failed || call->body.failed
            || call->headers.failed)
           ? DUR_ETOOBIG : DUR_OK;
}


/* -- the output ----------------------------------------------------------- */

/* {"status","headers","body"}, which an older SDK wraps in "data". */
static const json_t *
dur_endpoint_response(const json_t *output)
{
    const json_t  *inner;

    inner = json_object_get(output, "data");

    if (json_is_integer(json_object_get(inner, "status"))) {
        output = inner;
    }

    return json_is_integer(json_object_get(output, "status")) ? output
                                                              : NULL;
}


/* A body that is no string is told as the JSON that it is. */
static void
dur_endpoint_response_body(const json_t *body, dur_buf_t *text,
    dur_endpoint_output_t *output)
{
    if (json_is_string(body)) {
        output->body = dur_str_make(json_string_value(body),
                                    json_string_length(body));

    } else if (body != NULL && !json_is_null(body)) {
        dur_buf_reset(text);

        if (dur_json_write(text, body) == DUR_OK) {
            output->body = dur_buf_str(text);
        }
    }
}


static void
dur_endpoint_completed(dur_buf_t *text, dur_endpoint_output_t *output)
{
    json_int_t     status;
    const json_t  *response;

    response = dur_endpoint_response(output->root);

    if (response == NULL) {
        output->status = 200;
        output->json = true;
        output->body = dur_buf_str(text);
        return;
    }

    status = json_integer_value(json_object_get(response, "status"));
    output->status = status >= 200 && status <= 599 ? (uint16_t) status : 200;
    output->headers = json_object_get(response, "headers");

    if (!json_is_object(output->headers)) {
        output->headers = NULL;
    }

    dur_endpoint_response_body(json_object_get(response, "body"), text,
                               output);
}


dur_rc_t
dur_endpoint_output(dur_store_t *s, const dur_ulid_t *id, dur_buf_t *text,
    dur_endpoint_output_t *output)
{
    dur_rc_t    rc;
    dur_run_t   run;
    dur_txn_t  *t;

    memset(output, 0, sizeof(*output));
    dur_buf_reset(text);

    rc = dur_txn_begin(s, false, &t);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_run_get(t, id, &run);

    if (rc == DUR_OK && run.status != DUR_RUN_LIVE) {
        rc = dur_payload_get(t, id, &run.output, text);
    }

    dur_txn_abort(t);

    if (rc != DUR_OK || run.status == DUR_RUN_LIVE) {
        output->run = DUR_RUN_LIVE;
        return rc;
    }

    output->run = run.status;
    output->root = dur_json_parse(dur_buf_str(text), NULL);

    if (run.status == DUR_RUN_COMPLETED) {
        dur_endpoint_completed(text, output);

    } else {
        output->error = dur_endpoint_member(output->root, "message");
    }

    return DUR_OK;
}


dur_rc_t
dur_endpoint_key(dur_store_t *s, uint8_t key[32])
{
    dur_rc_t    rc;
    dur_str_t   id;
    dur_txn_t  *t;

    rc = dur_txn_begin(s, false, &t);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_txn_get(t, DUR_T_META, dur_str("store_id"), &id);

    if (rc == DUR_OK) {
        dur_hmac_sha256(id, dur_str("tokens of durable endpoints"),
                        dur_str_null, key);
    }

    dur_txn_abort(t);

    return rc;
}
