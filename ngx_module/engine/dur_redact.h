/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What people may not read of bodies (durable_redact): the values at certain
 * paths become "[redacted]" in whatever is shown, and stay as they are for
 * the apps.  It works on JSON as text, in one pass, without building values.
 *
 * A path has members and elements:
 *
 *     data.user.ssn      data.cards[*].number    data.list[0]
 *     **.password        data.*.token            data["a.b"]
 *
 * A body may have another one in it: the event of a failed run, the payload
 * of an invoke, what a step passes on.  So a path is looked for at any depth,
 * and inputs and outputs are looked through as if they were the `data` of an
 * event as well.  What a list needs is never hidden: the name, id, ts and v of
 * an event, the name of an error.  Who hides messages of errors hides the
 * texts that repeat them: `stack`, and an `error` that is a string.
 */

#ifndef DUR_REDACT_H
#define DUR_REDACT_H

#include "engine/dur_base.h"

#define DUR_REDACT_RULES     64
#define DUR_REDACT_SEGMENTS  15
#define DUR_REDACT_NAME      128
#define DUR_REDACT_TEXT      "[redacted]"

/* What a body is. */
typedef enum {
    DUR_REDACT_EVENT = 0,
    DUR_REDACT_VALUE,           /* an input or an output */
    DUR_REDACT_ERROR
} dur_redact_what_t;

typedef enum {
    DUR_REDACT_KEY = 0,
    DUR_REDACT_ANY_KEY,         /* * */
    DUR_REDACT_INDEX,
    DUR_REDACT_ANY_INDEX,       /* [*] */
    DUR_REDACT_DEEP             /* ** */
} dur_redact_kind_t;

typedef struct {
    dur_redact_kind_t  kind;
    uint32_t           index;
    dur_str_t          name;        /* borrowed from the path */
} dur_redact_segment_t;

typedef struct {
    dur_redact_segment_t  segments[DUR_REDACT_SEGMENTS];
    unsigned              n;
    bool                  data;     /* begins with it */
} dur_redact_rule_t;

/* Zeroed at first; read only, and by any thread, once all were added. */
typedef struct dur_redact_s {
    dur_redact_rule_t  rules[DUR_REDACT_RULES];
    unsigned           n;
    bool               messages;    /* of errors are hidden */
} dur_redact_t;

/* One more path, which stays borrowed.  DUR_EINVAL or DUR_EFULL with a
 * sentence. */
dur_rc_t dur_redact_add(dur_redact_t *r, dur_str_t path, char err[160]);

/*
 * Appends the text without what is hidden.  DUR_EINVAL when it is not JSON;
 * the buffer is as it was then.
 */
dur_rc_t dur_redact_json(const dur_redact_t *r, dur_redact_what_t what,
    dur_str_t json, dur_buf_t *out);

/* The same of a text that may be JSON, and may be cut off; what cannot be
 * read of JSON is hidden. */
dur_rc_t dur_redact_text(const dur_redact_t *r, dur_str_t text,
    dur_buf_t *out);

/* The message of an error, or what an app has answered in place of one. */
dur_rc_t dur_redact_message(const dur_redact_t *r, dur_str_t text,
    dur_buf_t *out);

/* Whether "[redacted]" stands where something is hidden: somebody sends back
 * what was shown. */
bool dur_redact_holds(const dur_redact_t *r, dur_redact_what_t what,
    dur_str_t json);

#endif /* DUR_REDACT_H */
