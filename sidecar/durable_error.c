/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Why an exchange has no status: the kind for the engine, a phrase for the
 * user.  The kinds differ in what may have happened at the other side: after
 * ECONNECT nothing was sent, after ELOST and ETIMEOUT the request may have
 * been executed.
 */

#include "durable_sidecar.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>


const char *
durable_error_peer(const char *url, char *buf, size_t size)
{
    int          tls;
    char         last;
    size_t       n;
    const char  *p, *at, *colon;

    tls = strncmp(url, "https:", 6) == 0;

    p = strstr(url, "://");
    p = p == NULL ? url : p + 3;

    n = strcspn(p, "/?#");
    at = memrchr(p, '@', n);

    if (at != NULL) {
        n -= (size_t) (at + 1 - p);
        p = at + 1;
    }

    colon = memrchr(p, ':', n);
    last = n ? p[n - 1] : '\0';

    /* the last colon of [::1] is no port's */
    snprintf(buf, size, "%.*s%s", (int) (n < 200 ? n : 200), p,
             colon != NULL && last != ']' ? "" : tls ? ":443" : ":80");

    return buf;
}


const char *
durable_error_time(uint64_t ms, char *buf, size_t size)
{
    if (ms % 1000 != 0) {
        snprintf(buf, size, "%" PRIu64 " ms", ms);

    } else if (ms % 3600000 == 0) {
        snprintf(buf, size, "%" PRIu64 " h", ms / 3600000);

    } else {
        snprintf(buf, size, "%" PRIu64 " s", ms / 1000);
    }

    return buf;
}


static const char *
durable_error_size(uint64_t bytes, char *buf, size_t size)
{
    if (bytes >= 1024 * 1024 && bytes % (1024 * 1024) == 0) {
        snprintf(buf, size, "%" PRIu64 " MiB", bytes / (1024 * 1024));

    } else {
        snprintf(buf, size, "%" PRIu64 " bytes", bytes);
    }

    return buf;
}


static void
durable_error_connect(durable_slot_t *slot, const char *peer)
{
    long             err;
    durable_call_t  *call = slot->call;

    if (call->denied && !call->opened) {
        durable_call_fail(call, DUR_CALL_EPOLICY,
                          "the address of %s is not allowed", peer);
        return;
    }

    err = 0;
    curl_easy_getinfo(slot->curl, CURLINFO_OS_ERRNO, &err);

    switch (err) {
    case ECONNREFUSED:
        durable_call_fail(call, DUR_CALL_ECONNECT,
                          "connection refused by %s", peer);
        return;
    case ENETUNREACH:
    case EHOSTUNREACH:
        durable_call_fail(call, DUR_CALL_ECONNECT, "no route to %s", peer);
        return;
    default:
        durable_call_fail(call, DUR_CALL_ECONNECT, "cannot connect to %s%s%s",
                          peer, err ? ": " : "",
                          err ? strerror((int) err) : "");
    }
}


static void
durable_error_timeout(durable_call_t *call, const char *peer)
{
    char      buf[32];
    uint64_t  ms;

    if (call->requested) {
        durable_call_fail(call, DUR_CALL_ETIMEOUT, "no answer within %s",
                          durable_error_time(call->timeout, buf,
                                             sizeof(buf)));
        return;
    }

    ms = call->timeout < DURABLE_CONNECT_TIMEOUT ? call->timeout
                                                 : DURABLE_CONNECT_TIMEOUT;

    durable_call_fail(call, DUR_CALL_ECONNECT, "no connection to %s within %s",
                      peer, durable_error_time(ms, buf, sizeof(buf)));
}


/* What libcurl wrote down, or its own word for the code. */
static const char *
durable_error_detail(durable_slot_t *slot, CURLcode code)
{
    return slot->error[0] ? slot->error : curl_easy_strerror(code);
}


void
durable_error_explain(durable_slot_t *slot, CURLcode code)
{
    char             peer[256], buf[32];
    durable_call_t  *call = slot->call;

    durable_error_peer((char *) call->url.data, peer, sizeof(peer));

    if (call->too_big) {
        code = CURLE_FILESIZE_EXCEEDED;
    }

    if (call->resent) {
        code = CURLE_SEND_FAIL_REWIND;
    }

    switch (code) {

    case CURLE_COULDNT_CONNECT:
        durable_error_connect(slot, peer);
        break;

    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        durable_call_fail(call, DUR_CALL_ECONNECT,
                          "the name of %s cannot be resolved", peer);
        break;

    case CURLE_OPERATION_TIMEDOUT:
        durable_error_timeout(call, peer);
        break;

    case CURLE_FILESIZE_EXCEEDED:
        durable_call_fail(call, DUR_CALL_ETOOBIG,
                          "the answer of %s is larger than %s", peer,
                          durable_error_size(call->max_body, buf,
                                             sizeof(buf)));
        break;

    case CURLE_GOT_NOTHING:
        durable_call_fail(call, DUR_CALL_ELOST,
                          "%s closed the connection without an answer", peer);
        break;

    case CURLE_PARTIAL_FILE:
        durable_call_fail(call, DUR_CALL_ELOST,
                          "%s closed the connection within its answer", peer);
        break;

    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_FAIL_REWIND:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        if (!call->requested) {
            durable_error_connect(slot, peer);
            break;
        }

        durable_call_fail(call, DUR_CALL_ELOST, "the connection to %s was "
                          "lost after the request was sent", peer);
        break;

    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        durable_call_fail(call, DUR_CALL_ECONNECT, "no TLS with %s: %s",
                          peer, durable_error_detail(slot, code));
        break;

    case CURLE_UNSUPPORTED_PROTOCOL:
        if (call->requested) {
            durable_call_fail(call, DUR_CALL_EOTHER,
                              "%s did not answer with HTTP", peer);
            break;
        }

        durable_call_fail(call, DUR_CALL_EPOLICY,
                          "only http: and https: are allowed");
        break;

    case CURLE_URL_MALFORMAT:
        durable_call_fail(call, DUR_CALL_EOTHER, "the URL is not valid");
        break;

    case CURLE_WEIRD_SERVER_REPLY:
        durable_call_fail(call, DUR_CALL_EOTHER,
                          "%s did not answer with HTTP", peer);
        break;

    default:
        if (call->spool_failed) {
            durable_call_fail(call, DUR_CALL_EOTHER,
                              "the sidecar has no room for the answer");
            break;
        }

        durable_call_fail(call, call->requested ? DUR_CALL_EOTHER
                                                : DUR_CALL_ECONNECT,
                          "the call to %s failed: %s", peer,
                          durable_error_detail(slot, code));
    }
}
