/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_filter_want.h"
#include "engine/dur_json.h"
#include "engine/dur_query_core.h"
#include "engine/dur_time.h"

#include <stdio.h>


#define DUR_FILTER_ID_MIN  3


void
dur_filter_init(dur_filter_want_t *want)
{
    memset(want, 0, sizeof(*want));
    want->before_ms = INT64_MAX;
}


bool
dur_filter_all(const dur_filter_want_t *want)
{
    return want->app.len == 0 && want->function.len == 0
           && want->connector.len == 0 && want->event.len == 0
           && want->id.len == 0 && want->q.len == 0 && want->statuses == 0
           && want->after_ms == 0 && want->before_ms == INT64_MAX;
}


/* A comma list. */
static bool
dur_filter_set_statuses(unsigned *statuses, dur_str_t list)
{
    size_t    i, start;
    unsigned  bit;

    *statuses = 0;

    for (i = 0, start = 0; i <= list.len; i++) {

        if (i < list.len && list.data[i] != ',') {
            continue;
        }

        bit = dur_query_status_mask(dur_str_make(list.data + start,
                                                 i - start));
        if (bit == 0) {
            return false;
        }

        *statuses |= bit;
        start = i + 1;
    }

    return true;
}


static bool
dur_filter_is_id(dur_str_t text)
{
    size_t  i;

    static const char  letters[] = "0123456789abcdefghjkmnpqrstvwxyz"
                                   "ABCDEFGHJKMNPQRSTVWXYZ";

    for (i = 0; i < text.len; i++) {
        if (memchr(letters, text.data[i], sizeof(letters) - 1) == NULL) {
            return false;
        }
    }

    return text.len >= DUR_FILTER_ID_MIN && text.len <= DUR_ULID_TEXT_LEN;
}


typedef enum {
    DUR_FILTER_TEXT = 0,
    DUR_FILTER_ID,
    DUR_FILTER_TIME,
    DUR_FILTER_STATUS
} dur_filter_kind_t;


typedef struct {
    const char         *name;
    dur_filter_kind_t   kind;
    size_t              offset;
} dur_filter_member_t;


static const dur_filter_member_t  dur_filter_members[] = {
    { "status",   DUR_FILTER_STATUS, offsetof(dur_filter_want_t, statuses) },
    { "app",      DUR_FILTER_TEXT,   offsetof(dur_filter_want_t, app) },
    { "function", DUR_FILTER_TEXT,   offsetof(dur_filter_want_t, function) },
    { "event",    DUR_FILTER_TEXT,   offsetof(dur_filter_want_t, event) },
    { "id",       DUR_FILTER_ID,     offsetof(dur_filter_want_t, id) },
    { "q",        DUR_FILTER_TEXT,   offsetof(dur_filter_want_t, q) },
    { "after",    DUR_FILTER_TIME,   offsetof(dur_filter_want_t, after_ms) },
    { "before",   DUR_FILTER_TIME,   offsetof(dur_filter_want_t, before_ms) }
};

#define DUR_FILTER_NMEMBERS                                                  \
    (sizeof(dur_filter_members) / sizeof(dur_filter_members[0]))


static const dur_filter_member_t *
dur_filter_member(const char *name)
{
    size_t  i;

    for (i = 0; i < DUR_FILTER_NMEMBERS; i++) {
        if (strcmp(name, dur_filter_members[i].name) == 0) {
            return &dur_filter_members[i];
        }
    }

    return NULL;
}


dur_rc_t
dur_filter_set(dur_filter_want_t *want, const char *name, dur_str_t value,
    char err[160])
{
    void                       *to;
    const dur_filter_member_t  *member;

    err[0] = '\0';

    member = dur_filter_member(name);

    if (member == NULL) {
        snprintf(err, 160, "there is no filter \"%.80s\"", name);
        return DUR_ENOTFOUND;
    }

    to = (char *) want + member->offset;

    if (value.len == 0) {
        return DUR_OK;
    }

    switch (member->kind) {

    case DUR_FILTER_STATUS:
        if (dur_filter_set_statuses(to, value)) {
            return DUR_OK;
        }

        snprintf(err, 160, "%s must be a list of Scheduled, Running, "
                 "Completed, Failed, Cancelled and Skipped", name);
        return DUR_EINVAL;

    case DUR_FILTER_TIME:
        if (dur_rfc3339_parse(value, to) == DUR_OK) {
            return DUR_OK;
        }

        snprintf(err, 160, "%s must be an RFC 3339 time", name);
        return DUR_EINVAL;

    case DUR_FILTER_ID:
        if (!dur_filter_is_id(value)) {
            snprintf(err, 160, "%s must be 3 to 26 letters and digits of an "
                     "id, such as 01K8", name);
            return DUR_EINVAL;
        }
        break;

    case DUR_FILTER_TEXT:
        break;
    }

    *(dur_str_t *) to = value;

    return DUR_OK;
}


dur_rc_t
dur_filter_read(const json_t *object, dur_filter_want_t *want, char err[160])
{
    json_t      *value;
    dur_str_t    text;
    const char  *name;

    dur_filter_init(want);

    if (!json_is_object(object)) {
        snprintf(err, 160, "a filter is an object, {\"status\":\"Failed\"}");
        return DUR_EINVAL;
    }

    json_object_foreach((json_t *) (uintptr_t) object, name, value) {

        if (!json_is_string(value) && !json_is_null(value)) {
            snprintf(err, 160, "the filter \"%.80s\" must be a string", name);
            return DUR_EINVAL;
        }

        text = dur_str_make(json_string_value(value),
                            json_string_length(value));

        if (dur_filter_set(want, name, text, err) != DUR_OK) {
            return DUR_EINVAL;
        }
    }

    return DUR_OK;
}


static void
dur_filter_write_statuses(const dur_filter_want_t *want, dur_buf_t *out)
{
    unsigned  n, bit;

    if (want->statuses == 0) {
        return;
    }

    dur_query_key(out, "status");

    for (bit = 0, n = 0; dur_query_status_name(bit) != NULL; bit++) {
        if (want->statuses & 1u << bit) {
            dur_buf_addf(out, "%c%s", n++ ? ',' : '"',
                         dur_query_status_name(bit));
        }
    }

    dur_buf_addc(out, '"');
}


dur_rc_t
dur_filter_write(const dur_filter_want_t *want, dur_buf_t *out)
{
    size_t                      i;
    const dur_str_t            *text;
    const dur_filter_member_t  *m;

    dur_buf_addc(out, '{');
    dur_filter_write_statuses(want, out);

    for (i = 0; i < DUR_FILTER_NMEMBERS; i++) {
        m = &dur_filter_members[i];
        text = (const dur_str_t *) ((const char *) want + m->offset);

        if ((m->kind == DUR_FILTER_TEXT || m->kind == DUR_FILTER_ID)
            && text->len)
        {
            dur_query_string(out, m->name, *text);
        }
    }

    if (want->after_ms != 0) {
        dur_query_time(out, "after", want->after_ms);
    }

    if (want->before_ms != INT64_MAX) {
        dur_query_time(out, "before", want->before_ms);
    }

    return dur_buf_addc(out, '}');
}
