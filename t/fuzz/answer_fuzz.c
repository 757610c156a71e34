/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_answer.h"
#include "engine/dur_json.h"

FUZZ_TARGET("answers of SDKs")

/* The status, '\n', headers, an empty line, the body. */

#define ID  "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"
#define SDK "206\nx-inngest-sdk: js:v4\nx-inngest-req-version: 2\n\n"

const dur_str_t  fuzz_seeds[] = {
    dur_str(SDK "[{\"id\":\"" ID "\",\"op\":\"StepRun\",\"name\":\"a\","
            "\"displayName\":\"a\",\"opts\":{\"parallelMode\":\"race\"},"
            "\"data\":{\"v\":[1,2.5,\"x\"]}}]"),
    dur_str(SDK "[{\"id\":\"" ID "\",\"op\":\"StepError\",\"error\":{\"name\":"
            "\"E\",\"message\":\"m\"}},{\"id\":\"" ID "\",\"op\":\"Sleep\","
            "\"name\":\"1h30m\"}]"),
    dur_str(SDK "[{\"id\":\"" ID "\",\"op\":\"WaitForEvent\",\"name\":\"t/e\","
            "\"opts\":{\"timeout\":\"2026-11-21T10:00:00Z\",\"if\":\"true\"}},"
            "{\"id\":\"" ID "\",\"op\":\"WaitForSignal\",\"opts\":{\"signal\":"
            "\"s\",\"timeout\":\"\",\"conflict\":\"replace\"}}]"),
    dur_str(SDK "[{\"id\":\"" ID "\",\"op\":\"InvokeFunction\",\"opts\":{"
            "\"function_id\":\"a-b\",\"payload\":{\"data\":{}},\"timeout\":"
            "\"3d\"}},{\"op\":\"None\"},{\"op\":\"DiscoveryRequest\"}]"),
    dur_str(SDK "{\"id\":\"" ID "\",\"op\":\"RunComplete\",\"data\":null}"),
    dur_str(SDK "[{\"id\":\"" ID "\",\"op\":\"AIGateway\",\"opts\":{\"url\":"
            "\"http://h/\"}},{\"id\":\"" ID "\",\"op\":\"DeferAdd\",\"opts\":{"
            "\"fn_slug\":\"s\",\"input\":{}}}]"),
    dur_str("201\nx-inngest-sdk: go:v0\n\n   {\"status\":206,\"headers\":{"
            "\"x-inngest-req-version\":\"2\"},\"body\":\"[]\",\"noRetry\":"
            "true,\"retryAt\":\"2026-11-21T10:00:00Z\"}"),
    dur_str("500\nx-inngest-sdk: py:v0\nx-inngest-no-retry: true\n"
            "retry-after: 30\n\n{\"code\":\"c\",\"message\":\"m\",\"cause\":"
            "{}}"),
    dur_str("200\nx-inngest-sdk: js:v3\n\n\"{\\\"a\\\":1}\""),
    dur_str("502\n\n<html>"),
    dur_str("0\n\nrefused"),
    dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("\"op\":"), dur_str("\"StepPlanned\""), dur_str("\"Step\""),
    dur_str("\"StepFailed\""), dur_str("\"SyncRunComplete\""),
    dur_str("\"Gateway\""), dur_str("\"DeferAbort\""), dur_str("null"),
    dur_str("\"opts\":{"), dur_str("\"duration\":"), dur_str("\"id\":"),
    dur_str("367d"), dur_str("[]"), dur_str("{}"), dur_str("\\u0000"),
    dur_str("x-inngest-no-retry: false\n"), dur_str("\n\n"), dur_str("206"),
    dur_str("\"status\":"), dur_str("\"headers\":"), dur_str_null
};


static void
check_op(const uint8_t *data, size_t len, const dur_answer_op_t *op)
{
    fuzz_check(op->opcode <= DUR_OPCODE_SYNC_COMPLETE);
    fuzz_check(op->opname.len > 0);
    fuzz_check(op->due >= -1);

    if (op->opcode == DUR_OPCODE_STEP_ERROR
        || op->opcode == DUR_OPCODE_STEP_FAILED)
    {
        fuzz_check(op->error.len > 0);
    }

    if (op->opcode >= DUR_OPCODE_WAIT_EVENT
        && op->opcode <= DUR_OPCODE_GATEWAY)
    {
        fuzz_check(op->target.len > 0);
    }
}


static void
check_json(const uint8_t *data, size_t len, dur_str_t text, bool object)
{
    json_t  *value;

    value = dur_json_parse(text, NULL);
    fuzz_check(value != NULL && (!object || json_is_object(value)));
    json_decref(value);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t           i;
    const uint8_t   *p, *headers, *body;
    dur_arena_t      arena;
    dur_answer_t     answer;
    dur_op_result_t  result;

    memset(&result, 0, sizeof(result));

    for (p = data; p < data + len && *p >= '0' && *p <= '9'; p++) {
        result.status = (uint16_t) ((result.status * 10 + *p - '0') % 600);
    }

    headers = p < data + len ? p + 1 : p;

    for (body = headers; body < data + len; body++) {
        if (*body == '\n' && (body == headers || body[-1] == '\n')) {
            body++;
            break;
        }
    }

    result.headers = dur_str_make(headers, (size_t) (body - headers));
    result.body = dur_str_make(body, (size_t) (data + len - body));
    result.error_kind = result.status == 0 ? (uint8_t) (len % 9) : 0;
    result.error = result.body;

    dur_arena_init(&arena);

    fuzz_check(dur_answer_parse(&result, 1790000000000, &arena, &answer)
               == DUR_OK);

    switch (answer.kind) {

    case DUR_ANSWER_OPS:
        for (i = 0; i < answer.nops; i++) {
            check_op(data, len, &answer.ops[i]);
        }
        break;

    case DUR_ANSWER_DONE:
        check_json(data, len, answer.output, false);
        break;

    default:
        fuzz_check(answer.kind == DUR_ANSWER_ERROR);
        check_json(data, len, answer.error, true);
    }

    fuzz_check(answer.retry_at == 0
               || (answer.retry_at >= 1790000001000
                   && answer.retry_at <= 1790000000000 + 86400000));

    dur_arena_deinit(&arena);

    return 0;
}
