/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_regex.h"

#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH  8
#include <pcre2.h>


#define DUR_REGEX_PARENS  64
#define DUR_REGEX_MATCH   1000000
#define DUR_REGEX_DEPTH   10000
#define DUR_REGEX_HEAP    4096          /* KiB */
#define DUR_REGEX_SCAN    4096

#define DUR_REGEX_OPTIONS                                                     \
    (PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C               \
     | PCRE2_NEVER_UCP | PCRE2_NO_AUTO_CAPTURE | PCRE2_AUTO_CALLOUT)


struct dur_regex_s {
    pcre2_code           *code;
    pcre2_match_data     *data;
    pcre2_match_context  *context;
};


typedef struct {
    int64_t  left;
    int64_t  cost;
} dur_regex_budget_t;


static int
dur_regex_callout(pcre2_callout_block *block, void *data)
{
    dur_regex_budget_t  *budget = data;

    (void) block;

    budget->left -= budget->cost;

    return budget->left < 0 ? PCRE2_ERROR_CALLOUT : 0;
}


static pcre2_code *
dur_regex_code(dur_str_t pattern, int *error, PCRE2_SIZE *offset)
{
    pcre2_code             *code;
    pcre2_compile_context  *context;

    *offset = 0;

    context = pcre2_compile_context_create(NULL);
    if (context == NULL) {
        *error = PCRE2_ERROR_NOMEMORY;
        return NULL;
    }

    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_max_pattern_length(context, DUR_REGEX_PATTERN_MAX);
    pcre2_set_parens_nest_limit(context, DUR_REGEX_PARENS);

    code = pcre2_compile(pattern.len ? pattern.data : (PCRE2_SPTR) "",
                         pattern.len, DUR_REGEX_OPTIONS, error, offset,
                         context);

    pcre2_compile_context_free(context);

    return code;
}


dur_rc_t
dur_regex_compile(dur_str_t pattern, dur_regex_t **regex, char err[96])
{
    int           error;
    PCRE2_UCHAR   text[72];
    PCRE2_SIZE    offset;
    dur_regex_t  *re;

    *regex = NULL;
    err[0] = '\0';

    re = calloc(1, sizeof(dur_regex_t));
    if (re == NULL) {
        return DUR_ENOMEM;
    }

    re->code = dur_regex_code(pattern, &error, &offset);

    if (re->code == NULL) {
        dur_regex_free(re);

        if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED)
        {
            return DUR_ENOMEM;
        }

        pcre2_get_error_message(error, text, sizeof(text));
        snprintf(err, 96, "%s at its byte %u", (char *) text,
                 (unsigned) offset);

        return DUR_EINVAL;
    }

    re->data = pcre2_match_data_create(1, NULL);
    re->context = pcre2_match_context_create(NULL);

    if (re->data == NULL || re->context == NULL) {
        dur_regex_free(re);
        return DUR_ENOMEM;
    }

    pcre2_set_match_limit(re->context, DUR_REGEX_MATCH);
    pcre2_set_depth_limit(re->context, DUR_REGEX_DEPTH);
    pcre2_set_heap_limit(re->context, DUR_REGEX_HEAP);

    *regex = re;

    return DUR_OK;
}


void
dur_regex_free(dur_regex_t *regex)
{
    if (regex != NULL) {
        pcre2_match_context_free(regex->context);
        pcre2_match_data_free(regex->data);
        pcre2_code_free(regex->code);
        free(regex);
    }
}


dur_rc_t
dur_regex_match(dur_regex_t *regex, dur_str_t subject, int64_t *budget,
    bool *matches)
{
    int                 rc;
    dur_regex_budget_t  b;

    *matches = false;

    b.cost = 1 + (int64_t) (subject.len / DUR_REGEX_SCAN);
    b.left = *budget - b.cost;

    if (b.left < 0) {
        *budget = b.left;
        return DUR_ETOOBIG;
    }

    pcre2_set_callout(regex->context, dur_regex_callout, &b);

    rc = pcre2_match(regex->code,
                     subject.len ? subject.data : (PCRE2_SPTR) "",
                     subject.len, 0, 0, regex->data, regex->context);

    *budget = b.left;

    if (rc >= 0) {
        *matches = true;
        return DUR_OK;
    }

    switch (rc) {
    case PCRE2_ERROR_NOMATCH:
        return DUR_OK;
    case PCRE2_ERROR_NOMEMORY:
        return DUR_ENOMEM;
    case PCRE2_ERROR_CALLOUT:
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
        return DUR_ETOOBIG;
    default:
        return DUR_EINVAL;
    }
}
