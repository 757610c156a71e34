/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_config.h"
#include "engine/dur_op.h"

FUZZ_TARGET("ops, replies and configurations")

#define HEAD(type)  "\x01" type "\x00\x00" "0123456789abcdef"

const dur_str_t  fuzz_seeds[] = {
    dur_str(HEAD("\x02") "\x00\x00\x00\x02"
            "0123456789abcdef\x01\x00\x00\x00\x00\x00\x00\x00\x05"
            "\x00\x00\x00\x03" "a/b" "\x00\x00\x00\x00" "\x00\x00\x00\x02{}"
            "0123456789abcdef\x00\x00\x00\x00\x00\x00\x00\x00\x06"
            "\x00\x00\x00\x00" "\x00\x00\x00\x01x" "\x00\x00\x00\x02{}"),
    dur_str(HEAD("\x03") "\x00\x00\x00\x02{}"),
    dur_str(HEAD("\x04") "\x00\x00\x00\x01u\x00\x00\x00\x00"),
    dur_str(HEAD("\x06") "01234567" "0123" "\x00\xce" "\x00" "01234567"
            "01234567" "\x00\x00\x00\x00\x00\x00\x00\x01h\x00\x00\x00\x02[]"),
    dur_str(HEAD("\x07") "0123456789abcdef" "\x00\x00\x00\x0c"
            "0123456789ab"),
    dur_str(HEAD("\x08") "\x00\x00\x00\x10"), dur_str(HEAD("\x09")),
    dur_str(HEAD("\x0b") "0123456789abcdef"),
    dur_str("\x00\xc8\x01\x00{\"a\":1}"),
    dur_str("\x01\x08\x00\x00\x00\x00\x00\x00\x00\x01"
            "\x04\x08\x00\x00\x00\x00\x00\x00\x03\xe8"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("\xff\xff\xff\xff"), dur_str("\x00\x00\x00\x00"),
    dur_str("\x00\x00\x13\x88"), dur_str("\x7f\xff\xff\xff"),
    dur_str("\x00\x00\x00\x01"), dur_str_null
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    dur_op_t      op;
    dur_buf_t     b;
    dur_str_t     in;
    dur_reply_t   reply;
    dur_arena_t   arena;
    dur_config_t  conf, again;

    in = dur_str_make(data, len);

    dur_arena_init(&arena);
    dur_buf_init(&b, 1 << 20);

    /* one text for one op */

    if (dur_op_decode(in, &op, &arena) == DUR_OK) {
        fuzz_check(dur_op_encode(&op, &b) == DUR_OK);
        fuzz_check(dur_str_eq(dur_buf_str(&b), in));
    }

    dur_buf_reset(&b);

    if (dur_reply_decode(in, &reply) == DUR_OK) {
        fuzz_check(dur_reply_encode(&reply, &b) == DUR_OK);
        fuzz_check(dur_str_eq(dur_buf_str(&b), in));
    }

    dur_buf_reset(&b);

    if (dur_config_decode(in, &conf) == DUR_OK) {
        fuzz_check(dur_config_encode(&conf, &b) == DUR_OK);
        fuzz_check(dur_config_decode(dur_buf_str(&b), &again) == DUR_OK);
        fuzz_check(again.retention == conf.retention
                   && again.max_steps == conf.max_steps
                   && again.retry_interval == conf.retry_interval);
    }

    dur_buf_deinit(&b);
    dur_arena_deinit(&arena);

    return 0;
}
