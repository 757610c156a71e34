/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A definition while it is read: the words of one directive, the errors that
 * name its place, and expressions.
 *
 * For the dur_plan units alone.
 */

#ifndef DUR_PLAN_LOAD_H
#define DUR_PLAN_LOAD_H

#include "engine/dur_plan.h"

#include <jansson.h>

#define DUR_PLAN_WORDS  64              /* of a directive */

typedef struct {
    dur_plan_def_t    *def;
    dur_plan_error_t  *err;
    json_t            *config;          /* of the function, in the making */
    bool               nomem;

    /* the directive at hand */
    unsigned           line;
    dur_str_t          file;
    unsigned           n;
    dur_str_t          words[DUR_PLAN_WORDS];
} dur_plan_reader_t;

/* One directive that may stand in a workflow. */
typedef struct {
    const char  *word;
    uint8_t      kind;
    bool         named;                 /* the first word is its name */
    uint8_t      words;                 /* before its options */
    const char  *options;
    bool       (*read)(dur_plan_reader_t *r, dur_plan_node_t *node);
} dur_plan_directive_t;

/* NULL when there is none of this name. */
const dur_plan_directive_t *dur_plan_directive(dur_str_t word);

/* Says what is wrong with the directive at hand; false. */
bool dur_plan_refuse(dur_plan_reader_t *r, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The value of the option key=value; false when it is not there. */
bool dur_plan_option(const dur_plan_reader_t *r, const char *key,
    dur_str_t *value);

/* False after a message: the directive has not `words` words before its
 * options, or an option that is none of `known`, words parted by spaces; one
 * that ends with "*" may be there more than once. */
bool dur_plan_shape(dur_plan_reader_t *r, unsigned words, const char *known);

/* Whether a word is key=value. */
bool dur_plan_is_option(dur_str_t word, const char *key, size_t len);

/* An option that is a duration; *ms is left alone when it is not there. */
bool dur_plan_duration(dur_plan_reader_t *r, const char *key, dur_str_t text,
    int64_t least, int64_t *ms);
bool dur_plan_number(dur_plan_reader_t *r, const char *key, dur_str_t text,
    unsigned least, unsigned most, unsigned *value);

/* The settings of a function: trigger, retries, concurrency and so on. */
bool dur_plan_is_setting(dur_str_t word);
bool dur_plan_setting(dur_plan_reader_t *r);

/* All settings were read: config and app of the definition. */
bool dur_plan_settle(dur_plan_reader_t *r, dur_str_t failure_of);

#endif /* DUR_PLAN_LOAD_H */
