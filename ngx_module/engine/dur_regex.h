/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Regular expressions, for `matches` in expressions: the one unit that knows
 * PCRE2.  Patterns are searched for anywhere in the subject, in UTF-8, with
 * \d, \w and \s of ASCII, and $ as the very end, which is what RE2 does; what
 * differs from RE2 is listed in docs/expressions.md.
 *
 * Unlike RE2, PCRE2 backtracks, so a match has a budget: every item of the
 * pattern that is tried costs one unit, and one more for each 4 KiB of the
 * subject.
 */

#ifndef DUR_REGEX_H
#define DUR_REGEX_H

#include "engine/dur_base.h"

#define DUR_REGEX_PATTERN_MAX  4096

typedef struct dur_regex_s  dur_regex_t;

/* Heap object, used by one thread; on DUR_EINVAL err holds a phrase. */
dur_rc_t dur_regex_compile(dur_str_t pattern, dur_regex_t **regex,
    char err[96]);
void dur_regex_free(dur_regex_t *regex);

/* Takes what it cost from *budget.  DUR_ETOOBIG when that or a limit of
 * PCRE2 did not suffice, DUR_EINVAL for a subject that is not UTF-8. */
dur_rc_t dur_regex_match(dur_regex_t *regex, dur_str_t subject,
    int64_t *budget, bool *matches);

#endif /* DUR_REGEX_H */
