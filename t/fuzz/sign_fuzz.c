/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_sign.h"

FUZZ_TARGET("signature and bearer headers")

#define KEY  "signkey-test-12345678"
#define NOW  1705586504

const dur_str_t  fuzz_seeds[] = {
    dur_str("t=1705586504&s=5d851f97214506707591e8cb9fb6fd93"
            "e74a4231afe8dcc558e3b586ad4b5da7"),
    dur_str("s=5d851f97214506707591e8cb9fb6fd93e74a4231afe8dcc558e3b586ad4b5d"
            "a7&t=1705586504"),
    dur_str("Bearer signkey-test-12345678"),
    dur_str("Bearer b2ed992186a5cb19f6668aade821f502"
            "c1d00970dfd0e35128d51bac4649916c"),
    dur_str("signkey-branch-my_env-abc"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("t="), dur_str("s="), dur_str("&"), dur_str("Bearer "),
    dur_str("signkey-"), dur_str("-"), dur_str("0"), dur_str(" "),
    dur_str_null
};


static bool
contains(const uint8_t *data, size_t len, const char *text)
{
    return memmem(data, len, text, strlen(text)) != NULL;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    dur_rc_t   rc;
    dur_buf_t  b;
    dur_str_t  in, rest;

    in = dur_str_make(data, len);

    /* whatever is accepted holds the one signature, the key or its hash */

    rc = dur_sign_verify(dur_str(KEY), dur_str("{}"), in, NOW, 300);
    fuzz_check(rc != DUR_OK
               || (contains(data, len, "t=1705586504")
                   && contains(data, len,
                               "5d851f97214506707591e8cb9fb6fd93e74a4231afe8"
                               "dcc558e3b586ad4b5da7")));

    fuzz_check(!dur_bearer_check(in, dur_str(KEY))
               || contains(data, len, "12345678")
               || contains(data, len,
                           "b2ed992186a5cb19f6668aade821f502c1d00970dfd0e351"
                           "28d51bac4649916c"));

    /* the bytes as key: what it strips to is a tail of it */

    rest = dur_signing_key_strip(in);
    fuzz_check(rest.len <= len && rest.data + rest.len == data + len);

    dur_bearer_check(dur_str("Bearer 12345678"), in);

    dur_buf_init(&b, 1 << 16);
    rc = dur_signing_key_hash(in, &b);
    fuzz_check(rc == DUR_EINVAL ? b.len == 0
                                : b.len == len - rest.len + 64);
    dur_buf_deinit(&b);

    return 0;
}
