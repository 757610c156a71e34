/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Redirects (protocol 4.1): method, body and headers of the first request are
 * repeated whatever the status, and the query of the first URL is kept, for
 * it names the function and the step.  libcurl's own following would change
 * or drop some of these, and would need to rewind the body.
 *
 * A URL that a step names (DUR_FOLLOW_FETCH) is followed as browsers do:
 * after 303, and after 301 and 302 of a POST, a GET without a body; and what
 * its query says stays with it.
 *
 * Signatures, keys and cookies stay with the host that they were meant for,
 * and nothing that went out encrypted is repeated in the clear.
 */

#include "durable_sidecar.h"

#include <stdlib.h>
#include <strings.h>


typedef struct {
    dur_str_t  scheme;
    dur_str_t  authority;       /* host and port, without the user */
    dur_str_t  query;           /* without the question mark */
    size_t     base;            /* bytes of the URL before the query */
} durable_url_t;


static const char  *durable_redirect_secrets[] = {
    "authorization", "cookie", "signature", "token", "secret", "api-key",
    "event-key", NULL
};


bool
durable_redirect_secret(const char *name, size_t len)
{
    size_t        n;
    const char  **p;

    if (len == 4 && strncasecmp(name, "host", 4) == 0) {
        return true;                    /* it names the first host */
    }

    for (p = durable_redirect_secrets; *p != NULL; p++) {
        n = strlen(*p);

        for (size_t i = 0; i + n <= len; i++) {
            if (strncasecmp(name + i, *p, n) == 0) {
                return true;
            }
        }
    }

    return false;
}


static void
durable_url_parse(const char *s, durable_url_t *url)
{
    size_t       n;
    const char  *p, *at;

    p = strstr(s, "://");
    n = p == NULL ? strcspn(s, ":") : (size_t) (p - s);

    url->scheme = dur_str_make(s, n);
    p = p == NULL ? s + n : p + 3;

    n = strcspn(p, "/?#");
    at = memrchr(p, '@', n);
    url->authority = at == NULL ? dur_str_make(p, n)
                     : dur_str_make(at + 1, n - (size_t) (at + 1 - p));

    p += strcspn(p, "?#");
    url->base = (size_t) (p - s);
    url->query = dur_str_null;

    if (*p == '?') {
        p++;
        url->query = dur_str_make(p, strcspn(p, "#"));
    }
}


/* The host without a port that the scheme implies anyway. */
static dur_str_t
durable_url_site(const durable_url_t *url)
{
    dur_str_t  site, port;

    site = url->authority;
    port = dur_str_caseeq(url->scheme, dur_str("https")) ? dur_str(":443")
                                                         : dur_str(":80");

    if (site.len > port.len
        && memcmp(site.data + site.len - port.len, port.data, port.len) == 0)
    {
        site.len -= port.len;
    }

    return site;
}


/* The same host, or its TLS side: http://a and https://a, ports implied. */
static bool
durable_url_same_site(const durable_url_t *a, const durable_url_t *b)
{
    dur_str_t  site;

    site = durable_url_site(b);

    if (!dur_str_caseeq(durable_url_site(a), site)) {
        return false;
    }

    return dur_str_caseeq(a->scheme, b->scheme)
           || (dur_str_caseeq(b->scheme, dur_str("https"))
               && (site.len == 0 || site.data[site.len - 1] == ']'
                   || memchr(site.data, ':', site.len) == NULL));
}


static dur_str_t
durable_query_next(dur_str_t *query)
{
    dur_str_t       pair;
    const uint8_t  *p;

    p = query->len ? memchr(query->data, '&', query->len) : NULL;
    pair = *query;

    if (p == NULL) {
        *query = dur_str_null;
        return pair;
    }

    pair.len = (size_t) (p - pair.data);
    query->data += pair.len + 1;
    query->len -= pair.len + 1;

    return pair;
}


static dur_str_t
durable_query_key(dur_str_t pair)
{
    const uint8_t  *p;

    p = pair.len ? memchr(pair.data, '=', pair.len) : NULL;
    if (p != NULL) {
        pair.len = (size_t) (p - pair.data);
    }

    return pair;
}


static bool
durable_query_has(dur_str_t query, dur_str_t key)
{
    while (query.len) {
        if (dur_str_eq(durable_query_key(durable_query_next(&query)), key)) {
            return true;
        }
    }

    return false;
}


/* location's own pairs that the first query does not have, then these. */
static void
durable_redirect_join(dur_buf_t *out, const char *location,
    const durable_url_t *next, dur_str_t first)
{
    char       mark;
    dur_str_t  query, pair;

    mark = '?';
    query = next->query;

    dur_buf_add(out, location, next->base);

    while (query.len) {
        pair = durable_query_next(&query);

        if (pair.len == 0
            || durable_query_has(first, durable_query_key(pair)))
        {
            continue;
        }

        dur_buf_addc(out, (uint8_t) mark);
        dur_buf_adds(out, pair);
        mark = '&';
    }

    if (first.len) {
        dur_buf_addc(out, (uint8_t) mark);
        dur_buf_adds(out, first);
    }

    dur_buf_addc(out, '\0');
}


/* What the status makes of the request. */
static void
durable_redirect_request(durable_call_t *call, long status)
{
    if (strcmp(call->method, "GET") == 0
        || strcmp(call->method, "HEAD") == 0)
    {
        return;
    }

    if (status == 303
        || (status <= 302 && strcmp(call->method, "POST") == 0))
    {
        call->method = "GET";
        call->bodyless = true;
        durable_body_reset(&call->request, DURABLE_KEEP);
    }
}


static bool
durable_redirect_allowed(durable_call_t *call, const durable_url_t *next)
{
    bool  tls;

    tls = dur_str_caseeq(next->scheme, dur_str("https"));

    if (!tls && !dur_str_caseeq(next->scheme, dur_str("http"))) {
        durable_call_fail(call, DUR_CALL_EPOLICY,
                          "a redirect to \"%.*s:\" is not allowed",
                          (int) (next->scheme.len < 32 ? next->scheme.len
                                                       : 32),
                          (const char *) next->scheme.data);
        return false;
    }

    if (!tls && strncasecmp((char *) call->url.data, "https:", 6) == 0) {
        durable_call_fail(call, DUR_CALL_EPOLICY,
                          "a redirect from https: to http: is not allowed");
        return false;
    }

    return true;
}


bool
durable_redirect(durable_call_t *call, long status, const char *location)
{
    bool           same;
    durable_url_t  first, next;

    durable_url_parse(call->first_url, &first);
    durable_url_parse(location, &next);

    if (++call->redirects > DURABLE_REDIRECTS) {
        durable_call_fail(call, DUR_CALL_EOTHER, "more than %d redirects",
                          DURABLE_REDIRECTS);
        return false;
    }

    if (!durable_redirect_allowed(call, &next)) {
        return false;
    }

    /* location may live in the handle, never in call->url */
    dur_buf_reset(&call->url);

    if (call->fetch) {
        durable_redirect_request(call, status);
        dur_buf_addz(&call->url, location);
        dur_buf_addc(&call->url, '\0');

    } else {
        durable_redirect_join(&call->url, location, &next, first.query);
    }

    if (call->url.failed) {
        durable_call_fail(call, DUR_CALL_EOTHER,
                          "the redirect's address is too long");
        return false;
    }

    /* a stranger must not choose what is sent with a key on the way back */
    same = durable_url_same_site(&first, &next);
    call->foreign = !same || (call->fetch && call->foreign);

    return true;
}
