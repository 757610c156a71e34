/* SPDX-License-Identifier: BSD-2-Clause */

/* JSON Web Tokens with HMAC-SHA256. */

#include "tap.h"

#include "engine/dur_json.h"
#include "engine/dur_jwt.h"
#include "engine/dur_sign.h"

#include <stdlib.h>

#define NOW  1795228703

static const char  key[] = "a key of the server";


static dur_str_t
signed_with(dur_buf_t *b, const char *secret, const char *claims)
{
    dur_buf_reset(b);
    (void) dur_jwt_sign(dur_str_c(secret), dur_str_c(claims), b);

    return dur_buf_str(b);
}


static dur_rc_t
verified(dur_str_t token, int64_t now)
{
    json_t    *claims;
    dur_rc_t   rc;

    claims = NULL;
    rc = dur_jwt_verify(dur_str_c(key), token, now, &claims);
    json_decref(claims);

    return rc;
}


/* The token of RFC 7515, appendix A.1: other white space, a binary key. */
static void
test_rfc(void)
{
    size_t      n;
    json_t     *claims;
    uint8_t     secret[64];
    dur_str_t   token;

    token = dur_str("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
                    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6"
                    "Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
                    "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

    is_int(dur_unbase64(dur_str("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-"
                                "1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
                        secret, sizeof(secret), &n), DUR_OK, "the RFC's key");

    is_int(dur_jwt_verify(dur_str_make(secret, n), token, 1300819379,
                          &claims), DUR_OK, "verifies the RFC's token");
    ok(json_is_true(json_object_get(claims, "http://example.com/is_root")),
       "and its claims are there");
    json_decref(claims);

    is_int(dur_jwt_verify(dur_str_make(secret, n), token, 1300819380,
                          &claims), DUR_EACCES, "until it expires");
}


static void
test_round_trip(void)
{
    size_t      i;
    json_t     *claims;
    dur_buf_t   b, changed;
    dur_str_t   token, name;

    dur_buf_init(&b, 8192);
    dur_buf_init(&changed, 8192);

    token = signed_with(&b, key, "{\"RunID\":\"01\",\"exp\":1795232303,"
                        "\"text\":\"\u00e4?>~\"}");

    is_int(dur_jwt_verify(dur_str_c(key), token, NOW, &claims), DUR_OK,
           "what was signed verifies");
    (void) dur_json_get_string(claims, "RunID", &name);
    is_str(name, "01", "with its claims");
    json_decref(claims);

    ok(memchr(token.data, '=', token.len) == NULL
       && memchr(token.data, '+', token.len) == NULL
       && memchr(token.data, '/', token.len) == NULL,
       "it stands in a URL as it is");

    is_int(dur_jwt_verify(dur_str("another key"), token, NOW, &claims),
           DUR_EACCES, "another key does not open it");
    is_int(dur_jwt_verify(dur_str_null, token, NOW, &claims), DUR_EACCES,
           "and no key opens nothing");
    is_int(verified(token, 1795232303), DUR_EACCES, "nor does it last");

    for (i = 0; i < token.len; i++) {
        dur_buf_reset(&changed);
        dur_buf_adds(&changed, token);
        changed.data[i] = changed.data[i] == 'A' ? 'Q' : 'A';

        if (verified(dur_buf_str(&changed), NOW) == DUR_OK) {
            break;
        }
    }

    is_int(i, token.len, "no byte of it may be another one");

    for (i = 0; i < token.len; i++) {
        if (verified(dur_str_make(token.data, i), NOW) == DUR_OK) {
            break;
        }
    }

    is_int(i, token.len, "none may be missing");

    dur_buf_deinit(&b);
    dur_buf_deinit(&changed);
}


static void
test_refused(void)
{
    size_t     i;
    dur_buf_t  b;

    static const struct {
        const char  *claims;
        const char  *title;
    } claims[] = {
        { "{\"RunID\":\"01\"}", "a token that never expires" },
        { "{\"exp\":\"1795232303\"}", "an expiry that is text" },
        { "{\"exp\":1795228703}", "an expiry that is now" },
        { "{\"exp\":1795232303,\"nbf\":1795228704}", "one that begins later" },
        { "{\"exp\":1795232303,\"nbf\":\"x\"}", "a beginning that is text" },
        { "[1795232303]", "claims that are no object" },
        { "{\"exp\":1795232303", "claims that are half" }
    };

    static const char  *texts[] = {
        "", ".", "..", "...", "a.b.c", "a.b", "e30.e30.", "e30.e30.e30",
        "eyJhbGciOiJub25lIn0.eyJleHAiOjE3OTUyMzIzMDN9."
    };

    dur_buf_init(&b, 8192);

    for (i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        is_int(verified(signed_with(&b, key, claims[i].claims), NOW),
               DUR_EACCES, "refused: %s", claims[i].title);
    }

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        is_int(verified(dur_str_c(texts[i]), NOW), DUR_EACCES,
               "refused: \"%s\"", texts[i]);
    }

    dur_buf_deinit(&b);
}


/* Tokens whose signature is right but whose header is another one. */
static void
test_headers(void)
{
    char       text[256], mac[64];
    size_t     i, n;
    uint8_t    digest[32];

    static const char  *headers[] = {
        "{\"alg\":\"none\"}", "{\"alg\":\"HS384\"}", "{\"alg\":7}", "{}",
        "7", "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}"
    };

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        dur_base64(dur_str_c(headers[i]), text);
        n = strcspn(text, "=");
        n += (size_t) snprintf(text + n, sizeof(text) - n,
                               ".eyJleHAiOjE3OTUyMzIzMDN9");

        dur_hmac_sha256(dur_str_c(key), dur_str_make(text, n), dur_str_null,
                        digest);
        dur_base64(dur_str_make(digest, sizeof(digest)), mac);
        snprintf(text + n, sizeof(text) - n, ".%s", mac);

        is_int(verified(dur_str_c(text), NOW), DUR_EACCES,
               "refused though it is signed: header %s", headers[i]);
    }

    dur_base64(dur_str("{\"typ\":\"JWT\",\"alg\":\"HS256\"}"), text);
    n = strcspn(text, "=");
    n += (size_t) snprintf(text + n, sizeof(text) - n,
                           ".eyJleHAiOjE3OTUyMzIzMDN9");
    dur_hmac_sha256(dur_str_c(key), dur_str_make(text, n), dur_str_null,
                    digest);
    dur_base64(dur_str_make(digest, sizeof(digest)), mac);
    snprintf(text + n, sizeof(text) - n, ".%s", mac);
    is_int(verified(dur_str_c(text), NOW), DUR_OK,
           "the right header in another order is accepted");
}


int
main(void)
{
    test_rfc();
    test_round_trip();
    test_refused();
    test_headers();

    return done_testing();
}
