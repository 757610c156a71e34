/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_expr.h"
#include "engine/dur_json.h"

FUZZ_TARGET("expressions")

const dur_str_t  fuzz_seeds[] = {
    dur_str("event.data.function_id == 'myapp-full'"),
    dur_str("event.data['a\\u00e9\\x41\\101'] != \"it's\" && 5 == event.ts"),
    dur_str("event.data.list[0].k == null && event.data.t == true"),
    dur_str("event . a == -9223372036854775807"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("event"), dur_str("=="), dur_str("!="), dur_str("&&"),
    dur_str("."), dur_str("["), dur_str("]"), dur_str("'"), dur_str("\""),
    dur_str("\\"), dur_str("\\U0010ffff"), dur_str("null"), dur_str("true"),
    dur_str("99999999999999999999"), dur_str("event.a==1&&"), dur_str("-"),
    dur_str_null
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char           err[160];
    bool           first;
    dur_rc_t       rc;
    dur_expr_t    *expr;

    static json_t  *event;

    if (event == NULL) {
        event = dur_json_parse(dur_str("{\"ts\":5,\"data\":{\"function_id\":"
                                       "\"myapp-full\",\"list\":[{\"k\":null}"
                                       "],\"t\":true,\"a\":1.5}}"), NULL);
    }

    rc = dur_expr_compile(dur_str_make(data, len), &expr, err);

    if (rc != DUR_OK) {
        fuzz_check(rc == DUR_EINVAL && expr == NULL);
        fuzz_check(err[0] != '\0'
                   && memchr(err, '\0', sizeof(err)) != NULL);
        return 0;
    }

    first = dur_expr_true(expr, event);
    fuzz_check(dur_expr_true(expr, event) == first);
    dur_expr_true(expr, NULL);

    dur_expr_free(expr);

    return 0;
}
