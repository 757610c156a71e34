/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_app_url.h"
#include "engine/dur_app.h"


dur_str_t
dur_app_until(dur_str_t *s, const char *set)
{
    size_t     i;
    dur_str_t  head;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] != '\0' && strchr(set, s->data[i]) != NULL) {
            break;
        }
    }

    head = dur_str_make(s->data, i);

    s->data += i;
    s->len -= i;

    return head;
}


static bool
dur_app_url_port(dur_str_t port)
{
    unsigned  v;

    v = 0;

    for (size_t i = 0; i < port.len; i++) {
        if (port.data[i] < '0' || port.data[i] > '9' || v > 65535) {
            return false;
        }
        v = v * 10 + (unsigned) (port.data[i] - '0');
    }

    return v > 0 && v <= 65535;
}


bool
dur_app_url_split(dur_str_t url, dur_app_url_t *u)
{
    size_t     i;
    dur_str_t  s, authority;

    if (url.len > DUR_APP_URL_MAX) {
        return false;
    }

    for (i = 0; i < url.len; i++) {
        if (url.data[i] <= 0x20 || url.data[i] == 0x7f) {
            return false;
        }
    }

    memset(u, 0, sizeof(*u));
    s = url;

    u->scheme = dur_app_until(&s, ":/?#");

    if (s.len < 3 || memcmp(s.data, "://", 3) != 0) {
        return false;
    }

    s = dur_str_make(s.data + 3, s.len - 3);
    authority = dur_app_until(&s, "/?#");

    for (i = authority.len; i > 0; i--) {
        if (authority.data[i - 1] == '@') {
            break;
        }
    }

    u->user = dur_str_make(authority.data, i);
    authority = dur_str_make(authority.data + i, authority.len - i);

    if (authority.len && authority.data[0] == '[') {
        u->host = dur_app_until(&authority, "]");

        if (authority.len == 0) {
            return false;
        }

        u->host.len++;
        authority = dur_str_make(authority.data + 1, authority.len - 1);

    } else {
        u->host = dur_app_until(&authority, ":");
    }

    if (u->host.len == 0) {
        return false;
    }

    if (authority.len) {
        if (authority.data[0] != ':') {
            return false;
        }

        u->port = dur_str_make(authority.data + 1, authority.len - 1);

        if (u->port.len && !dur_app_url_port(u->port)) {
            return false;
        }
    }

    u->path = dur_app_until(&s, "?#");

    if (s.len && s.data[0] == '?') {
        s = dur_str_make(s.data + 1, s.len - 1);
        u->query = dur_app_until(&s, "#");
    }

    return true;
}


bool
dur_app_url_scheme(const dur_app_url_t *u, const char *scheme)
{
    return dur_str_caseeq(u->scheme, dur_str_c(scheme));
}


static uint8_t *
dur_app_put(uint8_t *p, dur_str_t s)
{
    return s.len ? (uint8_t *) memcpy(p, s.data, s.len) + s.len : p;
}


static uint8_t *
dur_app_put_lower(uint8_t *p, dur_str_t s)
{
    uint8_t  c;

    for (size_t i = 0; i < s.len; i++) {
        c = s.data[i];
        *p++ = (c >= 'A' && c <= 'Z') ? (uint8_t) (c | 0x20) : c;
    }

    return p;
}


/* The query without the parameters that belong to one deployment. */

static uint8_t *
dur_app_put_query(uint8_t *p, dur_str_t query)
{
    size_t     n;
    uint8_t    before;
    dur_str_t  parameter, name;

    before = '?';

    while (query.len) {
        parameter = dur_app_until(&query, "&");

        if (query.len) {
            query = dur_str_make(query.data + 1, query.len - 1);
        }

        for (n = 0; n < parameter.len && parameter.data[n] != '='; n++) {
            /* void */
        }

        name = dur_str_make(parameter.data, n);

        if (parameter.len == 0 || dur_str_eq(name, dur_str("deployId"))) {
            continue;
        }

        *p++ = before;
        p = dur_app_put(p, parameter);
        before = '&';
    }

    return p;
}


dur_rc_t
dur_app_url_normalize(dur_str_t url, dur_arena_t *arena, dur_str_t *out)
{
    bool           https;
    uint8_t       *p, *start;
    dur_str_t      host;
    dur_app_url_t  u;

    if (!dur_app_url_split(url, &u)) {
        return DUR_EINVAL;
    }

    https = dur_app_url_scheme(&u, "https");

    if (!https && !dur_app_url_scheme(&u, "http")) {
        return DUR_EINVAL;
    }

    host = u.host;

    if (dur_str_eq(host, dur_str("127.0.0.1"))
        || dur_str_eq(host, dur_str("0.0.0.0")))
    {
        host = dur_str("localhost");
    }

    /* "0.0.0.0" is the only host that grows, by two */

    start = dur_arena_alloc(arena, url.len + 3);
    if (start == NULL) {
        return DUR_ENOMEM;
    }

    p = dur_app_put_lower(start, u.scheme);
    p = dur_app_put(p, dur_str("://"));
    p = dur_app_put(p, u.user);
    p = dur_app_put_lower(p, host);

    if (u.port.len
        && !dur_str_eq(u.port, https ? dur_str("443") : dur_str("80")))
    {
        *p++ = ':';
        p = dur_app_put(p, u.port);
    }

    p = dur_app_put(p, u.path);
    p = dur_app_put_query(p, u.query);
    *p = '\0';

    *out = dur_str_make(start, (size_t) (p - start));

    return DUR_OK;
}
