/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_sign.h"
#include "engine/dur_ulid.h"

FUZZ_TARGET("ids, seeds, hex and base64")

const dur_str_t  fuzz_seeds[] = {
    dur_str("01JQDAE4RQF8MBCR55T5AK4KXR"),
    dur_str("7zzzzzzzzzzzzzzzzzzzzzzzzz"),
    dur_str("1743130137367,eii2YKXRVTJPuA=="),
    dur_str("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
    dur_str("Zm9vYmFyZm9vYmE="), dur_str("-_-_"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("="), dur_str("=="), dur_str(","), dur_str("99999999"),
    dur_str("I"), dur_str("u"), dur_str("+/"), dur_str("-_"), dur_str_null
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char        text[64], *base64;
    size_t      n;
    uint8_t     entropy[10], *out;
    uint64_t    ms;
    dur_str_t   in;
    dur_hash_t  h;
    dur_ulid_t  u;

    in = dur_str_make(data, len);

    if (dur_ulid_parse(in, &u) == DUR_OK) {
        dur_ulid_text(&u, text);
        fuzz_check(dur_str_caseeq(dur_str_c(text), in));
    }

    if (dur_hash_parse(in, &h) == DUR_OK) {
        dur_hash_text(&h, text);
        fuzz_check(dur_str_eq(dur_str_c(text), in));
    }

    if (dur_ulid_seed_parse(in, &ms, entropy) == DUR_OK) {
        dur_ulid_from_seed(&u, ms, entropy, 0);
        fuzz_check(dur_ulid_ms(&u) == ms);
        fuzz_check(memcmp(u.b + 6, entropy, 10) == 0);
    }

    /* what is decoded is encoded again; buffers of exactly the size */

    out = malloc(len + 1);
    base64 = malloc(4 * ((len + 2) / 3) + 1);

    if (out == NULL || base64 == NULL) {
        abort();
    }

    if (dur_unbase64(in, out, len, &n) == DUR_OK) {
        fuzz_check(n <= len);
        dur_base64(dur_str_make(out, n), base64);

        for (size_t i = 0; i < len && data[i] != '='; i++) {
            fuzz_check((uint8_t) base64[i] == data[i] || data[i] == '-'
                       || data[i] == '_');
        }

        if (n > 0) {
            fuzz_check(dur_unbase64(in, out, n - 1, &n) == DUR_EINVAL);
        }
    }

    dur_base64(in, base64);
    fuzz_check(dur_unbase64(dur_str_c(base64), out, len, &n) == DUR_OK);
    fuzz_check(dur_str_eq(dur_str_make(out, n), in));

    free(out);
    free(base64);

    return 0;
}
