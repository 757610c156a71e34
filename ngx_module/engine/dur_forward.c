/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_forward.h"
#include "engine/dur_frame.h"
#include "engine/dur_gateway_answer.h"
#include "engine/dur_json.h"
#include "engine/dur_retry.h"
#include "engine/dur_sign.h"


#define DUR_FORWARD_METHOD  32

/* Bytes of the longest escape, that of two units. */
#define DUR_FORWARD_ESCAPE  12

/* What stands around the body of an answer. */
#define DUR_FORWARD_AROUND  1024


/* Of the connection that it came on, or set anew. */
static const char  *dur_forward_drop[] = {
    "accept-encoding", "connection", "content-length", "expect", "host",
    "http2-settings", "keep-alive", "proxy-authenticate",
    "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade", "x-forwarded-for", "x-forwarded-host",
    "x-forwarded-proto", NULL
};


typedef struct {
    json_t     *data;           /* the event's, without its body */
    json_t     *headers;        /* borrowed from it, or NULL */
    dur_str_t   body;           /* JSON text; empty when there is none */
} dur_forward_t;


/* -- the event ------------------------------------------------------------ */

/* A member that is a string; empty when it is absent or is none. */
static dur_str_t
dur_forward_string(const json_t *object, const char *key)
{
    dur_str_t  s;

    return dur_json_get_string(object, key, &s) == DUR_OK ? s : dur_str_null;
}


/* The body may be large: it stays text, the rest of data is parsed. */
static dur_rc_t
dur_forward_read(dur_str_t event, dur_forward_t *f)
{
    size_t      head;
    dur_rc_t    rc;
    dur_str_t   data;
    dur_buf_t   rest;

    memset(f, 0, sizeof(*f));

    if (dur_json_member(event, dur_str("data"), &data) != DUR_OK) {
        return DUR_EINVAL;
    }

    if (data.len == 0 || data.data[0] != '{'
        || dur_json_member(data, dur_str("body"), &f->body) != DUR_OK)
    {
        f->body = dur_str_null;
        f->data = dur_json_parse(data, NULL);

    } else {
        dur_buf_init(&rest, data.len + 1);
        head = (size_t) (f->body.data - data.data);

        dur_buf_add(&rest, data.data, head);
        dur_buf_addc(&rest, '0');
        dur_buf_add(&rest, f->body.data + f->body.len,
                    data.len - head - f->body.len);

        rc = rest.failed ? DUR_ENOMEM : DUR_OK;

        if (rc == DUR_OK) {
            f->data = dur_json_parse(dur_buf_str(&rest), NULL);
        }

        dur_buf_deinit(&rest);

        if (rc != DUR_OK) {
            return rc;
        }
    }

    f->headers = json_object_get(f->data, "headers");

    return DUR_OK;
}


static bool
dur_forward_encoded(const dur_forward_t *f)
{
    return dur_str_eq(dur_forward_string(f->data, "bodyEncoding"),
                      dur_str("base64"));
}


/* -- the request ---------------------------------------------------------- */

static void
dur_forward_method(const dur_forward_t *f, dur_buf_t *out)
{
    dur_str_t  method;

    method = dur_forward_string(f->data, "method");

    if (method.len > DUR_FORWARD_METHOD || !dur_gateway_is_token(method)) {
        method = dur_str("POST");
    }

    dur_buf_adds(out, method);
}


/* The target's URL, without a fragment, with the query of the original. */
static void
dur_forward_url(const dur_forward_t *f, dur_str_t target, dur_buf_t *out)
{
    size_t          i;
    dur_str_t       query;
    const uint8_t  *p;

    p = memchr(target.data, '#', target.len);
    if (p != NULL) {
        target.len = (size_t) (p - target.data);
    }

    dur_buf_adds(out, target);

    query = dur_forward_string(f->data, "query");

    for (i = 0; i < query.len; i++) {
        if (query.data[i] <= 0x20 || query.data[i] >= 0x7f
            || query.data[i] == '#')
        {
            return;
        }
    }

    if (query.len) {
        dur_buf_addc(out, memchr(target.data, '?', target.len) ? '&' : '?');
        dur_buf_adds(out, query);
    }
}


/* The value of Connection names headers that are not for the next hop. */
static bool
dur_forward_listed(dur_str_t list, dur_str_t name)
{
    size_t     i, start;
    dur_str_t  one;

    for (i = 0, start = 0; list.len && i <= list.len; i++) {
        if (i < list.len && list.data[i] != ',' && list.data[i] != ' '
            && list.data[i] != '\t')
        {
            continue;
        }

        one = dur_str_make(list.data + start, i - start);
        start = i + 1;

        if (one.len && dur_str_caseeq(one, name)) {
            return true;
        }
    }

    return false;
}


static bool
dur_forward_passes(dur_str_t name, dur_str_t value, dur_str_t connection)
{
    const char  **p;

    if (!dur_gateway_is_token(name) || !dur_gateway_is_value(value)) {
        return false;
    }

    for (p = dur_forward_drop; *p != NULL; p++) {
        if (dur_str_caseeq(name, dur_str_c(*p))) {
            return false;
        }
    }

    return !dur_forward_listed(connection, name);
}


/* Characters up to U+00FF are the bytes of a header; what has others is sent
 * as the UTF-8 it is. */
static void
dur_forward_value(dur_buf_t *out, dur_str_t value)
{
    size_t  i;

    for (i = 0; i < value.len; i++) {
        if (value.data[i] > 0xc3) {
            dur_buf_adds(out, value);
            return;
        }

        i += value.data[i] >= 0xc2;
    }

    for (i = 0; i < value.len; i++) {
        if (value.data[i] >= 0xc2 && i + 1 < value.len) {
            dur_buf_addc(out, (uint8_t) (value.data[i] << 6
                                         | (value.data[i + 1] & 0x3f)));
            i++;

        } else {
            dur_buf_addc(out, value.data[i]);
        }
    }
}


static void
dur_forward_header(dur_buf_t *out, const char *name, dur_str_t value)
{
    if (value.len == 0 || !dur_gateway_is_value(value)) {
        return;
    }

    dur_buf_addf(out, "%s: ", name);
    dur_forward_value(out, value);
    dur_buf_addc(out, '\n');
}


/* The last of a chain "a, b". */
static bool
dur_forward_ends(dur_str_t chain, dur_str_t last)
{
    const uint8_t  *p;

    if (chain.len < last.len) {
        return false;
    }

    p = chain.data + chain.len - last.len;

    return memcmp(p, last.data, last.len) == 0
           && (p == chain.data || p[-1] == ' ' || p[-1] == ',');
}


/* Who asked, for what host, and how. */
static void
dur_forward_forwarded(const dur_forward_t *f, dur_buf_t *out)
{
    dur_str_t       via, remote, url;
    const uint8_t  *p;

    via = dur_forward_string(f->headers, "x-forwarded-for");
    remote = dur_forward_string(f->data, "remote");

    if (via.len && remote.len && dur_gateway_is_value(via)
        && dur_gateway_is_value(remote) && !dur_forward_ends(via, remote))
    {
        dur_buf_addz(out, "x-forwarded-for: ");
        dur_buf_adds(out, via);
        dur_buf_addz(out, ", ");
        dur_buf_adds(out, remote);
        dur_buf_addc(out, '\n');

    } else {
        dur_forward_header(out, "x-forwarded-for",
                           via.len && dur_gateway_is_value(via) ? via
                                                                : remote);
    }

    dur_forward_header(out, "x-forwarded-host",
                       dur_forward_string(f->headers, "host"));

    url = dur_forward_string(f->data, "url");
    p = url.len ? memchr(url.data, ':', url.len) : NULL;

    if (p != NULL) {
        url.len = (size_t) (p - url.data);
        dur_forward_header(out, "x-forwarded-proto", url);
    }
}


static void
dur_forward_headers(const dur_forward_t *f, dur_buf_t *out)
{
    void       *at;
    json_t     *v;
    dur_str_t   name, value, connection;

    connection = dur_forward_string(f->headers, "connection");

    for (at = json_object_iter(f->headers); at != NULL;
         at = json_object_iter_next(f->headers, at))
    {
        v = json_object_iter_value(at);
        name = dur_str_c(json_object_iter_key(at));
        value = dur_str_make(json_string_value(v), json_string_length(v));

        if (!json_is_string(v)
            || !dur_forward_passes(name, value, connection))
        {
            continue;
        }

        dur_buf_adds(out, name);
        dur_buf_addz(out, ": ");
        dur_forward_value(out, value);
        dur_buf_addc(out, '\n');
    }

    dur_forward_forwarded(f, out);
}


/* What stands between the quotes of a JSON string, as bytes. */
static dur_rc_t
dur_forward_unescape(dur_str_t text, bool last, dur_buf_t *out, size_t *used)
{
    size_t          n;
    uint8_t         bytes[4];
    const uint8_t  *p, *end, *next;

    p = text.data;
    end = text.data + text.len;

    while (p < end) {
        next = memchr(p, '\\', (size_t) (end - p));
        if (next == NULL) {
            next = end;
        }

        dur_buf_add(out, p, (size_t) (next - p));
        p = next;

        if (p == end || (!last && end - p < DUR_FORWARD_ESCAPE)) {
            break;
        }

        n = dur_json_unescape(&p, end, bytes);
        if (n == 0) {
            return DUR_EINVAL;
        }

        dur_buf_add(out, bytes, n);
    }

    *used = (size_t) (p - text.data);

    return out->failed ? DUR_ETOOBIG : DUR_OK;
}


/* Base64 needs no escapes, but may have them. */
static dur_rc_t
dur_forward_decode(dur_str_t text, dur_buf_t *out)
{
    size_t     n, start;
    dur_str_t  plain;
    dur_rc_t   rc;

    start = out->len;

    rc = dur_forward_unescape(text, true, out, &n);
    if (rc != DUR_OK) {
        return rc;
    }

    plain = dur_str_make(out->data + start, out->len - start);

    if (dur_unbase64(plain, out->data + start, plain.len, &n) != DUR_OK) {
        return DUR_EINVAL;
    }

    out->len = start + n;               /* in place: bytes are fewer */

    return DUR_OK;
}


dur_rc_t
dur_forward_part(dur_str_t text, bool encoded, bool last, dur_buf_t *out,
    size_t *used)
{
    dur_rc_t  rc;

    rc = dur_buf_reserve(out, text.len);
    if (rc != DUR_OK) {
        return rc;
    }

    if (!encoded) {
        return dur_forward_unescape(text, last, out, used);
    }

    if (!last) {
        text.len -= text.len % 4;
    }

    *used = text.len;

    return dur_forward_decode(text, out);
}


static dur_rc_t
dur_forward_body(const dur_forward_t *f, dur_buf_t *out)
{
    bool       encoded;
    size_t     used;
    dur_str_t  text;

    if (f->body.len == 0 || dur_str_eq(f->body, dur_str("null"))) {
        return DUR_OK;
    }

    if (f->body.data[0] != '"') {
        return dur_buf_adds(out, f->body);
    }

    text = dur_str_make(f->body.data + 1, f->body.len - 2);
    encoded = dur_forward_encoded(f);

    return text.len ? dur_forward_part(text, encoded, true, out, &used)
                    : DUR_OK;
}


static dur_rc_t
dur_forward_request(const dur_forward_t *f, dur_str_t target,
    const dur_gateway_call_t *call)
{
    dur_forward_method(f, call->method);
    dur_forward_url(f, target, call->url);
    dur_forward_headers(f, call->headers);

    return (call->url->failed || call->headers->failed
            || call->method->failed) ? DUR_ETOOBIG : DUR_OK;
}


dur_rc_t
dur_forward_build(dur_str_t event, dur_str_t target,
    const dur_gateway_call_t *call)
{
    dur_rc_t       rc;
    dur_forward_t  f;

    rc = dur_forward_read(event, &f);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_forward_request(&f, target, call);

    if (rc == DUR_OK) {
        rc = dur_forward_body(&f, call->body);
    }

    json_decref(f.data);

    return rc;
}


dur_rc_t
dur_forward_head(dur_str_t event, dur_str_t target,
    const dur_gateway_call_t *call, bool *encoded)
{
    dur_rc_t       rc;
    dur_forward_t  f;

    rc = dur_forward_read(event, &f);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = dur_forward_request(&f, target, call);
    *encoded = dur_forward_encoded(&f);

    json_decref(f.data);

    return rc;
}


/* -- the answer ----------------------------------------------------------- */

/* A cut does not leave half a character of what may be text. */
static dur_str_t
dur_forward_cut(dur_str_t s, size_t most)
{
    size_t  n;

    if (s.len <= most) {
        return s;
    }

    for (n = most; n > most - 3 && (s.data[n] & 0xc0) == 0x80; n--) {
        /* void */
    }

    s.len = n;

    return s;
}


static dur_rc_t
dur_forward_write_body(dur_buf_t *b, dur_str_t body)
{
    char  *text;

    if (body.len == 0 || dur_utf8_valid(body)) {
        dur_json_write_string(b, body);
        return DUR_OK;
    }

    if (dur_buf_reserve(b, 4 * ((body.len + 2) / 3) + 3) != DUR_OK) {
        return DUR_ENOMEM;
    }

    dur_buf_addc(b, '"');

    text = (char *) b->data + b->len;
    dur_base64(body, text);
    b->len += strlen(text);

    dur_buf_addz(b, "\",\"bodyEncoding\":\"base64\"");

    return DUR_OK;
}


/* What the target said, as JSON from the arena; empty without memory. */
static dur_str_t
dur_forward_output(const dur_op_result_t *result, dur_arena_t *arena)
{
    dur_buf_t  b;
    dur_str_t  body, text;

    body = dur_forward_cut(result->body, DUR_FORWARD_ANSWER);

    dur_buf_init(&b, 6 * (body.len + result->headers.len)
                     + 4 * result->headers.len + DUR_FORWARD_AROUND);

    dur_buf_addz(&b, "{\"body\":");

    if (dur_forward_write_body(&b, body) != DUR_OK) {
        dur_buf_deinit(&b);
        return dur_str_null;
    }

    if (body.len < result->body.len) {
        dur_buf_addz(&b, ",\"bodyTruncated\":true");
    }

    dur_buf_addz(&b, ",\"headers\":");
    dur_gateway_write_headers(&b, result->headers);
    dur_buf_addf(&b, ",\"status\":%u}", result->status);

    text = b.failed ? dur_str_null : dur_arena_copy(arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return text;
}


static bool
dur_forward_again(const dur_op_result_t *result)
{
    if (result->status == 0) {
        return result->error_kind != DUR_CALL_EPOLICY;
    }

    return result->status == 408 || result->status == 429
           || result->status >= 500;
}


static dur_rc_t
dur_forward_error(const dur_op_result_t *result, dur_str_t data,
    dur_arena_t *arena, dur_answer_t *answer)
{
    dur_buf_t  b;

    answer->kind = DUR_ANSWER_ERROR;
    answer->no_retry = !dur_forward_again(result);

    answer->message = result->status == 0
                      ? dur_arena_copy(arena, result->error.len
                                       ? result->error
                                       : dur_str("the request failed"))
                      : dur_str_c(dur_arena_printf(arena,
                                  "the target answered HTTP %u",
                                  result->status));

    dur_buf_init(&b, data.len + 12 * answer->message.len
                     + DUR_FORWARD_AROUND);
    dur_buf_addc(&b, '{');

    if (data.len) {
        dur_buf_addz(&b, "\"data\":");
        dur_buf_adds(&b, data);
        dur_buf_addc(&b, ',');
    }

    dur_buf_addz(&b, "\"error\":");
    dur_json_write_string(&b, answer->message);
    dur_buf_addz(&b, ",\"message\":");
    dur_json_write_string(&b, answer->message);
    dur_buf_addz(&b, ",\"name\":\"ForwardError\"}");

    answer->error = b.failed ? dur_str_null
                             : dur_arena_copy(arena, dur_buf_str(&b));
    dur_buf_deinit(&b);

    return answer->message.data && answer->error.data ? DUR_OK : DUR_ENOMEM;
}


dur_rc_t
dur_forward_answer(const dur_op_result_t *result, int64_t now_ms,
    dur_arena_t *arena, dur_answer_t *answer)
{
    dur_str_t  after, output;

    memset(answer, 0, sizeof(*answer));

    output = dur_str_null;

    if (result->status != 0) {
        answer->excerpt = dur_forward_cut(result->body, DUR_FORWARD_EXCERPT);
        output = dur_forward_output(result, arena);

        if (output.data == NULL) {
            return DUR_ENOMEM;
        }
    }

    if (result->status >= 200 && result->status < 300) {
        answer->kind = DUR_ANSWER_DONE;
        answer->output = output;
        return DUR_OK;
    }

    after = dur_headers_get(result->headers, "retry-after");

    if (dur_retry_after(after, now_ms, &answer->retry_at) != DUR_OK) {
        answer->retry_at = 0;
    }

    return dur_forward_error(result, output, arena, answer);
}
