/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The options of a function that steer its flow (features 0.3 and section 5):
 * all of them are checked here, so that a registration that is wrong is
 * refused and what is stored can be read (dur_option_load()).
 *
 * Used by dur_app.c only.
 */

#ifndef DUR_APP_OPTION_H
#define DUR_APP_OPTION_H

#include "engine/dur_base.h"

#include <jansson.h>

/* Where a message about a function goes. */
typedef struct {
    dur_str_t   function;       /* slug; empty: about the app */
    char       *err;
    size_t      size;
    bool        nomem;          /* not the sender's fault */
} dur_app_report_t;

/* "function "<slug>": <text>" unless something was said before; false. */
bool dur_app_refuse(dur_app_report_t *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * A member of an object; false after a message when it is of another type.
 * Null and absent are the empty string, and `missing` for an integer.  `name`
 * is the full name for the message, its last word the key.
 */
bool dur_app_string(dur_app_report_t *r, const json_t *object,
    const char *name, dur_str_t *value);
bool dur_app_integer(dur_app_report_t *r, const json_t *object,
    const char *name, int64_t missing, int64_t *value);

/* How much is asked of an expression (features 0.3, 9.6). */
typedef enum {
    DUR_APP_PARSES = 0,         /* keys of concurrency, priorities */
    DUR_APP_COMPILES,
    DUR_APP_COMPARES            /* the restrictive policy: cancel.if */
} dur_app_ask_t;

/* False after a message when the text, unless it is empty, is not such an
 * expression; `name` is for the message. */
bool dur_app_expression(dur_app_report_t *r, const char *name, dur_str_t text,
    dur_app_ask_t ask);

/* Checks all options of a function; appends to `names` a comma list of those
 * that ask for what is not enforced yet. */
bool dur_app_options(dur_app_report_t *r, const json_t *function,
    dur_buf_t *names);

#endif /* DUR_APP_OPTION_H */
