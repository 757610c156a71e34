/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Which functions an event triggers (protocol 1.7, features 7): exact names
 * and the wildcards that end in "/" "*" or "." "*", then the expression of
 * the first trigger that passes.
 *
 * An exact trigger on inngest/function.invoked matches nothing: SDKs write it
 * for functions that are only invoked, and the event is for the one it names.
 */

#ifndef DUR_MATCH_H
#define DUR_MATCH_H

#include "engine/dur_base.h"
#include "engine/dur_registry.h"

/* Whether any trigger names this event at all; no expression is looked at. */
bool dur_match_any(const dur_registry_t *r, dur_str_t name);

/* Whether one of them looks into the event: a trigger with an expression, or
 * an option of its function.  The arena is for a moment's list. */
bool dur_match_reads(const dur_registry_t *r, dur_str_t name,
    dur_arena_t *arena);

/* An event to match: `json` is parsed only when a trigger has an expression,
 * and that may ask for the present. */
typedef struct {
    dur_str_t  name;
    dur_str_t  json;
    int64_t    now_ms;
} dur_match_key_t;

/* The functions, ascending by id, each once.  *functions is from the arena. */
dur_rc_t dur_match_event(const dur_registry_t *r, const dur_match_key_t *key,
    dur_arena_t *arena, dur_function_t ***functions, size_t *n);

#endif /* DUR_MATCH_H */
