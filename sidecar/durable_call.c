/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One HTTP exchange: what of a CALL goes into an easy handle, and how the
 * exchange ends.
 */

#include "durable_sidecar.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>


#define DURABLE_LINES_FIRST  32


/* Of the connection, not of the message: libcurl's own business. */
static const char  *durable_call_hop_by_hop[] = {
    "connection", "content-length", "expect", "keep-alive",
    "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    NULL
};

static char  durable_call_no_expect[] = "Expect:";
static char  durable_call_no_type[] = "Content-Type:";


static bool
durable_call_text(dur_str_t s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] <= 0x20 || s.data[i] == 0x7f) {
            return false;
        }
    }

    return s.len != 0;
}


static void
durable_call_number(const dur_frame_t *f, dur_tag_t tag, uint64_t *v)
{
    uint64_t  n;

    if (dur_frame_get_u64(f, tag, &n) == DUR_OK && n != 0) {
        *v = n;
    }
}


dur_rc_t
durable_call_set(durable_call_t *call, const dur_frame_t *f)
{
    uint64_t    follow;
    dur_str_t   method, url, lines;
    dur_buf_t  *text = &call->text;

    method = dur_str("POST");
    url = dur_str_null;
    lines = dur_str_null;

    dur_frame_get(f, DUR_TAG_METHOD, &method);
    dur_frame_get(f, DUR_TAG_URL, &url);
    dur_frame_get(f, DUR_TAG_HEADERS, &lines);

    call->timeout = DURABLE_CALL_TIMEOUT;
    call->max_body = DURABLE_MAX_BODY;
    call->length = 0;

    durable_call_number(f, DUR_TAG_TIMEOUT, &call->timeout);
    durable_call_number(f, DUR_TAG_MAX_BODY, &call->max_body);
    durable_call_number(f, DUR_TAG_LENGTH, &call->length);

    follow = DUR_FOLLOW_REPEAT;
    durable_call_number(f, DUR_TAG_FOLLOW, &follow);
    call->fetch = follow == DUR_FOLLOW_FETCH;
    call->relay = follow == DUR_FOLLOW_NONE;

    if (call->timeout > INT32_MAX) {
        call->timeout = INT32_MAX;
    }

    if (!durable_call_text(method) || !durable_call_text(url)) {
        return DUR_EINVAL;
    }

    dur_buf_adds(text, method);
    dur_buf_addc(text, '\0');
    dur_buf_adds(text, url);
    dur_buf_addc(text, '\0');
    dur_buf_adds(text, lines);
    dur_buf_addc(text, '\0');

    dur_buf_adds(&call->url, url);
    dur_buf_addc(&call->url, '\0');

    if (text->failed || call->url.failed) {
        return DUR_ENOMEM;
    }

    call->method = (char *) text->data;
    call->first_url = call->method + method.len + 1;
    call->lines = (char *) text->data + method.len + 1 + url.len + 1;

    return DUR_OK;
}


static bool
durable_call_passes(const durable_call_t *call, const char *name, size_t len)
{
    const char  **p;

    for (p = durable_call_hop_by_hop; *p != NULL; p++) {
        if (strlen(*p) == len && strncasecmp(*p, name, len) == 0) {
            return false;
        }
    }

    if (call->bodyless && len > 8 && strncasecmp(name, "content-", 8) == 0) {
        return false;
    }

    return !call->foreign || !durable_redirect_secret(name, len);
}


/* Length of the name; 0: this is no header line. */
static size_t
durable_call_line(const char *line, size_t len)
{
    size_t  n;

    for (n = 0; n < len && line[n] != ':' && line[n] != ';'; n++) {
        if ((unsigned char) line[n] <= 0x20
            || (unsigned char) line[n] >= 0x7f)
        {
            return 0;
        }
    }

    if (n == len || (line[n] == ';' && n + 1 < len)) {
        return 0;
    }

    for (size_t i = n; i < len; i++) {
        if ((unsigned char) line[i] < 0x20 && line[i] != '\t') {
            return 0;
        }
    }

    return n;
}


static dur_rc_t
durable_call_grow(durable_slot_t *slot, size_t n)
{
    size_t              size;
    struct curl_slist  *lines;

    if (n <= slot->lines_size) {
        return DUR_OK;
    }

    size = slot->lines_size ? slot->lines_size * 2 : DURABLE_LINES_FIRST;

    lines = realloc(slot->lines, size * sizeof(struct curl_slist));
    if (lines == NULL) {
        return DUR_ENOMEM;
    }

    slot->lines = lines;
    slot->lines_size = size;

    return DUR_OK;
}


/*
 * Makes libcurl's list of the header lines, in place: the nodes belong to the
 * slot, the text to the call, so that a call costs no allocation per header.
 */
static dur_rc_t
durable_call_lines(durable_slot_t *slot)
{
    bool             typed;
    char            *p, *last, *end;
    size_t           n, len;
    durable_call_t  *call = slot->call;

    n = 0;
    typed = false;
    p = call->lines;
    last = (char *) call->text.data + call->text.len;

    for ( ; p < last; p = end + 1) {
        for (end = p; *end != '\n' && *end != '\0'; end++) { /* void */ }
        *end = '\0';

        len = durable_call_line(p, (size_t) (end - p));

        if (len == 0 || !durable_call_passes(call, p, len)) {
            continue;
        }

        /* to libcurl "Name:" means "not this one", "Name;" is an empty one */
        if (p[len] == ':' && p[len + 1 + strspn(p + len + 1, " \t")] == '\0') {
            p[len] = ';';
            p[len + 1] = '\0';
        }

        if (len == 12 && strncasecmp(p, "content-type", len) == 0) {
            typed = true;
        }

        if (durable_call_grow(slot, n + 3) != DUR_OK) {
            return DUR_ENOMEM;
        }

        slot->lines[n++].data = p;
    }

    if (durable_call_grow(slot, n + 2) != DUR_OK) {
        return DUR_ENOMEM;
    }

    slot->lines[n++].data = durable_call_no_expect;

    if (!typed) {
        slot->lines[n++].data = durable_call_no_type;
    }

    for (size_t i = 0; i < n; i++) {
        slot->lines[i].next = i + 1 < n ? &slot->lines[i + 1] : NULL;
    }

    return DUR_OK;
}


static void
durable_call_method(durable_slot_t *slot)
{
    CURL            *curl = slot->curl;
    durable_call_t  *call = slot->call;

    curl_easy_setopt(curl, CURLOPT_NOBODY, 0L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);

    if (strcmp(call->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
        return;
    }

    if (strcmp(call->method, "GET") == 0 && call->request.len == 0) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        return;
    }

    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                     call->request.len ? (char *) call->request.data : "");
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t) call->request.len);

    if (strcmp(call->method, "POST") != 0) {
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method);
    }
}


dur_rc_t
durable_call_prepare(durable_slot_t *slot)
{
    long             left;
    uint64_t         elapsed;
    dur_rc_t         rc;
    CURL            *curl = slot->curl;
    durable_call_t  *call = slot->call;

    rc = durable_body_seal(&call->request);
    if (rc != DUR_OK) {
        return rc;
    }

    rc = durable_call_lines(slot);
    if (rc != DUR_OK) {
        return rc;
    }

    if (call->begun_us == 0) {
        call->begun_us = durable_monotonic_us();
        call->started_ms = durable_wall_ms();
    }

    elapsed = (durable_monotonic_us() - call->begun_us) / 1000;
    left = elapsed < call->timeout ? (long) (call->timeout - elapsed) : 1;

    call->requested = false;
    call->resent = false;
    call->opened = false;
    call->denied = false;
    call->headers_end = false;
    slot->error[0] = '\0';

    durable_call_method(slot);

    curl_easy_setopt(curl, CURLOPT_URL, (char *) call->url.data);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, slot->lines);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, left);
    curl_easy_setopt(curl, CURLOPT_MAXFILESIZE_LARGE,
                     call->relay ? 0 : (curl_off_t) call->max_body);

    /* many calls to one new HTTP/2 server share its first connection */
    curl_easy_setopt(curl, CURLOPT_PIPEWAIT,
                     strncasecmp((char *) call->url.data, "https:", 6) == 0
                     ? 1L : 0L);

    return DUR_OK;
}


static void
durable_call_end(durable_call_t *call)
{
    if (call->begun_us != 0) {
        call->duration_us = durable_monotonic_us() - call->begun_us;

    } else {
        call->started_ms = durable_wall_ms();
    }
}


void
durable_call_fail(durable_call_t *call, dur_call_error_t kind,
    const char *fmt, ...)
{
    va_list  ap;

    va_start(ap, fmt);
    vsnprintf(call->error, sizeof(call->error), fmt, ap);
    va_end(ap);

    call->error_kind = (uint8_t) kind;
    call->status = 0;

    dur_buf_reset(&call->headers);
    durable_body_reset(&call->response, DURABLE_KEEP);
    durable_call_end(call);
}


/* The answer was a redirect: nothing of it remains. */
static bool
durable_call_follow(durable_slot_t *slot, long status, const char *location)
{
    durable_call_t  *call = slot->call;

    if (!durable_redirect(call, status, location)) {
        return false;
    }

    dur_buf_reset(&call->headers);
    durable_body_reset(&call->response, DURABLE_KEEP);

    return true;
}


bool
durable_call_finish(durable_slot_t *slot, CURLcode code)
{
    char            *location;
    long             status;
    durable_call_t  *call = slot->call;

    status = 0;
    location = NULL;

    curl_easy_getinfo(slot->curl, CURLINFO_RESPONSE_CODE, &status);

    /* whoever relays an answer must not ask again for its end */

    if (code != CURLE_OK
        && !(call->relay && call->headers_end && status >= 200))
    {
        durable_error_explain(slot, code);
        return false;
    }

    curl_easy_getinfo(slot->curl, CURLINFO_REDIRECT_URL, &location);

    if (location != NULL && !call->relay
        && ((status >= 301 && status <= 303) || status == 307
            || status == 308))
    {
        return durable_call_follow(slot, status, location);
    }

    if (durable_body_seal(&call->response) != DUR_OK) {
        durable_call_fail(call, DUR_CALL_EOTHER,
                          "the sidecar has no room for the answer");
        return false;
    }

    call->status = (uint16_t) status;
    durable_call_end(call);

    return false;
}
