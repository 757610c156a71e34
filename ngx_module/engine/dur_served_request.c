/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_served_request.h"
#include "engine/dur_forward.h"
#include "engine/dur_gateway.h"
#include "engine/dur_sign.h"

#include <stdio.h>


#define DUR_SERVED_VERSION  1

/* Around a request's parts. */
#define DUR_SERVED_AROUND   64


/* -- as bytes ------------------------------------------------------------- */

dur_rc_t
dur_served_encode(const dur_served_request_t *request, dur_buf_t *out)
{
    size_t     i, n;
    dur_rc_t   rc;
    dur_enc_t  w;

    if (request->nexpect > DUR_SERVED_EXPECT) {
        return DUR_ETOOBIG;
    }

    n = DUR_SERVED_AROUND + 2 * request->nexpect + request->app.len
        + request->method.len + request->url.len + request->headers.len
        + request->body.len;

    rc = dur_buf_reserve(out, n);
    if (rc != DUR_OK) {
        return rc;
    }

    dur_enc_init(&w, out->data + out->len, n);

    dur_enc_u8(&w, DUR_SERVED_VERSION);
    dur_enc_u8(&w, request->auth);
    dur_enc_u8(&w, request->judge);
    dur_enc_u32(&w, request->timeout);
    dur_enc_u32(&w, 2 * request->nexpect);

    for (i = 0; i < request->nexpect; i++) {
        dur_enc_u16(&w, request->expect[i]);
    }

    dur_enc_str(&w, request->app);
    dur_enc_str(&w, request->method);
    dur_enc_str(&w, request->url);
    dur_enc_str(&w, request->headers);
    dur_enc_str(&w, request->body);

    out->len += dur_enc_done(&w).len;

    return DUR_OK;
}


dur_rc_t
dur_served_decode(dur_str_t in, dur_served_request_t *request)
{
    uint8_t    version;
    dur_dec_t  r;

    memset(request, 0, sizeof(*request));
    dur_dec_init(&r, in);

    version = dur_dec_u8(&r);
    request->auth = dur_dec_u8(&r);
    request->judge = dur_dec_u8(&r);
    request->timeout = dur_dec_u32(&r);
    request->expected = dur_dec_str(&r);
    request->nexpect = (unsigned) request->expected.len / 2;
    request->app = dur_dec_str(&r);
    request->method = dur_dec_str(&r);
    request->url = dur_dec_str(&r);
    request->headers = dur_dec_str(&r);
    request->body = dur_dec_str(&r);

    return (r.failed || dur_dec_more(&r) || version != DUR_SERVED_VERSION
            || request->auth > DUR_SERVED_EVENT_KEY
            || request->judge > DUR_SERVED_STEP
            || request->nexpect > DUR_SERVED_EXPECT
            || request->expected.len % 2 != 0
            || request->timeout == 0
            || !dur_gateway_is_token(request->method)
            || !dur_gateway_is_url(request->url))
           ? DUR_EINVAL : DUR_OK;
}


void
dur_served_expect(const dur_served_request_t *request,
    uint16_t expect[DUR_SERVED_EXPECT])
{
    unsigned  i;

    for (i = 0; i < request->nexpect; i++) {
        expect[i] = dur_get16(request->expected.data + 2 * i);
    }
}


/* -- as a call ------------------------------------------------------------ */

/* The keys are of this instant: they may be others than when it was asked
 * for, or gone. */
static const dur_call_key_t *
dur_served_keys(const dur_served_request_t *request,
    const dur_call_options_t *options)
{
    size_t  i;

    static const dur_call_key_t  none;

    for (i = 0; i < options->nserved; i++) {
        if (dur_str_eq(options->served[i].app, request->app)) {
            return &options->served[i];
        }
    }

    return &none;
}


static dur_rc_t
dur_served_authorize(const dur_served_request_t *request,
    const dur_call_key_t *keys, dur_call_t *call)
{
    size_t     start;
    dur_str_t  key;

    switch (request->auth) {

    case DUR_SERVED_EVENT_KEY:
        return dur_buf_adds(&call->url, keys->event.len ? keys->event
                                                        : dur_str("-"));

    case DUR_SERVED_KEY:
        key = keys->key;
        break;

    case DUR_SERVED_FALLBACK_KEY:
        key = keys->fallback;
        break;

    default:
        return DUR_OK;
    }

    start = call->headers.len;
    dur_buf_addz(&call->headers, "Authorization: Bearer ");

    if (dur_signing_key_hash(key, &call->headers) != DUR_OK) {
        call->headers.len = start;
        return DUR_OK;
    }

    return dur_buf_addc(&call->headers, '\n');
}


/* Puts the values of secrets in where their names stand. */
static dur_rc_t
dur_served_headers(dur_str_t headers, const dur_call_options_t *options,
    dur_call_t *call)
{
    size_t          n;
    dur_str_t       value;
    const uint8_t  *p, *last, *mark, *end;

    n = sizeof(DUR_SERVED_SECRET) - 1;
    last = headers.data + headers.len;

    for (p = headers.data; p < last; p = end + n) {
        mark = memmem(p, (size_t) (last - p), DUR_SERVED_SECRET, n);
        end = mark ? memmem(mark + n, (size_t) (last - mark) - n,
                            DUR_SERVED_SECRET, n) : NULL;

        if (end == NULL) {
            return dur_buf_add(&call->headers, p, (size_t) (last - p));
        }

        dur_buf_add(&call->headers, p, (size_t) (mark - p));

        if (options->secrets.get == NULL
            || !options->secrets.get(options->secrets.data,
                                     dur_str_make(mark + n,
                                                  (size_t) (end - mark) - n),
                                     &value)
            || !dur_gateway_is_value(value))
        {
            snprintf(call->error, sizeof(call->error), "the secret \"%.*s\" "
                     "is not in nginx.conf any more",
                     (int) ((size_t) (end - mark) - n),
                     (const char *) mark + n);
            return DUR_EACCES;
        }

        dur_buf_adds(&call->headers, value);
    }

    return DUR_OK;
}


dur_rc_t
dur_served_fill(const dur_served_request_t *request,
    const dur_call_options_t *options, dur_call_t *call)
{
    dur_rc_t  rc;

    call->gateway = false;
    call->forward = true;
    call->timeout_ms = request->timeout;
    call->max_body = request->judge == DUR_SERVED_FORWARD
                     ? DUR_FORWARD_ANSWER + 1 : DUR_SERVED_ANSWER;

    dur_buf_adds(&call->method, request->method);
    dur_buf_adds(&call->url, request->url);
    dur_buf_adds(&call->body, request->body);

    rc = dur_served_headers(request->headers, options, call);

    if (rc == DUR_OK) {
        rc = dur_served_authorize(request, dur_served_keys(request, options),
                                  call);
    }

    return (call->method.failed || call->url.failed || call->headers.failed
            || call->body.failed) ? DUR_ETOOBIG : rc;
}
