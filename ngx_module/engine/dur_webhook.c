/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_webhook.h"
#include "engine/dur_gateway.h"
#include "engine/dur_json_text.h"
#include "engine/dur_json_write.h"
#include "engine/dur_sign.h"
#include "engine/dur_ulid.h"

#include <stdlib.h>


/* The longest id that is kept as it is. */
#define DUR_WEBHOOK_ID  200


/* Of the connection it came on, fetch() refuses most of them; or set anew. */
static const char  *dur_webhook_drop[] = {
    "connection", "content-length", "expect", "http2-settings", "keep-alive",
    "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade", "x-forwarded-host",
    "x-forwarded-proto", NULL
};


bool
dur_webhook_is_connector(dur_str_t s)
{
    size_t   i;
    uint8_t  c;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')
            && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.')
        {
            return false;
        }
    }

    return s.len > 0 && s.len <= DUR_WEBHOOK_CONNECTOR;
}


dur_str_t
dur_webhook_id(dur_str_t connector, dur_str_t id, dur_arena_t *arena)
{
    char     hex[65];
    uint8_t  digest[32];

    if (id.len > DUR_WEBHOOK_ID || !dur_utf8_valid(id)) {
        dur_sha256(id, digest);
        dur_hex(digest, sizeof(digest), hex);
        id = dur_str_make(hex, 64);
    }

    return dur_str_c(dur_arena_printf(arena, "%.*s:%.*s",
                                      (int) connector.len,
                                      (const char *) connector.data,
                                      (int) id.len, (const char *) id.data));
}


/* -- headers -------------------------------------------------------------- */

static dur_str_t
dur_webhook_header(const dur_webhook_t *w, const char *name)
{
    size_t     i;
    dur_str_t  want = dur_str_c(name);

    for (i = 0; i < w->nheaders; i++) {
        if (dur_str_eq(w->headers[i].name, want)) {
            return w->headers[i].value;
        }
    }

    return dur_str_null;
}


/* The value of Connection names headers that end with it. */
static bool
dur_webhook_listed(dur_str_t list, dur_str_t name)
{
    size_t  i, start;

    for (i = 0, start = 0; i <= list.len; i++) {
        if (i < list.len && list.data[i] != ',' && list.data[i] != ' '
            && list.data[i] != '\t')
        {
            continue;
        }

        if (dur_str_caseeq(dur_str_make(list.data + start, i - start), name))
        {
            return true;
        }

        start = i + 1;
    }

    return false;
}


static bool
dur_webhook_passes(dur_str_t name, dur_str_t connection)
{
    const char  **p;

    for (p = dur_webhook_drop; *p != NULL; p++) {
        if (dur_str_eq(name, dur_str_c(*p))) {
            return false;
        }
    }

    return dur_gateway_is_token(name)
           && (connection.len == 0 || !dur_webhook_listed(connection, name));
}


static void
dur_webhook_add(dur_webhook_t *w, const char *name, dur_str_t value)
{
    w->headers[w->nheaders].name = dur_str_c(name);
    w->headers[w->nheaders++].value = value;
}


/* Those of one name stay in the order they came in. */
static int
dur_webhook_cmp(const void *one, const void *two)
{
    int                          rc;
    const dur_webhook_header_t  *a = one, *b = two;

    rc = dur_json_key_cmp(a->name, b->name);
    if (rc != 0) {
        return rc;
    }

    return a->order < b->order ? -1 : a->order > b->order;
}


/* The x-forwarded-* are as a proxy sets them: they reach a handler where the
 * connection does not. */
void
dur_webhook_prepare(dur_webhook_t *w)
{
    size_t          i, n;
    dur_str_t       connection, host, proto;
    const uint8_t  *p;

    connection = dur_webhook_header(w, "connection");
    host = dur_webhook_header(w, "host");

    for (i = 0, n = 0; i < w->nheaders; i++) {
        if (dur_webhook_passes(w->headers[i].name, connection)) {
            w->headers[n++] = w->headers[i];
        }
    }

    p = w->url.len ? memchr(w->url.data, ':', w->url.len) : NULL;
    proto = dur_str_make(w->url.data, p ? (size_t) (p - w->url.data) : 0);

    w->nheaders = n;
    dur_webhook_add(w, "x-forwarded-for", w->remote);
    dur_webhook_add(w, "x-forwarded-host", host);
    dur_webhook_add(w, "x-forwarded-proto", proto);

    for (i = 0; i < w->nheaders; i++) {
        w->headers[i].order = i;
    }

    qsort(w->headers, w->nheaders, sizeof(*w->headers), dur_webhook_cmp);
}


/* Bytes of a header are characters up to U+00FF, for fetch() as for us. */
static void
dur_webhook_value(dur_buf_t *out, dur_str_t value)
{
    size_t   i, start;
    uint8_t  two[2];

    if (value.len == 0) {
        return;
    }

    for (i = 0, start = 0; i < value.len; i++) {
        if (value.data[i] < 0x80) {
            continue;
        }

        dur_json_write_chars(out, dur_str_make(value.data + start,
                                               i - start));
        start = i + 1;

        two[0] = (uint8_t) (0xc0 | value.data[i] >> 6);
        two[1] = (uint8_t) (0x80 | (value.data[i] & 0x3f));
        dur_buf_add(out, two, 2);
    }

    dur_json_write_chars(out, dur_str_make(value.data + start,
                                           value.len - start));
}


static void
dur_webhook_headers(const dur_webhook_t *w, dur_buf_t *out)
{
    size_t                       i;
    const dur_webhook_header_t  *h;

    for (i = 0; i < w->nheaders; i++) {
        h = &w->headers[i];

        if (i > 0 && dur_str_eq(h->name, h[-1].name)) {
            dur_buf_addz(out, dur_str_eq(h->name, dur_str("cookie")) ? "; "
                                                                     : ", ");
        } else {
            dur_buf_addz(out, i > 0 ? "\",\"" : "{\"");
            dur_buf_adds(out, h->name);
            dur_buf_addz(out, "\":\"");
        }

        dur_webhook_value(out, h->value);
    }

    dur_buf_addz(out, "\"}");
}


/* -- the event ------------------------------------------------------------ */

/* A request without a body has none here either: fetch() refuses even an
 * empty one for GET. */
static bool
dur_webhook_has_body(const dur_webhook_t *w)
{
    return w->body.len > 0 || !dur_str_eq(w->method, dur_str("GET"));
}


dur_rc_t
dur_webhook_head(const dur_webhook_t *w, dur_webhook_event_t *event,
    dur_buf_t *out)
{
    event->pos = 0;
    event->text = dur_utf8_valid(w->body);

    return dur_buf_addz(out, dur_webhook_has_body(w) ? "{\"data\":{\"body\":\""
                                                     : "{\"data\":{");
}


/* Where whole characters end, at most max bytes from pos. */
static size_t
dur_webhook_end(const dur_webhook_t *w, size_t pos, size_t max)
{
    size_t  end;

    if (w->body.len - pos <= max) {
        return w->body.len;
    }

    end = pos + (max < 4 ? 4 : max);

    if (end >= w->body.len) {
        return w->body.len;
    }

    while ((w->body.data[end] & 0xc0) == 0x80) {
        end--;
    }

    return end;
}


dur_rc_t
dur_webhook_part(const dur_webhook_t *w, dur_webhook_event_t *event,
    size_t max, dur_buf_t *out)
{
    size_t     end;
    dur_rc_t   rc;
    dur_str_t  part;

    if (event->pos == w->body.len) {
        return DUR_OK;
    }

    if (event->text) {
        end = dur_webhook_end(w, event->pos, max);
        rc = dur_json_write_chars(out, dur_str_make(w->body.data + event->pos,
                                                    end - event->pos));
        event->pos = end;

        return rc;
    }

    /* pieces of three bytes need no padding between them */

    max = max < 3 ? 3 : max - max % 3;
    end = w->body.len - event->pos <= max ? w->body.len : event->pos + max;

    part = dur_str_make(w->body.data + event->pos, end - event->pos);
    event->pos = end;

    rc = dur_buf_reserve(out, 4 * ((part.len + 2) / 3) + 1);

    if (rc == DUR_OK) {
        dur_base64(part, (char *) out->data + out->len);
        out->len += 4 * ((part.len + 2) / 3);
    }

    return rc;
}


dur_rc_t
dur_webhook_tail(const dur_webhook_t *w, const dur_webhook_event_t *event,
    dur_buf_t *out)
{
    if (dur_webhook_has_body(w)) {
        dur_buf_addz(out, event->text ? "\"," : "\",\"bodyEncoding\":"
                                                "\"base64\",");
    }

    dur_buf_addz(out, "\"headers\":");
    dur_webhook_headers(w, out);

    dur_buf_addz(out, ",\"method\":");
    dur_json_write_string(out, w->method);
    dur_buf_addz(out, ",\"query\":");
    dur_json_write_string(out, w->query);
    dur_buf_addz(out, ",\"remote\":");
    dur_json_write_string(out, w->remote);
    dur_buf_addz(out, ",\"url\":");
    dur_json_write_string(out, w->url);

    dur_buf_addz(out, "},\"id\":");
    dur_json_write_string(out, event->id);
    dur_buf_addz(out, ",\"name\":");
    dur_json_write_string(out, event->name);
    dur_buf_addf(out, ",\"ts\":%lld,\"user\":{}}", (long long) event->ts);

    return out->failed ? DUR_ETOOBIG : DUR_OK;
}


/* Bytes that stand for the body, between its quotes. */
static uint64_t
dur_webhook_body_size(const dur_webhook_t *w, bool text)
{
    size_t    i;
    uint64_t  n;
    uint8_t   c;

    if (!text) {
        return 4 * (((uint64_t) w->body.len + 2) / 3);
    }

    n = w->body.len;

    for (i = 0; i < w->body.len; i++) {
        c = w->body.data[i];

        if (c == '"' || c == '\\') {
            n += 1;

        } else if (c < 0x20) {
            n += (c >= '\b' && c <= '\r' && c != '\v') ? 1 : 5;
        }
    }

    return n;
}


uint64_t
dur_webhook_size(const dur_webhook_t *w, dur_webhook_event_t *event,
    dur_buf_t *scratch)
{
    dur_buf_reset(scratch);

    (void) dur_webhook_head(w, event, scratch);
    (void) dur_webhook_tail(w, event, scratch);

    return scratch->len + dur_webhook_body_size(w, event->text);
}
