/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_json.h"

FUZZ_TARGET("JSON")

const dur_str_t  fuzz_seeds[] = {
    dur_str("{\"name\":\"app/user.created\",\"data\":{\"id\":12345,\"tags\":"
            "[\"a\",\"b\"],\"amount\":19.99,\"ok\":true,\"none\":null},"
            "\"user\":{},\"ts\":1743130137367}"),
    dur_str("[1,-0,1.5e-7,123456789012345678901234567890,1e308,5e-324]"),
    dur_str("\"\\ud83d\\ude00\\u0000\\n\\\"\xc3\xa9\xe2\x82\xac\""),
    dur_str("{\"\\u20ac\":1,\"\\r\":2,\"\\ufb33\":3,\"\\ud83d\\ude00\":4}"),
    dur_str(" [ [ ] , { } , [ { \"a\" : [ 1 ] } ] ] "),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("{"), dur_str("}"), dur_str("["), dur_str("]"), dur_str(","),
    dur_str(":"), dur_str("\""), dur_str("\\"), dur_str("\\u0000"),
    dur_str("\\ud800"), dur_str("\\udfff"), dur_str("null"), dur_str("true"),
    dur_str("1e400"), dur_str("-"), dur_str("9223372036854775808"),
    dur_str("0.1"), dur_str("\xf0\x9f\x98\x80"), dur_str("\xed\xa0\x80"),
    dur_str("{\"a\":"), dur_str("[[[[[[[[[[[[[[[["), dur_str_null
};


/* What jansson alone refuses, and we read. */

static bool
rewritten(const json_error_t *error)
{
    return strstr(error->text, "invalid Unicode") != NULL
           || strstr(error->text, "too big") != NULL;
}


/* Behind "near", which long tokens have not, may stand what was rewritten. */

static bool
same_message(const char *a, const char *b)
{
    size_t  n;

    for (n = 0; a[n] == b[n] && a[n] != '\0'; n++) {
        if (strncmp(a + n, " near ", 6) == 0) {
            return true;
        }
    }

    return a[n] == b[n] || strncmp(a + n, " near ", 6) == 0
           || strncmp(b + n, " near ", 6) == 0;
}


/* What jansson alone reads, and we refuse: it skips a NUL behind a number. */

static bool
refused_before(const uint8_t *data, size_t len, const dur_json_error_t *err)
{
    return strstr(err->text, "nesting") != NULL
           || (memchr(data, '\0', len) != NULL
               && strcmp(err->text, "a NUL byte") == 0);
}


/* Our slices of a text are the values that the parser sees. */

static void
check_members(const uint8_t *data, size_t len, json_t *value)
{
    void       *it;
    json_t     *v;
    size_t      pos, n;
    dur_str_t   text, slice;

    text = dur_str_make(data, len);

    for (it = json_object_iter(value); it != NULL;
         it = json_object_iter_next(value, it))
    {
        fuzz_check(dur_json_member(text,
                       dur_str_make(json_object_iter_key(it),
                                    json_object_iter_key_len(it)), &slice)
                   == DUR_OK);

        v = dur_json_parse(slice, NULL);
        fuzz_check(v != NULL && json_equal(v, json_object_iter_value(it)));
        json_decref(v);
    }

    if (!json_is_array(value)) {
        return;
    }

    pos = 0;

    for (n = 0; dur_json_next(text, &pos, &slice) == DUR_OK; n++) {
        v = dur_json_parse(slice, NULL);
        fuzz_check(v != NULL && json_equal(v, json_array_get(value, n)));
        json_decref(v);
    }

    fuzz_check(n == json_array_size(value));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    json_t           *v, *again, *other;
    size_t            pos;
    dur_buf_t         a, b;
    dur_str_t         text, slice;
    json_error_t      error;
    dur_json_error_t  err;

    text = dur_str_make(data, len);

    v = dur_json_parse(text, &err);
    other = json_loadb((const char *) data, len,
                       JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);

    if (v == NULL) {
        fuzz_check(err.text[0] != '\0' && err.offset <= len);

        if (!refused_before(data, len, &err)) {
            fuzz_check(other == NULL);
            fuzz_check(rewritten(&error)
                       || (same_message(err.text, error.text)
                           && err.offset == (size_t) error.position));
        }

        json_decref(other);

        /* no promise but to stay inside */
        pos = 0;
        while (dur_json_next(text, &pos, &slice) == DUR_OK) { /* void */ }
        dur_json_member(text, dur_str("a"), &slice);

        return 0;
    }

    fuzz_check(other == NULL ? rewritten(&error) : json_equal(v, other));
    json_decref(other);

    check_members(data, len, v);

    /* the canonical form is JSON and its own canonical form */

    dur_buf_init(&a, 1 << 20);
    dur_buf_init(&b, 1 << 20);

    fuzz_check(dur_json_write(&a, v) == DUR_OK);
    again = dur_json_parse(dur_buf_str(&a), &err);
    fuzz_check(again != NULL);
    fuzz_check(dur_json_write(&b, again) == DUR_OK);
    fuzz_check(dur_str_eq(dur_buf_str(&a), dur_buf_str(&b)));

    json_decref(again);
    json_decref(v);
    dur_buf_deinit(&a);
    dur_buf_deinit(&b);

    return 0;
}
