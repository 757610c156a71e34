/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_json.h"
#include "engine/dur_served.h"
#include "engine/dur_served_call.h"
#include "engine/dur_sign.h"

FUZZ_TARGET("calls that another server makes")

#define A  "\"86f7e437faa5a7fce15d1ddcb9eaeaea377667b8\""

const dur_str_t  fuzz_seeds[] = {
    dur_str("{\"ctx\":{\"attempt\":0,\"disable_immediate_execution\":false,"
            "\"max_attempts\":5,\"qi_id\":\"1\",\"run_id\":"
            "\"01J00000000000000000000001\",\"stack\":{\"current\":1,"
            "\"stack\":[" A "]},\"use_api\":false},\"event\":{\"data\":{},"
            "\"name\":\"n\"},\"events\":[],\"steps\":{" A ":{\"data\":1}},"
            "\"use_api\":true,\"version\":-1}"),
    dur_str("{\"ctx\":{\"run_id\":\"r\"},\"event\":{},\"steps\":{" A
            ":{\"input\":[]}}}"),
    dur_str("\1\0\1\0\0\0\1\0\0\0\2\0\2\0\0\0\1a\0\0\0\1P\0\0\0\10http://a"
            "\0\0\0\0\0\0\0\0"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("\"ctx\":"), dur_str("\"run_id\":"), dur_str("\"attempt\":"),
    dur_str("\"max_attempts\":"), dur_str("\"stack\":"), dur_str("[]"),
    dur_str("\"steps\":"), dur_str("\"event\":"), dur_str("\"version\":"),
    dur_str("{}"), dur_str("null"), dur_str("true"), dur_str(A),
    dur_str("\"error\":"), dur_str("http://"), dur_str_null
};


static void
check_call(const uint8_t *data, size_t len)
{
    json_t             *event;
    dur_buf_t           b;
    dur_hash_t          step;
    const char         *wrong;
    dur_served_t        served;
    dur_served_call_t   call;

    wrong = dur_served_call_read(dur_str_make(data, len), &call);
    fuzz_check(wrong == NULL || *wrong);

    if (wrong == NULL) {
        event = dur_json_parse(call.event, NULL);
        fuzz_check(json_is_object(event));

        dur_sha1(dur_str("a"), step.b);
        fuzz_check(dur_served_call_memo(&call, &step) == NULL
                   || dur_served_call_done(&call, &step));

        memset(&served, 0, sizeof(served));
        served.state = DUR_SERVED_FAILED;

        dur_buf_init(&b, 8 * len + 4096);
        fuzz_check(dur_served_write_result(&b, &step, call.event, &served,
                                           call.event) == DUR_OK);
        json_decref(event);
        event = dur_json_parse(dur_buf_str(&b), NULL);
        fuzz_check(json_array_size(event) == 1);
        json_decref(event);
        dur_buf_deinit(&b);
    }

    dur_served_call_free(&call);
}


static void
check_request(const uint8_t *data, size_t len)
{
    dur_buf_t             b;
    uint16_t              expect[DUR_SERVED_EXPECT];
    dur_served_request_t  request;

    if (dur_served_decode(dur_str_make(data, len), &request) != DUR_OK) {
        return;
    }

    dur_served_expect(&request, expect);
    request.expect = expect;

    dur_buf_init(&b, len + 4096);
    fuzz_check(dur_served_encode(&request, &b) == DUR_OK);
    fuzz_check(b.len == len && memcmp(b.data, data, len) == 0);
    dur_buf_deinit(&b);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    check_call(data, len);
    check_request(data, len);

    return 0;
}
