/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_gateway.h"
#include "engine/dur_answer_op.h"
#include "engine/dur_json.h"


#define DUR_GATEWAY_METHOD  32


/* -- what may stand in a request ------------------------------------------ */

/* A method or a header's name (RFC 9110, 5.6.2). */
bool
dur_gateway_is_token(dur_str_t s)
{
    size_t   i;
    uint8_t  c;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c <= 0x20 || c >= 0x7f
            || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
        {
            return false;
        }
    }

    return s.len > 0;
}


bool
dur_gateway_is_value(dur_str_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if ((s.data[i] < 0x20 && s.data[i] != '\t') || s.data[i] == 0x7f) {
            return false;
        }
    }

    return true;
}


bool
dur_gateway_is_url(dur_str_t url)
{
    size_t  i, scheme;

    if (url.len > 7 && dur_str_caseeq(dur_str_make(url.data, 7),
                                      dur_str("http://")))
    {
        scheme = 7;

    } else if (url.len > 8 && dur_str_caseeq(dur_str_make(url.data, 8),
                                             dur_str("https://")))
    {
        scheme = 8;

    } else {
        return false;
    }

    for (i = scheme; i < url.len; i++) {
        if (url.data[i] <= 0x20 || url.data[i] == 0x7f) {
            return false;
        }
    }

    return url.data[scheme] != '/';
}


/* A member that is a string; empty when it is absent. */
static dur_str_t
dur_gateway_string(const json_t *opts, const char *key)
{
    dur_str_t  s;

    return dur_json_get_string(opts, key, &s) == DUR_OK ? s : dur_str_null;
}


/* -- the request ---------------------------------------------------------- */

static const char *
dur_gateway_method(const json_t *opts, bool ai, dur_buf_t *out)
{
    dur_str_t  method;

    method = ai ? dur_str_null : dur_gateway_string(opts, "method");

    if (method.len == 0) {
        method = dur_str("POST");
    }

    if (method.len > DUR_GATEWAY_METHOD || !dur_gateway_is_token(method)) {
        return "\"opts.method\" is no HTTP method";
    }

    dur_buf_adds(out, method);

    return NULL;
}


static bool
dur_gateway_has_key(dur_str_t url)
{
    return memmem(url.data, url.len, "?key=", 5) != NULL
           || memmem(url.data, url.len, "&key=", 5) != NULL;
}


static void
dur_gateway_escape(dur_buf_t *out, dur_str_t s)
{
    size_t   i;
    uint8_t  c;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')
            || (c >= 'a' && c <= 'z') || c == '-' || c == '_' || c == '.'
            || c == '~')
        {
            dur_buf_addc(out, c);
        } else {
            dur_buf_addf(out, "%%%02X", c);
        }
    }
}


/* Without its fragment, which is never sent; Gemini's key is a part of it. */
static const char *
dur_gateway_url(const json_t *opts, bool ai, dur_buf_t *out)
{
    dur_str_t       url, key;
    const uint8_t  *p;

    url = dur_gateway_string(opts, "url");

    if (!dur_gateway_is_url(url)) {
        return "\"opts.url\" is no http: or https: URL";
    }

    p = memchr(url.data, '#', url.len);
    if (p != NULL) {
        url.len = (size_t) (p - url.data);
    }

    dur_buf_adds(out, url);

    key = dur_gateway_string(opts, "auth_key");

    if (ai && key.len && !dur_gateway_has_key(url)
        && dur_str_caseeq(dur_gateway_string(opts, "format"),
                          dur_str("gemini")))
    {
        dur_buf_addz(out, memchr(url.data, '?', url.len) ? "&key=" : "?key=");
        dur_gateway_escape(out, key);
    }

    return out->len > DUR_GATEWAY_URL || out->failed
           ? "\"opts.url\" is longer than 8 KiB" : NULL;
}


/* The headers of the op win over those that the server would add. */
static void
dur_gateway_default(dur_buf_t *out, const json_t *headers, const char *name,
    const char *scheme, dur_str_t value)
{
    void        *at;
    const char  *key;

    for (at = json_object_iter((json_t *) headers); at != NULL;
         at = json_object_iter_next((json_t *) headers, at))
    {
        key = json_object_iter_key(at);

        if (dur_str_caseeq(dur_str_c(key), dur_str_c(name))) {
            return;
        }
    }

    dur_buf_addf(out, "%s: %s", name, scheme);
    dur_buf_adds(out, value);
    dur_buf_addc(out, '\n');
}


static const char *
dur_gateway_auth(const json_t *opts, const json_t *headers, dur_buf_t *out)
{
    dur_str_t  key, format;

    dur_gateway_default(out, headers, "Content-Type", "",
                        dur_str("application/json"));

    key = dur_gateway_string(opts, "auth_key");
    format = dur_gateway_string(opts, "format");

    if (key.len == 0 || dur_str_caseeq(format, dur_str("gemini"))) {
        return NULL;
    }

    if (!dur_gateway_is_value(key)) {
        return "\"opts.auth_key\" cannot stand in a header";
    }

    if (dur_str_caseeq(format, dur_str("anthropic"))) {
        dur_gateway_default(out, headers, "x-api-key", "", key);

    } else if (dur_str_caseeq(format, dur_str("bedrock"))) {
        dur_gateway_default(out, headers, "Authorization", "", key);

    } else {
        dur_gateway_default(out, headers, "Authorization", "Bearer ", key);
    }

    return NULL;
}


static const char *
dur_gateway_headers(const json_t *opts, bool ai, dur_buf_t *out)
{
    void        *at;
    json_t      *headers, *v;
    dur_str_t    name, value;
    const char  *wrong;

    headers = json_object_get(opts, "headers");

    if (headers != NULL && !json_is_null(headers)
        && !json_is_object(headers))
    {
        return "\"opts.headers\" is not an object";
    }

    wrong = ai ? dur_gateway_auth(opts, headers, out) : NULL;

    for (at = json_object_iter(headers); wrong == NULL && at != NULL;
         at = json_object_iter_next(headers, at))
    {
        v = json_object_iter_value(at);
        name = dur_str_c(json_object_iter_key(at));
        value = dur_str_make(json_string_value(v), json_string_length(v));

        if (!dur_gateway_is_token(name)) {
            wrong = "\"opts.headers\" has a name that is none of a header";

        } else if (!json_is_string(v) || !dur_gateway_is_value(value)) {
            wrong = "\"opts.headers\" has a value that is none of a header";
        }

        dur_buf_adds(out, name);
        dur_buf_addz(out, ": ");
        dur_buf_adds(out, value);
        dur_buf_addc(out, '\n');
    }

    if (wrong == NULL && (out->len > DUR_GATEWAY_HEADERS || out->failed)) {
        wrong = "\"opts.headers\" are longer than 16 KiB";
    }

    return wrong;
}


/* AI: the text as it was sent, so that its numbers stay what they are. */
static const char *
dur_gateway_body(const json_t *opts, dur_str_t text, bool ai, dur_buf_t *out)
{
    json_t     *body;
    dur_str_t   value;

    body = json_object_get(opts, "body");

    if (body == NULL || json_is_null(body)) {
        return NULL;
    }

    if (ai) {
        if (dur_json_member(text, dur_str("body"), &value) == DUR_OK) {
            dur_buf_adds(out, value);
        }
        return NULL;
    }

    if (!json_is_string(body)) {
        return "\"opts.body\" is not a string";
    }

    dur_buf_add(out, json_string_value(body), json_string_length(body));

    return NULL;
}


/* NULL, or what is wrong; without `call->body` the body is not written. */
static const char *
dur_gateway_write(uint8_t op, dur_str_t text, const dur_gateway_call_t *call)
{
    bool               ai;
    json_t            *opts;
    dur_buf_t          none;
    const char        *wrong;
    dur_json_error_t   err;

    ai = op == DUR_OPCODE_AI;
    opts = dur_json_parse(text, &err);

    if (!json_is_object(opts)) {
        json_decref(opts);
        return "\"opts\" is not an object";
    }

    dur_buf_init(&none, text.len + 1);

    wrong = dur_gateway_method(opts, ai, call->method);

    if (wrong == NULL) {
        wrong = dur_gateway_url(opts, ai, call->url);
    }
    if (wrong == NULL) {
        wrong = dur_gateway_headers(opts, ai, call->headers);
    }
    if (wrong == NULL) {
        wrong = dur_gateway_body(opts, text, ai,
                                 call->body ? call->body : &none);
    }

    dur_buf_deinit(&none);
    json_decref(opts);

    return wrong;
}


dur_rc_t
dur_gateway_build(uint8_t op, dur_str_t opts, const dur_gateway_call_t *call)
{
    if (dur_gateway_write(op, opts, call) != NULL) {
        return DUR_EINVAL;
    }

    return call->method->failed || call->body->failed ? DUR_ETOOBIG : DUR_OK;
}


const char *
dur_gateway_check(uint8_t op, dur_str_t opts)
{
    dur_buf_t            method, url, headers;
    const char          *wrong;
    dur_gateway_call_t   call = { &method, &url, &headers, NULL };

    dur_buf_init(&method, DUR_GATEWAY_METHOD);
    dur_buf_init(&url, 2 * DUR_GATEWAY_URL);
    dur_buf_init(&headers, 2 * DUR_GATEWAY_HEADERS);

    wrong = dur_gateway_write(op, opts, &call);

    dur_buf_deinit(&method);
    dur_buf_deinit(&url);
    dur_buf_deinit(&headers);

    return wrong;
}


dur_str_t
dur_gateway_detail(dur_str_t url, dur_arena_t *arena)
{
    size_t          n, scheme;
    const uint8_t  *p, *at;

    for (n = 0; n < url.len && url.data[n] != '?' && url.data[n] != '#'; n++) {
        /* void */
    }

    url.len = n;
    p = n ? memmem(url.data, n, "://", 3) : NULL;

    if (p == NULL) {
        return url;
    }

    scheme = (size_t) (p - url.data) + 3;

    for (n = scheme; n < url.len && url.data[n] != '/'; n++) { /* void */ }

    at = memrchr(url.data + scheme, '@', n - scheme);

    if (at == NULL) {
        return url;
    }

    at++;

    return dur_str_c(dur_arena_printf(arena, "%.*s%.*s", (int) scheme,
                         (const char *) url.data,
                         (int) (url.data + url.len - at), (const char *) at));
}
