/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_sign.h"
#include "engine/dur_ulid.h"


#define KEY_SHORT  "signkey-test-12345678"
#define KEY_LONG   "signkey-test-8ee2262a15e8d3c42d6a840db7af3de2"           \
                   "aab08ef632b32a37a687f24b34dba3ff"
#define NOW        1705586504


static void
test_digests(void)
{
    char       hex[65];
    uint8_t    d[32];
    dur_str_t  parts[2];

    /* Protocol 4.5. */

    static const char *const  ids[][2] = {
        { "a", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8" },
        { "my-step-id", "e7d8a2f140845095749d60246ff1110c9d01d76a" },
        { "my-step-id:1", "f47c6228c581af870aa285200cf95ec3ac59bb6a" },
        { "complete", "0737c22d3bfae812339732d14d8c7dbd6dc4e09c" },
    };

    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        dur_sha1(dur_str_c(ids[i][0]), d);
        dur_hex(d, 20, hex);
        is_str(dur_str_c(hex), ids[i][1], "SHA-1 of the step id \"%s\"",
               ids[i][0]);
    }

    parts[0] = dur_str("my-step");
    parts[1] = dur_str("-id:1");
    dur_sha1_parts(parts, 2, d);
    dur_hex(d, 20, hex);
    is_str(dur_str_c(hex), ids[2][1], "SHA-1 of parts is that of the whole");

    dur_sha256(dur_str("test-event-key"), d);
    dur_hex(d, 32, hex);
    is_str(dur_str_c(hex), "5d0ef16ddc80ea26888cd520cffb7b3c118e5c0ddddc2786"
           "73cfe69e203a093e", "SHA-256 of an event key");

    /* RFC 4231, test cases 2 and 6. */

    dur_hmac_sha256(dur_str("Jefe"), dur_str("what do ya want "),
                    dur_str("for nothing?"), d);
    dur_hex(d, 32, hex);
    is_str(dur_str_c(hex), "5bdcc146bf60754e6a042426089575c75a003f089d273983"
           "9dec58b964ec3843", "HMAC of a short key, over two parts");

    {
        uint8_t  key[131];

        memset(key, 0xaa, sizeof(key));
        dur_hmac_sha256(dur_str_make(key, sizeof(key)), dur_str("Test Using "
                        "Larger Than Block-Size Key - Hash Key First"),
                        dur_str_null, d);
        dur_hex(d, 32, hex);
        is_str(dur_str_c(hex), "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728"
               "c5140546040f0ee37f54", "HMAC of a key longer than a block");
    }

    ok(dur_const_eq(dur_str("same"), dur_str("same")), "equal keys are equal");
    ok(!dur_const_eq(dur_str("same"), dur_str("samE")), "others are not");
    ok(!dur_const_eq(dur_str("same"), dur_str("sam")), "nor shorter ones");
    ok(dur_const_eq(dur_str_null, dur_str("")), "empty equals empty");
}


static void
test_base64(void)
{
    char      text[32];
    size_t    n;
    uint8_t   p[16];

    static const struct {
        const char  *plain;
        const char  *text;
    } pairs[] = {                                   /* RFC 4648 */
        { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "+/+/" }
    };

    static const char *const  bad[] = {
        "Z", "Zg=", "Zh==", "Zm9=", "Zm9v=", "Z===", "Zm 9", "Zm9v====",
        "====", "Zm9vYmFyZm9vYmFyZm9vYmFy"
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        dur_base64(dur_str_c(pairs[i].plain), text);
        is_str(dur_str_c(text), pairs[i].text, "base64 number %zu", i);

        is_int(dur_unbase64(dur_str_c(pairs[i].text), p, sizeof(p), &n),
               DUR_OK, "base64 number %zu is decoded", i);
        is_str(dur_str_make(p, n), pairs[i].plain, "to what it was");
    }

    is_int(dur_unbase64(dur_str("-_-_"), p, sizeof(p), &n), DUR_OK,
           "the alphabet of URLs is read");
    ok(n == 3 && memcmp(p, "\xfb\xff\xbf", 3) == 0, "as the other one");
    is_int(dur_unbase64(dur_str("Zm8"), p, sizeof(p), &n), DUR_OK,
           "padding is optional");

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        is_int(dur_unbase64(dur_str_c(bad[i]), p, sizeof(p), &n), DUR_EINVAL,
               "\"%s\" is no base64 of at most 16 bytes", bad[i]);
    }
}


static void
test_strip(void)
{
    static const char *const  keys[][2] = {
        { "signkey-test-12345678", "12345678" },
        { "signkey-branch-my_env-abc", "my_env-abc" },
        { "signkey-my_env-abc", "abc" },
        { "signkey-prod-", "" },
        { "signkey--abc", "signkey--abc" },
        { "signkey-abc", "signkey-abc" },
        { "12345678", "12345678" },
        { "xsignkey-test-1", "xsignkey-test-1" },
        { "", "" },
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        is_str(dur_signing_key_strip(dur_str_c(keys[i][0])), keys[i][1],
               "the prefix of \"%s\" is not part of the key", keys[i][0]);
    }
}


/* Protocol 7.4. */

static void
test_signature(void)
{
    char  text[96];

    static const struct {
        const char  *body;
        const char  *with_short;
        const char  *with_long;
    } cases[] = {
        { "{\"a\":\"\xc3\xa9\",\"b\":1,\"f\":1.5,"
          "\"n\":{\"y\":null,\"z\":[3,1]}}",
          "05be546d6d331d574d9e83756a75f20b65589cba826ad9003eba8e83d58d3aef",
          "2ab3dff3fe7e3f7c4c127871ade3624b10f5d5809a16acc23b32e7d098cd5669" },
        { "{\"b\":1,\"a\":2}",
          "694e9e77e30750f54254d420794a9b5067f903fc72d0057c4a92026d154106c3",
          "2362fc8eaf0fbcee9405b70ef3610c781739169939325c84e3ff818f1795ffa9" },
        { "",
          "5382b6f2675f33d0dee56e929fc1d170032d3270c297d33e1ce16b4dc1227cf3",
          "d9f0038052f28507f3c4b8df5d6896ae22de12c26c23d29b4a478a3a7759c6b0" },
        { "{}",
          "5d851f97214506707591e8cb9fb6fd93e74a4231afe8dcc558e3b586ad4b5da7",
          "c72c72894b744ce34085d6e5fe80a76e517fa51325ef0bef322239c1880c7d07" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dur_str_t  body = dur_str_c(cases[i].body);

        dur_sign_request(dur_str(KEY_SHORT), body, NOW, text);
        ok(strncmp(text, "t=1705586504&s=", 15) == 0,
           "a signature starts with its time");
        is_str(dur_str_c(text + 15), cases[i].with_short,
               "body %zu is signed with the short key", i);
        is_int(dur_sign_verify(dur_str(KEY_SHORT), body, dur_str_c(text), NOW,
                               300), DUR_OK, "and verified");
        is_int(dur_sign_verify(dur_str(KEY_LONG), body, dur_str_c(text), NOW,
                               300), DUR_EACCES, "not with another key");

        dur_sign_request(dur_str(KEY_LONG), body, NOW, text);
        is_str(dur_str_c(text + 15), cases[i].with_long,
               "body %zu is signed with the long key", i);
    }
}


static void
test_verify(void)
{
    char  text[160];
    char  good[96];

    static const struct {
        const char  *header;
        int          rc;
        const char  *title;
    } cases[] = {
        { "", DUR_EINVAL, "no header is malformed" },
        { "t=1705586504", DUR_EINVAL, "a time alone is malformed" },
        { "s=%s", DUR_EINVAL, "a signature alone is malformed" },
        { "t=&s=%s", DUR_EINVAL, "an empty time is malformed" },
        { "t=1705586504x&s=%s", DUR_EINVAL, "a time with a letter" },
        { "t=-1705586504&s=%s", DUR_EINVAL, "a negative time" },
        { "t=01705586504&s=%s", DUR_EINVAL, "a time with a leading zero" },
        { "t=99999999999999999999&s=%s", DUR_EINVAL, "an endless time" },
        { "t=1705586504&s=%s0", DUR_EINVAL, "a signature that is too long" },
        { "t=1705586504&s=ab", DUR_EINVAL, "a signature that is too short" },
        { "t=1705586505&s=%s", DUR_EACCES, "the time is signed too" },
        { "s=%s&t=1705586504", DUR_OK, "the order does not matter" },
        { "t=1705586504&s=%s&x=1", DUR_OK, "other parameters are ignored" },
    };

    dur_sign_request(dur_str(KEY_SHORT), dur_str("{}"), NOW, good);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char  *at = strstr(cases[i].header, "%s");

        if (at != NULL) {
            snprintf(text, sizeof(text), "%.*s%s%s",
                     (int) (at - cases[i].header), cases[i].header, good + 15,
                     at + 2);
        } else {
            snprintf(text, sizeof(text), "%s", cases[i].header);
        }

        is_int(dur_sign_verify(dur_str(KEY_SHORT), dur_str("{}"),
                               dur_str_c(text), NOW, 300),
               cases[i].rc, "%s", cases[i].title);
    }

    is_int(dur_sign_verify(dur_str(KEY_SHORT), dur_str("{} "),
                           dur_str_c(good), NOW, 300), DUR_EACCES,
           "a changed body is refused");

    for (int late = -301; late <= 301; late++) {
        if (late > -300 && late < 300 && late != 0) {
            continue;
        }

        is_int(dur_sign_verify(dur_str(KEY_SHORT), dur_str("{}"),
                               dur_str_c(good), NOW + late, 300),
               late < -300 || late > 300 ? DUR_ECONFLICT : DUR_OK,
               "a signature that is %d s old", late);
    }

    dur_sign_request(dur_str("signkey-prod-"), dur_str("{}"), NOW, good);
    is_int(dur_sign_verify(dur_str("signkey-prod-"), dur_str("{}"),
                           dur_str_c(good), NOW, 300), DUR_EACCES,
           "nobody signs with an empty key");
}


/* Protocol 7.3, 7.4. */

static void
test_bearer(void)
{
    char       header[256];
    dur_buf_t  b;

    static const char *const  keys[][2] = {
        { "signkey-test-12345678",
          "signkey-test-b2ed992186a5cb19f6668aade821f502"
          "c1d00970dfd0e35128d51bac4649916c" },
        { "12345678",
          "b2ed992186a5cb19f6668aade821f502"
          "c1d00970dfd0e35128d51bac4649916c" },
        { "signkey-prod-f00dbabedeadbeef00112233445566778899aabbccddeeff"
          "0011223344556677",
          "signkey-prod-e478fdc8c68554574641b9c4c1a43ae950b8f86fd9a8c813"
          "d1516d280ff3ac76" },
        { KEY_LONG,
          "signkey-test-e4bf4a2e7f55c7eb954b6e72f8f69628fbc409fe7da6d0f6"
          "958770987dcf0e02" },
    };

    static const struct {
        const char  *header;
        const char  *key;
        bool         good;
    } cases[] = {
        { "Bearer 12345678", KEY_SHORT, true },
        { "bearer signkey-prod-12345678", KEY_SHORT, true },
        { "BEARER   12345678  ", KEY_SHORT, true },
        { "Bearer b2ed992186a5cb19f6668aade821f502"
          "c1d00970dfd0e35128d51bac4649916c", "12345678", true },
        { "Bearer 1234567", KEY_SHORT, false },
        { "Bearer 123456789", KEY_SHORT, false },
        { "Bearer undefined", KEY_SHORT, false },
        { "Bearer ", KEY_SHORT, false },
        { "Bearer", KEY_SHORT, false },
        { "", KEY_SHORT, false },
        { "Basic 12345678", KEY_SHORT, false },
        { "Bearer12345678", KEY_SHORT, false },
        { "Bearer signkey-prod-", "signkey-prod-", false },
        { "Bearer signkey-prod-", "signkey-prod-not hex", false },
        { "Bearer signkey-prod-not hex", "signkey-prod-not hex", true },
        { "Bearer ", "", false },
    };

    dur_buf_init(&b, 1024);

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        dur_buf_reset(&b);
        is_int(dur_signing_key_hash(dur_str_c(keys[i][0]), &b), DUR_OK,
               "key %zu is hashed", i);
        is_str(dur_buf_str(&b), keys[i][1], "to the token of the SDKs");

        snprintf(header, sizeof(header), "Bearer %s", keys[i][1]);
        ok(dur_bearer_check(dur_str_c(header), dur_str_c(keys[i][0])),
           "which the key accepts");
    }

    dur_buf_reset(&b);
    is_int(dur_signing_key_hash(dur_str("signkey-test-"), &b), DUR_EINVAL,
           "an empty key has no hash");
    is_int(dur_signing_key_hash(dur_str("signkey-test-xyz0"), &b), DUR_EINVAL,
           "a key that is not hex has no hash");
    is_int(dur_signing_key_hash(dur_str("123"), &b), DUR_EINVAL,
           "nor has half a byte");

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ok(dur_bearer_check(dur_str_c(cases[i].header),
                            dur_str_c(cases[i].key)) == cases[i].good,
           "\"%s\" is %s by the key \"%s\"", cases[i].header,
           cases[i].good ? "accepted" : "refused", cases[i].key);
    }

    dur_buf_deinit(&b);
}


int
main(void)
{
    test_digests();
    test_base64();
    test_strip();
    test_signature();
    test_verify();
    test_bearer();

    return done_testing();
}
