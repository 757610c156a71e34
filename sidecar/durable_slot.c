/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A slot: an easy handle that serves one call after the other, and what
 * libcurl calls back while it does.
 *
 * libcurl sends a request again, unasked, when a connection that it reused
 * turns out to be dead.  A step must not run twice without the engine knowing
 * it, so the callback that libcurl makes before each request counts: the
 * second one of an exchange is refused, which ends it as "lost".  (The other
 * way, a read callback without a seek function, costs a second write for
 * every request and does not guard requests without a body.)
 */

#include "durable_sidecar.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>


static size_t
durable_slot_on_body(char *p, size_t size, size_t n, void *data)
{
    size_t           fits;
    durable_slot_t  *slot = data;
    durable_call_t  *call = slot->call;

    n *= size;
    fits = n;

    if (n > call->max_body - call->response.len) {
        call->too_big = true;

        if (!call->relay) {
            return n + 1;
        }

        fits = call->max_body - call->response.len;
    }

    if (durable_body_add(&call->response, p, fits) != DUR_OK) {
        call->spool_failed = true;
        return n + 1;
    }

    durable_ledger_charge(slot->durable, call);

    return call->too_big ? n + 1 : n;
}


/* One "name: value" line; lines that do not fit are dropped whole. */
static void
durable_slot_header(dur_buf_t *out, const char *p, size_t len)
{
    size_t       name;
    const char  *colon;

    colon = memchr(p, ':', len);
    if (colon == NULL) {
        return;
    }

    name = (size_t) (colon - p);
    len -= name + 1;
    p = colon + 1;

    while (len && (*p == ' ' || *p == '\t')) {
        p++;
        len--;
    }

    if (out->len + name + len + 3 > DURABLE_HEADERS_MAX) {
        return;
    }

    for (const char *c = colon - name; c < colon; c++) {
        dur_buf_addc(out, (*c >= 'A' && *c <= 'Z') ? (uint8_t) (*c | 0x20)
                                                   : (uint8_t) *c);
    }

    dur_buf_add(out, ": ", 2);
    dur_buf_add(out, p, len);
    dur_buf_addc(out, '\n');
}


static size_t
durable_slot_on_header(char *p, size_t size, size_t n, void *data)
{
    size_t           len;
    dur_buf_t       *out;
    durable_slot_t  *slot = data;
    durable_call_t  *call = slot->call;

    n *= size;
    out = &call->headers;

    for (len = n; len && (p[len - 1] == '\r' || p[len - 1] == '\n'
                          || p[len - 1] == ' ' || p[len - 1] == '\t');
         len--) { /* void */ }

    if (len >= 5 && strncmp(p, "HTTP/", 5) == 0) {
        dur_buf_reset(out);             /* after a 1xx, the real answer */
        call->headers_end = false;

    } else if (len == 0) {
        call->headers_end = true;

    } else if (call->headers_end) {
        return n;                       /* a trailer */

    } else if (p[0] == ' ' || p[0] == '\t') {
        if (out->len && out->len + len + 1 <= DURABLE_HEADERS_MAX) {
            out->data[out->len - 1] = ' ';
            dur_buf_add(out, p + 1, len - 1);
            dur_buf_addc(out, '\n');
        }

    } else {
        durable_slot_header(out, p, len);
    }

    return n;
}


static int
durable_slot_on_request(void *data, char *ip, char *local_ip, int port,
    int local_port)
{
    durable_slot_t  *slot = data;

    (void) ip;
    (void) local_ip;
    (void) port;
    (void) local_port;

    if (slot->call->requested) {
        slot->call->resent = true;
        return CURL_PREREQFUNC_ABORT;
    }

    slot->call->requested = true;

    return CURL_PREREQFUNC_OK;
}


static curl_socket_t
durable_slot_on_open(void *data, curlsocktype purpose,
    struct curl_sockaddr *sa)
{
    int              fd;
    durable_t       *d;
    durable_slot_t  *slot = data;

    (void) purpose;

    d = slot->durable;

    if (!durable_policy_allows(&d->options.policy, &sa->addr)) {
        slot->call->denied = true;
        return CURL_SOCKET_BAD;
    }

    slot->call->opened = true;

    fd = socket(sa->family, sa->socktype|SOCK_CLOEXEC, sa->protocol);
    if (fd == -1) {
        return CURL_SOCKET_BAD;
    }

    if (durable_socket_opened(d, fd) != 0) {
        close(fd);
        return CURL_SOCKET_BAD;
    }

    return fd;
}


static int
durable_slot_on_close(void *data, curl_socket_t fd)
{
    durable_socket_closed(data, fd);

    return close(fd);
}


static void
durable_slot_tls(durable_slot_t *slot)
{
    CURL       *curl = slot->curl;
    durable_t  *d = slot->durable;

    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);

    /* a store of CAs is parsed once only when there is no directory */
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, -1L);

    if (d->options.ca != NULL) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, d->options.ca);
    }
}


static void
durable_slot_callbacks(durable_slot_t *slot)
{
    CURL  *curl = slot->curl;

    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, durable_slot_on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, slot);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, durable_slot_on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, slot);
    curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, durable_slot_on_request);
    curl_easy_setopt(curl, CURLOPT_PREREQDATA, slot);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, durable_slot_on_open);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, slot);
    curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION,
                     durable_slot_on_close);
    curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, slot->durable);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, slot->error);
    curl_easy_setopt(curl, CURLOPT_PRIVATE, slot);
}


/* What is the same for every call is set once. */
durable_slot_t *
durable_slot_new(durable_t *d)
{
    CURL            *curl;
    durable_slot_t  *slot;

    slot = calloc(1, sizeof(durable_slot_t));
    if (slot == NULL) {
        return NULL;
    }

    curl = curl_easy_init();
    if (curl == NULL) {
        free(slot);
        return NULL;
    }

    slot->durable = d;
    slot->curl = curl;

    durable_slot_callbacks(slot);
    durable_slot_tls(slot);

    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
                     (long) CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, d->encodings);
    curl_easy_setopt(curl, CURLOPT_USERAGENT,
                     "nginx-durable/" DURABLE_VERSION);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS,
                     (long) DURABLE_CONNECT_TIMEOUT);
    curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, 4L);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);

    if (!d->options.proxy_from_env) {
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    }

    return slot;
}


void
durable_slot_free(durable_slot_t *slot)
{
    curl_easy_cleanup(slot->curl);
    free(slot->lines);
    free(slot);
}
