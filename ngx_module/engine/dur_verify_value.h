/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What a request says, for dur_verify.c and nobody else: headers, members of
 * a JSON body, parameters of a form.
 */

#ifndef DUR_VERIFY_VALUE_H
#define DUR_VERIFY_VALUE_H

#include "engine/dur_base.h"
#include "engine/dur_verify.h"

typedef struct {
    const dur_verify_request_t  *request;
    dur_arena_t                 *arena;
    bool                         late;      /* a timestamp was out of time */
    bool                         nomem;
} dur_verify_t;

/*
 * "a.b" in the body: a string, or an integer as its digits; empty when it is
 * neither.  Only looked up, not parsed: a body may be large.
 */
dur_str_t dur_verify_member(dur_verify_t *v, const char *path);

/* From where a scheme says; empty when it is not there, or source is NULL. */
dur_str_t dur_verify_value(dur_verify_t *v, const char *source);

/* "%2B" and, in forms, "+". */
dur_str_t dur_verify_unescape(dur_verify_t *v, dur_str_t s, bool plus);

bool dur_verify_is_form(const dur_verify_request_t *r);

/* Parameters of the form, sorted by name, names and values joined. */
dur_str_t dur_verify_form(dur_verify_t *v);

#endif /* DUR_VERIFY_VALUE_H */
