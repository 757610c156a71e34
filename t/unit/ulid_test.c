/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_ulid.h"


static void
test_text(void)
{
    char        text[DUR_ULID_TEXT_LEN + 1];
    dur_ulid_t  u, v;

    static const struct {
        const char  *text;
        bool         good;
        const char  *title;
    } cases[] = {
        { "01JQDAE4RQF8MBCR55T5AK4KXR", true, "a ULID is read" },
        { "01jqdae4rqf8mbcr55t5ak4kxr", true, "lower case is read" },
        { "7ZZZZZZZZZZZZZZZZZZZZZZZZZ", true, "the largest ULID is read" },
        { "00000000000000000000000000", true, "the smallest ULID is read" },
        { "80000000000000000000000000", false, "129 bits are refused" },
        { "01JQDAE4RQF8MBCR55T5AK4KX", false, "25 characters are refused" },
        { "01JQDAE4RQF8MBCR55T5AK4KXRR", false, "27 characters are refused" },
        { "01JQDAE4RQF8MBCR55T5AK4KXI", false, "the letter I is refused" },
        { "01JQDAE4RQF8MBCR55T5AK4KXL", false, "the letter L is refused" },
        { "01JQDAE4RQF8MBCR55T5AK4KXO", false, "the letter O is refused" },
        { "01JQDAE4RQF8MBCR55T5AK4KXU", false, "the letter U is refused" },
        { "01JQDAE4RQF8MBCR55T5AK4KX-", false, "a sign is refused" },
        { "", false, "no text is refused" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(dur_ulid_parse(dur_str_c(cases[i].text), &u),
               cases[i].good ? DUR_OK : DUR_EINVAL, "%s", cases[i].title);

        if (cases[i].good) {
            dur_ulid_text(&u, text);
            ok(dur_str_caseeq(dur_str_c(text), dur_str_c(cases[i].text)),
               "%s, and written again", cases[i].title);
        }
    }

    dur_ulid_make(&u, 1743130137367, (const uint8_t *) "abcdefghij");
    is_int((int64_t) dur_ulid_ms(&u), 1743130137367, "a ULID keeps its time");

    dur_ulid_make(&v, 1743130137368, (const uint8_t *) "abcdefghij");
    ok(memcmp(&u, &v, sizeof(u)) < 0, "a later ULID is greater");
}


/* Protocol 1.4. */

static void
test_seed(void)
{
    char        text[DUR_ULID_TEXT_LEN + 1];
    uint8_t     entropy[10];
    uint64_t    ms;
    dur_ulid_t  u;

    static const char *const  ids[] = {
        "01JQDAE4RQF8MBCR55T5AK4KXR", "01JQDAE4RQF8MBCR55T5AK4KXS",
        "01JQDAE4RQF8MBCR55T5AK4KXT"
    };

    static const char *const  malformed[] = {
        "", ",", "1743130137367", "1743130137367,", ",eii2YKXRVTJPuA==",
        "x,eii2YKXRVTJPuA==", "-1,eii2YKXRVTJPuA==", "1 ,eii2YKXRVTJPuA==",
        "281474976710656,eii2YKXRVTJPuA==",         /* 2^48 ms */
        "99999999999999999999999,eii2YKXRVTJPuA==",
        "1743130137367,eii2YKXRVTJP",               /* 9 bytes */
        "1743130137367,eii2YKXRVTJPuAA=",           /* 11 bytes */
        "1743130137367,eii2YKXRVTJPu*==",
        "1743130137367,eii2YKXRVTJPuA== "
    };

    is_int(dur_ulid_seed_parse(dur_str("1743130137367,eii2YKXRVTJPuA=="),
                               &ms, entropy), DUR_OK, "a seed is read");

    for (uint32_t i = 0; i < 3; i++) {
        dur_ulid_from_seed(&u, ms, entropy, i);
        dur_ulid_text(&u, text);
        is_str(dur_str_c(text), ids[i],
               "the seed and index %u make the protocol's id", i);
    }

    memset(entropy + 6, 0xff, 4);
    dur_ulid_from_seed(&u, ms, entropy, 2);
    is_int(dur_get32(u.b + 12), 1, "the index wraps in its four bytes");

    for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++) {
        is_int(dur_ulid_seed_parse(dur_str_c(malformed[i]), &ms, entropy),
               DUR_EINVAL, "the seed \"%s\" is refused", malformed[i]);
    }
}


static void
test_hash(void)
{
    char        text[DUR_HASH_TEXT_LEN + 1];
    uint8_t     p[3];
    dur_hash_t  h;

    is_int(dur_hash_parse(dur_str("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
                          &h), DUR_OK, "a step id is read");
    dur_hash_text(&h, text);
    is_str(dur_str_c(text), "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8",
           "and written again");
    is_int(dur_hash_parse(dur_str("86F7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
                          &h), DUR_EINVAL, "upper case is no step id");
    is_int(dur_hash_parse(dur_str("86f7e437faa5a7fce15d1ddcb9eaeaea377667b"),
                          &h), DUR_EINVAL, "39 characters are no step id");
    is_int(dur_hash_parse(dur_str("step"), &h), DUR_EINVAL,
           "the word step is no step id");

    is_int(dur_unhex(dur_str("00fFa9"), p, 3), DUR_OK, "hex in either case");
    ok(p[0] == 0 && p[1] == 255 && p[2] == 0xa9, "is decoded");
    is_int(dur_unhex(dur_str("00ff"), p, 3), DUR_EINVAL, "too short a hex");
    is_int(dur_unhex(dur_str("00ffg0"), p, 3), DUR_EINVAL, "a g is no hex");
}


static void
test_uuid(void)
{
    char  a[DUR_UUID_TEXT_LEN + 1], b[DUR_UUID_TEXT_LEN + 1];

    dur_uuid5("app", dur_str("myapp"), a);
    dur_uuid5("app", dur_str("myapp"), b);

    is_int(strlen(a), DUR_UUID_TEXT_LEN, "a UUID has 36 characters");
    is_str(dur_str_c(a), b, "one name has one UUID");
    is_str(dur_str_c(a), "863ccfa0-a37d-53cb-9d58-be6bc3038ee1",
           "which never changes: it is stored by SDKs");
    ok(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-',
       "the dashes stand where they belong");
    ok(a[14] == '5', "its version is 5");
    ok(strchr("89ab", a[19]) != NULL, "its variant is that of RFC 4122");

    dur_uuid5("function", dur_str("myapp"), b);
    ok(strcmp(a, b) != 0, "an app and a function of one name differ");
}


int
main(void)
{
    test_text();
    test_seed();
    test_hash();
    test_uuid();

    return done_testing();
}
