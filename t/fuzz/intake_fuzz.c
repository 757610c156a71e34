/* SPDX-License-Identifier: BSD-2-Clause */

#include "fuzz.h"
#include "engine/dur_intake.h"
#include "engine/dur_json.h"
#include "engine/dur_ulid.h"

FUZZ_TARGET("events of clients")

/* The first byte: how it is read. */

const dur_str_t  fuzz_seeds[] = {
    dur_str("0{\"name\":\"a/b\",\"data\":{\"x\":[1,2.5,\"\\u00e9\"],"
            "\"_inngest\":{}},\"id\":\"i\",\"ts\":1790000000000,\"user\":{"
            "\"u\":null},\"v\":\"2\",\"meta\":{\"sessions\":null}}"),
    dur_str("0[{\"name\":\"a\"},{\"name\":\"b\",\"data\":null}]"),
    dur_str("1{\"data\":{\"q\":1},\"id\":\"same\"}"),
    dur_str("2 [ { \"name\" : \"n\" , \"data\" : { } } ] "),
    dur_str("0[]"), dur_str("0"), dur_str_null
};

const dur_str_t  fuzz_words[] = {
    dur_str("\"name\":"), dur_str("\"data\":"), dur_str("\"ts\":"),
    dur_str("\"id\":\"\""), dur_str("null"), dur_str("{}"),
    dur_str("inngest/"),
    dur_str("315532799999"), dur_str("\\u0000"), dur_str("\\ud800"),
    dur_str("1e400"), dur_str("\"_inngest\":1,"), dur_str("},{"),
    dur_str_null
};


static dur_rc_t
make_id(void *data, int64_t ms, dur_ulid_t *id)
{
    static const uint8_t  entropy[10];

    (void) data;
    dur_ulid_make(id, (uint64_t) ms, entropy);

    return DUR_OK;
}


static void
check_event(const uint8_t *data, size_t len, const dur_intake_t *in,
    const dur_op_event_t *event, dur_str_t json)
{
    json_t     *root;
    dur_buf_t   b;

    root = dur_json_parse(json, NULL);
    fuzz_check(json_is_object(root));
    fuzz_check(json_is_string(json_object_get(root, "name")));
    fuzz_check(json_is_string(json_object_get(root, "id")));
    fuzz_check(json_is_integer(json_object_get(root, "ts")));
    fuzz_check(json_is_object(json_object_get(root, "data")));
    fuzz_check(json_is_object(json_object_get(root, "user")));
    fuzz_check(json_object_get(json_object_get(root, "data"), "_inngest")
               == NULL);

    if (event != NULL) {
        fuzz_check(event->name.len > 0
                   && event->name.len <= DUR_INTAKE_NAME);
        fuzz_check(in->invoke || event->ts > 0);

        /* what is called canonical is */

        if (event->flags & DUR_EVENT_F_CANONICAL) {
            dur_buf_init(&b, 1 << 20);
            fuzz_check(dur_json_write(&b, root) == DUR_OK);
            fuzz_check(dur_str_eq(dur_buf_str(&b), json));
            dur_buf_deinit(&b);
        }
    }

    json_decref(root);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    size_t        i;
    json_t       *root;
    dur_rc_t      rc;
    dur_op_t      op;
    dur_buf_t     text, scratch;
    dur_arena_t   arena;
    dur_intake_t  in;

    if (len == 0) {
        return 0;
    }

    dur_buf_init(&text, 1 << 20);
    dur_buf_init(&scratch, 1 << 20);
    dur_arena_init(&arena);

    memset(&in, 0, sizeof(in));
    in.now_ms = 1790000000000;
    in.event_max = 2048;
    in.invoke = data[0] & 1;
    in.id = make_id;
    in.text = &text;
    in.scratch = &scratch;
    in.arena = &arena;

    if (data[0] & 2) {
        dur_intake_seed(&in, dur_str("1790000000000,eii2YKXRVTJPuA=="));
        fuzz_check(in.seeded);
    }

    rc = dur_intake(&in, dur_str_make(data + 1, len - 1), &op, &root);

    if (rc == DUR_EINVAL) {
        fuzz_check(in.error[0] != '\0' && root == NULL);
        fuzz_check(memchr(in.error, '\0', sizeof(in.error)) != NULL);

    } else {
        fuzz_check(rc == DUR_OK && root != NULL);

        if (in.invoke) {
            check_event(data, len, &in, NULL, op.body);
        }

        for (i = 0; i < op.nevents; i++) {
            check_event(data, len, &in, &op.events[i], op.events[i].json);
        }
    }

    json_decref(root);
    dur_arena_deinit(&arena);
    dur_buf_deinit(&scratch);
    dur_buf_deinit(&text);

    return 0;
}
