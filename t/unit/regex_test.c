/* SPDX-License-Identifier: BSD-2-Clause */

/* Patterns of `matches`: as RE2 where it matters, and bounded. */

#include "tap.h"
#include "engine/dur_regex.h"


#define BUDGET  100000


static void
test_matches(void)
{
    size_t        i;
    bool          matches;
    char          err[96];
    int64_t       budget;
    dur_rc_t      rc;
    dur_regex_t  *regex;

    static const struct {
        const char  *pattern;
        const char  *subject;
        int          matches;
        const char  *title;
    } rows[] = {
        { "b", "abc", 1, "anywhere in the subject" },
        { "^b", "abc", 0, "not when it is anchored" },
        { "", "", 1, "an empty pattern" },
        { "c$", "abc", 1, "$ is the end" },
        { "c$", "abc\n", 0, "and not before a last newline" },
        { "(?m)a$", "a\nb", 1, "but with (?m) it is" },
        { "a.c", "a\nc", 0, "a dot is no newline" },
        { "a.c", "a\rc", 1, "but a carriage return" },
        { "(?s)a.c", "a\nc", 1, "unless (?s)" },
        { "^.$", "\xe2\x82\xac", 1, "characters, not bytes" },
        { "^\\w$", "\xc3\xa9", 0, "\\w is ASCII" },
        { "^\\d+$", "\xd9\xa3", 0, "\\d is ASCII" },
        { "^\\p{L}$", "\xc3\xa9", 1, "\\p is not" },
        { "(?i)\xc3\x89", "\xc3\xa9", 1, "case is that of Unicode" },
        { "(?P<x>a)(?:b)", "ab", 1, "the names of RE2" },
        { "^(a|b)*$", "abab", 1, "groups" },
        { "\\x{20ac}", "\xe2\x82\xac", 1, "\\x{}" },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        budget = BUDGET;
        matches = !rows[i].matches;

        rc = dur_regex_compile(dur_str_c(rows[i].pattern), &regex, err);
        is_int(rc, DUR_OK, "\"%s\" is compiled", rows[i].pattern);

        if (rc == DUR_OK) {
            is_int(dur_regex_match(regex, dur_str_c(rows[i].subject), &budget,
                                   &matches), DUR_OK, "and tried");
            is_int(matches, rows[i].matches, "%s", rows[i].title);
            ok(budget < BUDGET, "for a price");
        }

        dur_regex_free(regex);
    }
}


static void
test_refused(void)
{
    size_t        i;
    char          err[96], text[DUR_REGEX_PATTERN_MAX + 1];
    dur_regex_t  *regex;

    static const struct {
        const char  *pattern;
        const char  *err;
    } rows[] = {
        { "(", "missing closing parenthesis at its byte 1" },
        { "a**+b++*", "quantifier does not follow" },
        { "[z-a]", "range out of order" },
        { "(a)\\1", "reference to non-existent subpattern" },
        { "a\\C", "\\C is disabled" },
        { "\xff", "UTF-8 error" },
        { "(*UCP)\\w", "using UCP is disabled" },
        { "(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((("
          "a" "))))))))))))))))))))))))))))))))))))"
          "))))))))))))))))))))))))))))))",
          "too deeply" },
        { "((a{1000}){1000}){1000}", "too large" },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_int(dur_regex_compile(dur_str_c(rows[i].pattern), &regex, err),
               DUR_EINVAL, "\"%.20s\" is refused", rows[i].pattern);
        ok(regex == NULL && strstr(err, rows[i].err) != NULL,
           "with a phrase: %s", err);
    }

    memset(text, 'a', sizeof(text));

    is_int(dur_regex_compile(dur_str_make(text, sizeof(text) - 1), &regex,
                             err), DUR_OK, "4 KiB of a pattern are fine");
    dur_regex_free(regex);

    is_int(dur_regex_compile(dur_str_make(text, sizeof(text)), &regex, err),
           DUR_EINVAL, "one byte more is refused");
    dur_regex_free(NULL);
}


/* Patterns that backtrack for ever, and subjects they do it on. */

static void
test_limits(void)
{
    size_t        i;
    bool          matches;
    char          err[96];
    int64_t       budget;
    dur_regex_t  *regex;

    static char  subject[65536];

    static const char *const  patterns[] = {
        "(a|aa)+[bc]", "(a+)+[bc]", "(.*)*[bc]", "(a?){50}a{50}[bc]",
        "(?:(?:a|a)|(?:a|a))*[bc]", "^(?<x>a(?&x)?)+[bc]",
    };

    memset(subject, 'a', sizeof(subject));

    for (i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {

        if (!ok(dur_regex_compile(dur_str_c(patterns[i]), &regex, err)
                == DUR_OK, "\"%s\" is compiled", patterns[i]))
        {
            printf("# %s\n", err);
            continue;
        }

        budget = BUDGET;
        is_int(dur_regex_match(regex, dur_str_make(subject, sizeof(subject)),
                               &budget, &matches), DUR_ETOOBIG,
               "and given up");
        ok(!matches, "without a match");

        budget = 1000000;
        subject[1] = 'b';
        is_int(dur_regex_match(regex, dur_str_make(subject, 2), &budget,
                               &matches), DUR_OK,
               "a small subject is matched after it");
        subject[1] = 'a';

        dur_regex_free(regex);
    }

    is_int(dur_regex_compile(dur_str("b"), &regex, err), DUR_OK, "\"b\"");

    budget = 10;
    is_int(dur_regex_match(regex, dur_str_make(subject, sizeof(subject)),
                           &budget, &matches), DUR_ETOOBIG,
           "a subject that is larger than the budget is not looked at");

    budget = BUDGET;
    is_int(dur_regex_match(regex, dur_str("b\xff"), &budget, &matches),
           DUR_EINVAL, "what is no UTF-8 is refused");
    ok(!matches, "and does not match");

    budget = BUDGET;
    is_int(dur_regex_match(regex, dur_str("ab"), &budget, &matches), DUR_OK,
           "the next one is matched again");
    ok(matches, "and does");

    dur_regex_free(regex);
}


int
main(void)
{
    test_matches();
    test_refused();
    test_limits();

    return done_testing();
}
