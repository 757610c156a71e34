/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_json.h"

#include <math.h>
#include <stdlib.h>


static void
test_canonical(void)
{
    dur_buf_t  b;

    static const struct {
        const char  *in;
        const char  *out;               /* NULL: refused */
    } cases[] = {
        { "null", "null" }, { " true ", "true" }, { "false\n", "false" },
        { "\t\"\"\r", "\"\"" }, { "[]", "[]" }, { "{}", "{}" },
        { "[ ]", "[]" }, { "{ }", "{}" }, { "[1 , 2]", "[1,2]" },
        { "[[],{},[[]]]", "[[],{},[[]]]" },

        /* RFC 8785 3.2.2 and 3.2.3 */
        { "{\"numbers\":[333333333.33333329,1E30,4.50,2e-3,"
          "0.000000000000000000000000001],\"string\":\"\\u20ac$\\u000F\\u000a"
          "A'\\u0042\\u0022\\u005c\\\\\\\"\\/\",\"literals\":[null,true,"
          "false]}",
          "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,"
          "1e+30,4.5,0.002,1e-27],\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\""
          "\\\\\\\\\\\"/\"}" },
        { "{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\","
          "\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\"1\":\"One\","
          "\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":"
          "\"Control\",\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
          "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control"
          "\",\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\","
          "\"\xe2\x82\xac\":\"Euro Sign\",\"\xf0\x9f\x98\x80\":"
          "\"Emoji: Grinning Face\",\"\xef\xac\xb3\":"
          "\"Hebrew Letter Dalet With Dagesh\"}" },

        /* protocol 7.4 */
        { "{\"b\":1,\"a\":\"\\u00e9\",\"n\":{\"z\":[3,1],\"y\":null},"
          "\"f\":1.5}",
          "{\"a\":\"\xc3\xa9\",\"b\":1,\"f\":1.5,\"n\":{\"y\":null,"
          "\"z\":[3,1]}}" },

        { "{\"b\":1,\"a\":2,\"b\":3}", "{\"a\":2,\"b\":3}" },
        { "{\"\":1,\"a\":2}", "{\"\":1,\"a\":2}" },
        { "{\"ab\":1,\"a\":2}", "{\"a\":2,\"ab\":1}" },

        /* what jansson alone would refuse or lose */
        { "\"a\\u0000b\"", "\"a\\u0000b\"" },
        { "{\"k\\u0000\":1,\"k\":2}", NULL },
        { "\"\\ud800\"", "\"\xef\xbf\xbd\"" },
        { "\"\\udc00\"", "\"\xef\xbf\xbd\"" },
        { "\"\\ud800x\"", "\"\xef\xbf\xbdx\"" },
        { "\"\\ud800\\ud83d\\ude00\"", "\"\xef\xbf\xbd\xf0\x9f\x98\x80\"" },
        { "\"\\ud800\\n\"", "\"\xef\xbf\xbd\\n\"" },
        { "\"\\ud83d\\ude00\"", "\"\xf0\x9f\x98\x80\"" },
        { "\"\\\\ud800\"", "\"\\\\ud800\"" },
        { "{\"a\\uDFFF\":[9223372036854775808,\"\\uD800\",1]}",
          "{\"a\xef\xbf\xbd\":[9223372036854776000,\"\xef\xbf\xbd\",1]}" },
        { "\"9223372036854775808\"", "\"9223372036854775808\"" },
        { "[99999999999999999999e1,-99999999999999999999,"
          "1.99999999999999999999]", "[1e+21,-100000000000000000000,2]" },
        { "\"\\b\\f\\n\\r\\t\\u001f\\u007f\"",
          "\"\\b\\f\\n\\r\\t\\u001f\x7f\"" },

        /* numbers */
        { "0", "0" }, { "-0", "0" }, { "-0.0", "0" }, { "1.0", "1" },
        { "-1", "-1" }, { "1e2", "100" }, { "1E+2", "100" },
        { "1e-7", "1e-7" },
        { "9007199254740992", "9007199254740992" },
        { "9007199254740993", "9007199254740992" },
        { "-9007199254740995", "-9007199254740996" },
        { "9223372036854775807", "9223372036854776000" },
        { "-9223372036854775808", "-9223372036854776000" },
        { "9223372036854775808", "9223372036854776000" },
        { "18446744073709551616", "18446744073709552000" },
        { "123456789012345678901234567890", "1.2345678901234568e+29" },
        { "100000000000000000000", "100000000000000000000" },
        { "1000000000000000000000", "1e+21" },
        { "0.1", "0.1" }, { "0.30000000000000004", "0.30000000000000004" },
        { "1.7976931348623157e308", "1.7976931348623157e+308" },
        { "5e-324", "5e-324" }, { "1e-400", "0" }, { "0e999999999", "0" },
        { "2.2250738585072014e-308", "2.2250738585072014e-308" },
        { "1e400", NULL }, { "-1e400", NULL },
        { "01", NULL }, { "-", NULL }, { "+1", NULL }, { ".5", NULL },
        { "1.", NULL }, { "1e", NULL }, { "1e+", NULL }, { "0x1", NULL },
        { "NaN", NULL }, { "Infinity", NULL }, { "1 2", NULL },
        { "--1", NULL }, { "99999999999999999999.", NULL },
        { "099999999999999999999", NULL },
        { "99999999999999999999 .0", NULL },

        /* what is no JSON */
        { "", NULL }, { " ", NULL }, { "nul", NULL }, { "nullx", NULL },
        { "True", NULL }, { "[", NULL }, { "]", NULL }, { "[1", NULL },
        { "[1,", NULL }, { "[1,]", NULL }, { "[,1]", NULL }, { "[1 1]", NULL },
        { "{", NULL }, { "}", NULL }, { "{\"a\"", NULL }, { "{\"a\":", NULL },
        { "{\"a\":1", NULL }, { "{\"a\":1,", NULL }, { "{\"a\":1,}", NULL },
        { "{a:1}", NULL }, { "{'a':1}", NULL }, { "{\"a\" 1}", NULL },
        { "{1:1}", NULL }, { "[}", NULL }, { "{]", NULL }, { "[]]", NULL },
        { "\"", NULL }, { "\"a", NULL }, { "\"\\", NULL }, { "\"\\\"", NULL },
        { "\"\\x\"", NULL }, { "\"\\u12\"", NULL }, { "\"\\u12g4\"", NULL },
        { "\"\\u\"", NULL }, { "\"\n\"", NULL }, { "\"\x01\"", NULL },
        { "\"\\\x80\"", NULL }, { "\"\\\n\"", NULL },
        { "\"\xff\"", NULL }, { "\"\xc0\x80\"", NULL }, { "\"\xc3\"", NULL },
        { "\"\xed\xa0\x80\"", NULL }, { "\"\xf4\x90\x80\x80\"", NULL },
        { "\"\xf0\x80\x80\x80\"", NULL }, { "\"\xe0\x80\x80\"", NULL },
        { "\xef\xbb\xbf{}", NULL }, { "// x\n1", NULL }, { "/* */1", NULL },
    };

    dur_buf_init(&b, 4096);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dur_buf_reset(&b);

        is_int(dur_json_canonicalize(&b, dur_str_c(cases[i].in)),
               cases[i].out ? DUR_OK : DUR_EINVAL, "case %zu is %s", i,
               cases[i].out ? "JSON" : "no JSON");
        is_str(dur_buf_str(&b), cases[i].out ? cases[i].out : "",
               "case %zu has its canonical form", i);
    }

    dur_buf_reset(&b);
    is_int(dur_json_canonicalize(&b, dur_str_make("\"a\0b\"", 5)),
           DUR_EINVAL, "a NUL byte must be escaped");
    is_int(dur_json_canonicalize(&b, dur_str_make("[1\0]", 4)),
           DUR_EINVAL, "also one that jansson would skip");
    is_int(dur_json_canonicalize(&b, dur_str_null), DUR_EINVAL,
           "nothing is no JSON");

    dur_buf_deinit(&b);
}


/* Compared with V8; RFC 8785 appendix B. */

static void
test_numbers(void)
{
    char      text[32];
    bool      same;
    double    d;
    uint64_t  bits, seed;

    static const struct {
        uint64_t     bits;
        const char  *text;
    } cases[] = {
        { 0x0000000000000000, "0" }, { 0x8000000000000000, "0" },
        { 0x0000000000000001, "5e-324" }, { 0x8000000000000001, "-5e-324" },
        { 0x7fefffffffffffff, "1.7976931348623157e+308" },
        { 0xffefffffffffffff, "-1.7976931348623157e+308" },
        { 0x4340000000000000, "9007199254740992" },
        { 0xc340000000000000, "-9007199254740992" },
        { 0x4430000000000000, "295147905179352830000" },
        { 0x44b52d02c7e14af5, "9.999999999999997e+22" },
        { 0x44b52d02c7e14af6, "1e+23" },
        { 0x44b52d02c7e14af7, "1.0000000000000001e+23" },
        { 0x444b1ae4d6e2ef4e, "999999999999999700000" },
        { 0x444b1ae4d6e2ef4f, "999999999999999900000" },
        { 0x444b1ae4d6e2ef50, "1e+21" },
        { 0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7" },
        { 0x3eb0c6f7a0b5ed8d, "0.000001" },
        { 0x41b3de4355555553, "333333333.3333332" },
        { 0x41b3de4355555554, "333333333.33333325" },
        { 0x41b3de4355555555, "333333333.3333333" },
        { 0x41b3de4355555556, "333333333.3333334" },
        { 0x41b3de4355555557, "333333333.33333343" },
        { 0xbecbf647612f3696, "-0.0000033333333333333333" },
        { 0x43143ff3c1cb0959, "1424953923781206.2" },
        /* powers of two: the next decimal upwards is one digit shorter */
        { 0x3d30000000000000, "5.684341886080802e-14" },
        { 0x0010000000000000, "2.2250738585072014e-308" },
        { 0x000fffffffffffff, "2.225073858507201e-308" },
        { 0x3fb999999999999a, "0.1" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(&d, &cases[i].bits, sizeof(d));
        dur_json_number(d, text);

        is_str(dur_str_c(text), cases[i].text,
               "the double %016" PRIx64 " is written as ES6 writes it",
               cases[i].bits);
    }

    same = true;
    seed = 1;

    for (int i = 0; i < 50000; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        bits = seed;
        memcpy(&d, &bits, sizeof(d));

        if (!isfinite(d)) {
            continue;
        }

        dur_json_number(d, text);
        same = same && strtod(text, NULL) == d && strlen(text) < 26;
    }

    ok(same, "random doubles read back as they were");
}


static void
test_values(void)
{
    int64_t           n;
    json_t           *v;
    dur_str_t         s;
    dur_json_error_t  err;

    static const struct {
        const char  *text;
        size_t       offset;
        size_t       line;
        const char  *says;
    } errors[] = {
        { "", 0, 1, "unexpected token near end of file" },
        { "{\"a\": tru}", 9, 1, "invalid token near 'tru'" },
        { "{\n\"a\":1,\n}", 10, 3, "string or '}' expected near '}'" },
        { "[1,\n2", 5, 2, "']' expected near end of file" },
        { "{} x", 4, 1, "end of file expected near 'x'" },
        { "[\"a\x01\"]", 3, 1, "control character 0x1" },
        { "\"\\q\"", 3, 1, "invalid escape" },
        { "\"\xff\"", 1, 1, "unable to decode byte 0xff" },
        { "{\"a\\u0000\":1}", 10, 1, "NUL byte in object key" },
        { "[1e999]", 6, 1, "real number overflow" },
        { "\xef\xbb\xbf{}", 3, 1, "invalid token" },

        /* the place is one of the text, not of its copy */
        { "[99999999999999999999 x", 23, 1, "']' expected near 'x'" },
        { "[1.5,99999999999999999999,\n-99999999999999999999,\"\\udfff\"}",
          58, 2, "']' expected near '}'" },
    };

    v = dur_json_parse(dur_str("[9223372036854775807,-9223372036854775808,"
                               "9223372036854775808,1.0,1e2]"), &err);
    ok(json_is_integer(json_array_get(v, 0))
       && json_integer_value(json_array_get(v, 0)) == INT64_MAX,
       "the largest integer stays an integer");
    ok(json_is_integer(json_array_get(v, 1))
       && json_integer_value(json_array_get(v, 1)) == INT64_MIN,
       "so does the smallest");
    ok(json_is_real(json_array_get(v, 2)), "one more becomes a double");
    ok(json_is_real(json_array_get(v, 3)), "a fraction is a double");
    ok(json_is_real(json_array_get(v, 4)), "an exponent makes a double");
    json_decref(v);

    v = dur_json_parse(dur_str("{\"s\":\"x\",\"n\":5,\"f\":5.0,\"h\":5.5,"
                               "\"nul\":null,\"appname\":\"p\",\"AppName\":1,"
                               "\"appName\":2,\"ID\":null,\"big\":1e300}"),
                       &err);

    is_int(dur_json_get_string(v, "s", &s), DUR_OK, "a string is found");
    is_str(s, "x", "with its text");
    is_int(dur_json_get_string(v, "nul", &s), DUR_ENOTFOUND,
           "null is no string");
    is_int(dur_json_get_string(v, "none", &s), DUR_ENOTFOUND, "nor nothing");
    is_int(dur_json_get_string(v, "n", &s), DUR_EINVAL,
           "a number is one by mistake");

    is_int(dur_json_get_int(v, "n", &n), DUR_OK, "a number is found");
    is_int(n, 5, "with its value");
    is_int(dur_json_get_int(v, "f", &n), DUR_OK, "5.0 is a whole number");
    is_int(dur_json_get_int(v, "h", &n), DUR_EINVAL, "5.5 is not");
    is_int(dur_json_get_int(v, "big", &n), DUR_EINVAL, "nor is 1e300");
    is_int(dur_json_get_int(v, "s", &n), DUR_EINVAL, "nor a string");
    is_int(dur_json_get_int(v, "nul", &n), DUR_ENOTFOUND, "null is absent");

    ok(json_integer_value(dur_json_iget(v, "appName")) == 2,
       "the exact key wins over others in another case");
    ok(json_is_string(dur_json_iget(v, "APPNAME")),
       "otherwise the first in any case does");
    ok(dur_json_iget(v, "id") == NULL, "a null in another case is absent");
    ok(dur_json_iget(v, "app") == NULL, "half a key is none");
    json_decref(v);

    ok(dur_json_iget(NULL, "a") == NULL, "nothing has no members");

    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        v = dur_json_parse(dur_str_c(errors[i].text), &err);
        ok(v == NULL && strstr(err.text, errors[i].says) != NULL,
           "the message says: %s", errors[i].says);
        is_int(err.offset, errors[i].offset, "at its byte");
        is_int(err.line, errors[i].line, "on its line");
    }

    v = dur_json_parse(dur_str_make("[1,\n2\0]", 7), &err);
    ok(v == NULL && strstr(err.text, "a NUL byte") != NULL,
       "the message says: a NUL byte");
    is_int(err.offset, 5, "at its byte");
    is_int(err.line, 2, "on its line");
}


static void
test_depth(void)
{
    char              text[2 * 600 + 1];
    json_t           *v;
    dur_buf_t         b;
    dur_json_error_t  err;

    for (size_t n = 512; n <= 513; n++) {
        memset(text, '[', n);
        memset(text + n, ']', n);

        v = dur_json_parse(dur_str_make(text, 2 * n), &err);
        ok((v != NULL) == (n == 512), "%zu levels are %s", n,
           n == 512 ? "read" : "refused");
        json_decref(v);
    }

    ok(strstr(err.text, "nesting") != NULL && err.offset == 512,
       "the message names the bracket that is one too many");

    memset(text, '[', sizeof(text));
    text[1] = '"';
    text[2 * 600 - 1] = '"';
    text[2 * 600] = ']';

    v = dur_json_parse(dur_str_make(text, sizeof(text)), NULL);
    is_int(json_array_size(v), 1, "brackets in a string are not counted");
    json_decref(v);

    v = json_array();
    for (int i = 0; i < 700; i++) {
        json_t  *outer = json_array();

        json_array_append_new(outer, v);
        v = outer;
    }

    dur_buf_init(&b, 1 << 20);
    dur_buf_addz(&b, "x");
    is_int(dur_json_write(&b, v), DUR_EINVAL, "the writer has a limit too");
    is_str(dur_buf_str(&b), "x", "and leaves the buffer as it was");
    dur_buf_deinit(&b);
    json_decref(v);
}


static void
test_write(void)
{
    char       key[16];
    bool       sorted;
    json_t    *v;
    dur_str_t  member;
    dur_buf_t  b;

    static const struct {
        const char  *a;
        const char  *b;
        int          order;
    } keys[] = {
        { "", "", 0 }, { "", "a", -1 }, { "a", "b", -1 }, { "a", "ab", -1 },
        { "a", "a", 0 }, { "Z", "a", -1 }, { "\x7f", "\xc2\x80", -1 },
        { "\xf0\x90\x80\x80", "\xee\x80\x80", -1 },     /* U+10000 U+E000 */
        { "\xf0\x90\x80\x80", "\xef\xbf\xbf", -1 },
        { "\xf0\x90\x80\x80", "\xed\x9f\xbf", 1 },      /* U+D7FF */
        { "\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80", 1 },
        { "\xee\x80\x80", "\xef\xbf\xbf", -1 },
        { "x\xf0\x90\x80\x80", "x\xef\xbf\xbf", -1 },
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        is_int(dur_json_key_cmp(dur_str_c(keys[i].a), dur_str_c(keys[i].b)),
               keys[i].order, "keys %zu are in the order of UTF-16", i);
        is_int(dur_json_key_cmp(dur_str_c(keys[i].b), dur_str_c(keys[i].a)),
               -keys[i].order, "and the other way round");
    }

    dur_buf_init(&b, 1 << 20);

    dur_json_write_string(&b, dur_str_make("a\0\"\\\x1f\xff/\xc3\xa9\xc3",
                                           10));
    is_str(dur_buf_str(&b), "\"a\\u0000\\\"\\\\\\u001f\xef\xbf\xbd/\xc3\xa9"
           "\xef\xbf\xbd\"", "a string is escaped, invalid UTF-8 replaced");

    dur_buf_reset(&b);
    dur_buf_addc(&b, '"');
    dur_json_write_chars(&b, dur_str("a\"\n"));
    dur_json_write_chars(&b, dur_str(""));
    dur_json_write_chars(&b, dur_str("\xc3\xa9\xff"));
    dur_buf_addc(&b, '"');
    is_str(dur_buf_str(&b), "\"a\\\"\\n\xc3\xa9\xef\xbf\xbd\"",
           "a string is written in pieces");

    /* more members than the writer has room for at first */

    v = json_object();
    for (int i = 499; i >= 0; i--) {
        snprintf(key, sizeof(key), "k%03d", i);
        json_object_set_new(v, key, json_pack("{s:i,s:i}", "b", i, "a", i));
    }

    dur_buf_reset(&b);
    is_int(dur_json_write(&b, v), DUR_OK, "a large object is written");
    json_decref(v);

    sorted = strncmp((char *) b.data, "{\"k000\":{\"a\":0,\"b\":0},\"k001\":",
                     28) == 0;
    ok(sorted, "in order");
    ok(dur_json_member(dur_buf_str(&b), dur_str("k499"), &member) == DUR_OK
       && dur_str_eq(member, dur_str("{\"a\":499,\"b\":499}")), "to the end");

    dur_buf_deinit(&b);
    dur_buf_init(&b, 10);
    dur_buf_addz(&b, "abc");

    v = dur_json_parse(dur_str("[1,2,3,4,5,6]"), NULL);
    is_int(dur_json_write(&b, v), DUR_ETOOBIG, "a value that does not fit");
    is_str(dur_buf_str(&b), "abc", "leaves the buffer as it was");
    json_decref(v);

    is_int(dur_json_write_string(&b, dur_str("\n\n\n\n")), DUR_ETOOBIG,
           "so does a string");
    is_str(dur_buf_str(&b), "abc", "whose escapes do not fit");

    dur_buf_deinit(&b);
}


static void
test_utf8(void)
{
    char    text[24];
    size_t  i;

    for (i = 0; i < 18; i++) {
        memset(text, 'a', sizeof(text));
        memcpy(text + i, "\xe2\x82\xac", 3);
        ok(dur_utf8_valid(dur_str_make(text, sizeof(text))),
           "a character of three bytes at %zu is UTF-8", i);
        ok(!dur_utf8_valid(dur_str_make(text, i + 2)), "half of it is not");

        text[i] = '\xff';
        ok(!dur_utf8_valid(dur_str_make(text, sizeof(text))),
           "nor is another byte in its place");
    }

    ok(dur_utf8_valid(dur_str_null), "nothing is");
}


static void
test_slices(void)
{
    size_t     pos, n;
    dur_rc_t   rc;
    dur_str_t  v;

    static const struct {
        const char  *text;
        const char  *key;
        const char  *value;             /* NULL: none */
    } cases[] = {
        { "{\"a\":1}", "a", "1" },
        { " { \"a\" : 1 , \"b\" : [ 1, 2 ] } ", "b", "[ 1, 2 ]" },
        { "{\"a\":1,\"a\":2}", "a", "2" },
        { "{\"a\":{\"b\":1},\"b\":2}", "b", "2" },
        { "{\"a\":\"}\\\"{\",\"b\":\"x\"}", "b", "\"x\"" },
        { "{\"a\":\"\\\\\",\"b\":true}", "b", "true" },
        { "{\"\\u0061\":1}", "a", "1" },
        { "{\"a\":1,\"\\u0061\":2}", "a", "2" },
        { "{\"\\ud83d\\ude00\":1}", "\xf0\x9f\x98\x80", "1" },
        { "{\"a\\n\":1}", "a\n", "1" },
        { "{\"a\":1.50e+3}", "a", "1.50e+3" },
        { "{\"a\":null}", "a", "null" },
        { "{\"\":0}", "", "0" },
        { "{}", "a", NULL }, { "{\"ab\":1}", "a", NULL },
        { "{\"a\":1}", "ab", NULL }, { "{\"a\":\"b\"}", "b", NULL },
        { "[1,[2,3],{\"x\":4}]", "0", "1" },
        { "[1,[2,3],{\"x\":4}]", "1", "[2,3]" },
        { "[ 1 , [2,3] , {\"x\":4} ]", "2", "{\"x\":4}" },
        { "[1]", "1", NULL }, { "[]", "0", NULL }, { "[1]", "x", NULL },
        { "[1]", "", NULL }, { "[1]", "-1", NULL },
        { "[1]", "99999999999999999999", NULL },
        { "5", "a", NULL }, { "\"a\"", "a", NULL }, { "", "a", NULL },
        /* no JSON: nothing is promised but to stay inside */
        { "{\"a\":", "a", NULL }, { "{\"a", "a", NULL },
        { "{\"a\":\"\\", "a", NULL }, { "[\"", "0", NULL },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        v = dur_str_null;
        rc = dur_json_member(dur_str_c(cases[i].text),
                             dur_str_c(cases[i].key), &v);
        is_int(rc, cases[i].value ? DUR_OK : DUR_ENOTFOUND,
               "%s has %s member \"%s\"", cases[i].text,
               cases[i].value ? "a" : "no", cases[i].key);
        is_str(v, cases[i].value ? cases[i].value : "", "as it stands there");
    }

    pos = 0;
    n = 0;

    while (dur_json_next(dur_str(" [ 1 , \"a,]\" , [ ] , {\"x\":[1]} ] "),
                         &pos, &v) == DUR_OK)
    {
        static const char *const  want[] = {
            "1", "\"a,]\"", "[ ]", "{\"x\":[1]}"
        };

        if (n < 4) {
            is_str(v, want[n], "element %zu of an array", n);
        }
        n++;
    }

    is_int(n, 4, "an array is walked to its end");
    is_int(dur_json_next(dur_str("[]"), &(size_t) { 0 }, &v), DUR_ENOTFOUND,
           "an empty array has no element");
    is_int(dur_json_next(dur_str("{}"), &(size_t) { 0 }, &v), DUR_ENOTFOUND,
           "an object is not walked");
    is_int(dur_json_next(dur_str("[1]"), &(size_t) { 9 }, &v), DUR_ENOTFOUND,
           "a position beyond the text is its end");
}


int
main(void)
{
    test_canonical();
    test_numbers();
    test_values();
    test_depth();
    test_write();
    test_utf8();
    test_slices();

    return done_testing();
}
