/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_frame.h"

FUZZ_TARGET("frames")

const dur_str_t  fuzz_seeds[] = {
    /* HELLO: VERSION u32, EPOCH u64 */
    dur_str("\x00\x00\x00\x18\x01\x01\x00\x14"
            "\x00\x01\x00\x04\x00\x00\x00\x01"
            "\x00\x03\x00\x08\x00\x00\x00\x00\x00\x00\x00\x07"),
    /* ACK: ATTEMPT, then PING with data */
    dur_str("\x00\x00\x00\x14\x09\x01\x00\x10\x00\x07\x00\x0c"
            "0123456789ab"
            "\x00\x00\x00\x08\x0b\x01\x00\x00" "echo"),
    /* RESULT: STATUS u16, ERROR, data */
    dur_str("\x00\x00\x00\x14\x08\x00\x00\x0e\x00\x10\x00\x02\x00\xce"
            "\x00\x11\x00\x04lost[]"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("\xff\xff\xff\xff"), dur_str("\x00\x00\x00\x00"),
    dur_str("\xff\xff"), dur_str("\x00\x00"), dur_str("\x00\x01\x80\x04"),
    dur_str("\x00\x00\x00\x04\x0b\x01\x00\x00"), dur_str_null
};


static void
check_frame(const uint8_t *data, size_t len, const dur_frame_t *f,
    const uint8_t *start, size_t used)
{
    uint64_t   n;
    dur_str_t  v;

    fuzz_check(f->header.len <= DUR_FRAME_HEADER_MAX);
    fuzz_check(f->data.len <= DUR_FRAME_DATA_MAX);
    fuzz_check(f->header.len + f->data.len + DUR_FRAME_PREFIX == used);

    for (int tag = 0; tag <= DUR_TAG_SEQUENCE + 1; tag++) {
        if (dur_frame_get(f, (dur_tag_t) tag, &v) == DUR_OK) {
            fuzz_check(v.data >= start && v.data + v.len <= start + used);
        }

        dur_frame_get_u64(f, (dur_tag_t) tag, &n);
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t       at, used, need;
    dur_rc_t     rc;
    dur_frame_t  f;

    for (at = 0; at < len; at += used) {
        used = 0;
        need = 0;

        rc = dur_frame_decode(dur_str_make(data + at, len - at), &f, &used,
                              &need);

        if (rc == DUR_ENOTFOUND) {
            fuzz_check(need == 0 || need > len - at);
            return 0;
        }

        if (rc != DUR_OK) {
            fuzz_check(rc == DUR_EINVAL);
            return 0;
        }

        fuzz_check(used >= DUR_FRAME_PREFIX && used <= len - at);
        check_frame(data, len, &f, data + at, used);
    }

    return 0;
}
