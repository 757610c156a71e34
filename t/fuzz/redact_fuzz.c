/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Paths up to a line end, then a body.  What is hidden is what a second,
 * simpler reading of the paths finds in the values; whatever the bytes are,
 * nothing is written that was not there.
 */

#include "fuzz.h"
#include "engine/dur_json.h"
#include "engine/dur_redact.h"

FUZZ_TARGET("redacting")

const dur_str_t  fuzz_seeds[] = {
    dur_str("data.user.ssn **.password\n{\"name\":\"a\",\"data\":{\"user\":"
            "{\"ssn\":1,\"password\":[2]}},\"ts\":3}"),
    dur_str("data.cards[*].number data.l[1]\n{\"data\":{\"cards\":[{\"number\""
            ":1},{\"number\":{}}],\"l\":[1,2,3]}}"),
    dur_str("data.*.t a.**.b data\n[{\"t\":1},{\"a\":{\"x\":{\"b\":null}}}]"),
    dur_str("data[\"a.b\"]['c'] x\n"
            "{\"d\\u0061ta\":{\"a.b\":{\"c\":\"\\\"\"}}}"),
    dur_str("**.a message\n{\"name\":\"E\",\"message\":\"m\",\"a\":{\"a\":1},"
            "\"stack\":[],\"error\":\"m\"}"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("data"), dur_str("."), dur_str("**."), dur_str("*"),
    dur_str("[*]"), dur_str("[0]"), dur_str("['a']"), dur_str("\n"),
    dur_str("{\"data\":"), dur_str("{\"a\":"), dur_str("\"[redacted]\""),
    dur_str("["), dur_str("]"), dur_str("}"), dur_str(","), dur_str(":"),
    dur_str("\\u0061"), dur_str("\\\""), dur_str("null"), dur_str(" "),
    dur_str_null
};


/* One step of the way to a value: a key, or an index. */
typedef struct {
    const char  *key;
    size_t       index;
} part_t;

#define PARTS  600

typedef struct {
    const dur_redact_t  *r;
    dur_redact_what_t    what;
    part_t               part[PARTS];
    size_t               n;
} way_t;


static bool
same_part(const dur_redact_segment_t *s, const part_t *p)
{
    switch (s->kind) {
    case DUR_REDACT_KEY:
        return p->key && dur_str_eq(s->name, dur_str_c(p->key));
    case DUR_REDACT_ANY_KEY:
        return p->key != NULL;
    case DUR_REDACT_INDEX:
        return p->key == NULL && p->index == s->index;
    default:
        return p->key == NULL;
    }
}


/* The segments from `i` on, along the way from `j` to its end. */
static bool
leads(const dur_redact_rule_t *rule, size_t i, const way_t *way, size_t j)
{
    if (i == rule->n) {
        return j == way->n;
    }

    if (rule->segments[i].kind == DUR_REDACT_DEEP) {
        return leads(rule, i + 1, way, j)
               || (j < way->n && leads(rule, i, way, j + 1));
    }

    return j < way->n && same_part(&rule->segments[i], &way->part[j])
           && leads(rule, i + 1, way, j + 1);
}


static bool
spared(const way_t *way)
{
    const char  *key = way->n == 1 ? way->part[0].key : NULL;

    if (key == NULL || way->what == DUR_REDACT_VALUE) {
        return false;
    }

    return strcmp(key, "name") == 0
           || (way->what == DUR_REDACT_EVENT
               && (strcmp(key, "id") == 0 || strcmp(key, "ts") == 0
                   || strcmp(key, "v") == 0));
}


/* What repeats the message of an error. */
static bool
repeats(const way_t *way, const json_t *value)
{
    const char  *key = way->n ? way->part[way->n - 1].key : NULL;

    return way->r->messages && key != NULL
           && (strcmp(key, "stack") == 0
               || (strcmp(key, "error") == 0 && json_is_string(value)));
}


static bool
hidden(const way_t *way)
{
    size_t                    i, j;
    const dur_redact_rule_t  *rule;

    if (spared(way)) {
        return false;
    }

    for (i = 0; i < way->r->n; i++) {
        rule = &way->r->rules[i];

        for (j = 0; j <= way->n; j++) {
            if (leads(rule, 0, way, j)) {
                return true;
            }
        }

        /* as the data of an event, or a list of those */

        if (rule->data && way->what == DUR_REDACT_VALUE
            && (leads(rule, 1, way, 0)
                || (way->n && way->part[0].key == NULL
                    && leads(rule, 1, way, 1))))
        {
            return true;
        }
    }

    return false;
}


static json_t *
expected(way_t *way, json_t *value)
{
    size_t       i;
    json_t      *copy, *v;
    const char  *key;

    if (hidden(way) || repeats(way, value)) {
        return json_string(DUR_REDACT_TEXT);
    }

    if (json_is_array(value)) {
        copy = json_array();

        json_array_foreach(value, i, v) {
            way->part[way->n++] = (part_t) { NULL, i };
            json_array_append_new(copy, expected(way, v));
            way->n--;
        }

        return copy;
    }

    if (json_is_object(value)) {
        copy = json_object();

        json_object_foreach(value, key, v) {
            way->part[way->n++] = (part_t) { key, 0 };
            json_object_set_new(copy, key, expected(way, v));
            way->n--;
        }

        return copy;
    }

    return json_incref(value);
}


static void
check_body(const uint8_t *data, size_t len, way_t *way, dur_str_t body)
{
    json_t     *value, *shown, *want;
    dur_rc_t    rc;
    dur_buf_t   b;

    dur_buf_init(&b, 1 << 20);

    rc = dur_redact_json(way->r, way->what, body, &b);
    value = dur_json_parse(body, NULL);

    if (value != NULL) {
        fuzz_check(rc == DUR_OK);

        shown = dur_json_parse(dur_buf_str(&b), NULL);
        want = expected(way, value);

        fuzz_check(shown != NULL);
        fuzz_check(json_equal(shown, want));

        json_decref(shown);
        json_decref(want);

    } else if (rc != DUR_OK) {
        fuzz_check(b.len == 0);
    }

    dur_buf_reset(&b);
    fuzz_check(dur_redact_text(way->r, body, &b) == DUR_OK);
    fuzz_check(value == NULL || way->what != DUR_REDACT_VALUE || b.len > 0);
    (void) dur_redact_holds(way->r, way->what, body);

    json_decref(value);
    dur_buf_deinit(&b);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char                  err[160];
    size_t                n;
    const uint8_t        *p, *last;
    static way_t          way;
    static dur_redact_t   r;

    last = memchr(data, '\n', len);
    last = last ? last : data + len;

    memset(&r, 0, sizeof(r));

    for (p = data; p < last; p += n + 1) {
        for (n = 0; p + n < last && p[n] != ' '; n++) { /* void */ }

        if (dur_redact_add(&r, dur_str_make(p, n), err) != DUR_OK) {
            fuzz_check(strlen(err) < sizeof(err));
        }
    }

    last += last < data + len;

    way.r = &r;
    way.n = 0;

    for (way.what = DUR_REDACT_EVENT; way.what <= DUR_REDACT_ERROR;
         way.what++)
    {
        check_body(data, len, &way,
                   dur_str_make(last, (size_t) (data + len - last)));
    }

    return 0;
}
