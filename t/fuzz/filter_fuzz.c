/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_filter.h"
#include "engine/dur_json.h"

FUZZ_TARGET("filters of lists and bulk jobs")

const dur_str_t  fuzz_seeds[] = {
    dur_str("{\"status\":\"Failed,completed\",\"app\":\"shop\",\"function\":"
            "\"shop-order\",\"event\":\"shop/*\",\"id\":\"01k8\",\"q\":"
            "\"event.data.x == 1 && output.y > 2\",\"after\":"
            "\"2026-01-02T03:04:05.678Z\",\"before\":"
            "\"2026-01-02T03:04:05+02:00\"}"),
    dur_str("{\"id\":\"01JQDAE4RQF8MBCR55T5AK4KXR\",\"q\":null}"),
    dur_str("{\"status\":\"Scheduled,Running,Cancelled,Skipped\"}"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("null"), dur_str("0"), dur_str("\"\""), dur_str("[]"),
    dur_str("{}"), dur_str("\\u0000"), dur_str("\\ud800"), dur_str("*"),
    dur_str(","), dur_str("\"status\":"), dur_str("\"q\":"),
    dur_str("0001-01-01T00:00:00Z"), dur_str("9999-12-31T23:59:59.999Z"),
    dur_str("1969-12-31T23:59:59.999Z"), dur_str("run.id"), dur_str("("),
    dur_str_null
};


/* What was asked, written and read again, is the same; nothing is refused
 * without a sentence. */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char                err[160];
    json_t             *root, *back;
    dur_rc_t            rc;
    dur_buf_t           one, two;
    dur_filter_t        f;
    dur_filter_want_t   want, again;

    root = dur_json_parse(dur_str_make(data, len), NULL);
    rc = dur_filter_read(root, &want, err);

    if (rc != DUR_OK) {
        fuzz_check(rc == DUR_EINVAL && err[0] != '\0');
        json_decref(root);
        return 0;
    }

    dur_buf_init(&one, 1 << 20);
    dur_buf_init(&two, 1 << 20);

    fuzz_check(dur_filter_write(&want, &one) == DUR_OK);
    back = dur_json_parse(dur_buf_str(&one), NULL);
    fuzz_check(back != NULL);
    fuzz_check(dur_filter_read(back, &again, err) == DUR_OK);
    fuzz_check(dur_filter_write(&again, &two) == DUR_OK);
    fuzz_check(dur_str_eq(dur_buf_str(&one), dur_buf_str(&two)));
    fuzz_check(dur_filter_all(&want) == dur_filter_all(&again));

    rc = dur_filter_open_events(&f, &want, 1790000000000, err);
    fuzz_check(rc == DUR_OK || (rc == DUR_EINVAL && err[0] != '\0'));

    if (rc == DUR_OK) {
        dur_filter_close(&f);
    }

    json_decref(back);
    json_decref(root);
    dur_buf_deinit(&one);
    dur_buf_deinit(&two);

    return 0;
}
