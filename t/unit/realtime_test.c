/* SPDX-License-Identifier: BSD-2-Clause */

/* Tokens and messages of realtime (protocol 8.3). */

#include "tap.h"

#include "engine/dur_json.h"
#include "engine/dur_realtime.h"

#include <stdlib.h>

#define NOW  1795228703


static dur_buf_t  out;


static const char *
refused(const char *body)
{
    static char  err[160];

    dur_buf_reset(&out);
    err[0] = '\0';

    return dur_realtime_claims(dur_str_c(body), NOW, true, &out, err)
           == DUR_EINVAL ? err : NULL;
}


static dur_rc_t
granted(const char *claims, dur_realtime_grant_t *grant, json_t **root)
{
    *root = dur_json_parse(dur_str_c(claims), NULL);

    return dur_realtime_grant(*root, grant);
}


static void
test_claims(void)
{
    char                   err[160];
    char                   many[8192];
    json_t                *root;
    size_t                 i;
    dur_realtime_grant_t   grant;

    ok(refused("") && refused("{}") && refused("[]") && refused("\"x\""),
       "what is no array of topics gets no token");
    ok(refused("[{\"channel\":\"c\"}]") && refused("[{\"name\":\"t\"}]")
       && refused("[{\"channel\":\"\",\"name\":\"t\"}]")
       && refused("[{\"channel\":1,\"name\":\"t\"}]") && refused("[1]"),
       "a topic has a channel and a name, texts");

    strcpy(many, "[{\"channel\":\"c\",\"name\":\"t\"}");
    for (i = 1; i < DUR_REALTIME_TOPICS; i++) {
        strcat(many, ",{\"channel\":\"c\",\"name\":\"t\"}");
    }
    strcat(many, "]");
    ok(refused(many) == NULL, "64 topics are allowed");
    many[strlen(many) - 1] = '\0';
    strcat(many, ",{\"channel\":\"c\",\"name\":\"t\"}]");
    ok(refused(many) != NULL, "65 are not");

    dur_buf_reset(&out);
    is_int(dur_realtime_claims(dur_str("[{\"channel\":\"a\\\"b\",\"name\":"
                                       "\"t\",\"kind\":\"run\"}]"),
                               NOW, true, &out, err), DUR_OK,
           "a token is made of topics");

    root = dur_json_parse(dur_buf_str(&out), NULL);
    is_int(dur_realtime_grant(root, &grant), DUR_OK, "and allows them");
    is_int(grant.n, 1, "as many as were asked for");
    is_str(grant.topics[0].channel, "a\"b", "of this channel");
    is_str(grant.topics[0].name, "t", "and name");
    ok(grant.streams, "whether its bearer knows streams is kept");
    ok(!grant.publish, "it does not allow to publish");
    is_int(json_integer_value(json_object_get(root, "exp")), NOW + 60,
           "it is for a minute");
    json_decref(root);
}


static void
test_grant(void)
{
    json_t                *root;
    dur_realtime_grant_t   grant;

    is_int(granted("{}", &grant, &root), DUR_EACCES, "claims name an issuer");
    json_decref(root);
    is_int(granted("{\"iss\":\"else\",\"topics\":[]}", &grant, &root),
           DUR_EACCES, "which is ours");
    json_decref(root);
    is_int(granted("{\"iss\":\"rt.inngest.com\",\"publish\":true}", &grant,
                   &root), DUR_OK, "a token may be for publishing only");
    ok(grant.publish && grant.n == 0, "then it has no topics");
    json_decref(root);

    is_int(granted("{\"iss\":\"rt.inngest.com\",\"topics\":[1,{},"
                   "{\"channel\":\"c\",\"name\":\"t\"},{\"channel\":\"c\"}]}",
                   &grant, &root), DUR_OK, "topics that are none");
    is_int(grant.n, 1, "are left out");
    json_decref(root);

    is_int(granted("{\"iss\":\"api.inngest.com\",\"sub\":\"run-claim\","
                   "\"RunID\":\"r\"}", &grant, &root), DUR_EACCES,
           "a token for the output of a run is none for its stream");
    json_decref(root);
    is_int(granted("{\"iss\":\"api.inngest.com\",\"sub\":\"realtime-claim\","
                   "\"RunID\":\"r\"}", &grant, &root), DUR_OK,
           "that of its stream");
    is_str(grant.topics[0].channel, "r", "is for the channel of the run");
    is_str(grant.topics[0].name, "$stream", "and what it streams");
    json_decref(root);
}


static void
test_ask(void)
{
    json_t                *root;
    dur_str_t              token;
    dur_realtime_grant_t   grant;

    is_int(dur_realtime_ask(dur_str("no"), &root, &token, &grant),
           DUR_REALTIME_NOTHING, "what is no JSON asks for nothing");
    is_int(dur_realtime_ask(dur_str("[]"), &root, &token, &grant),
           DUR_REALTIME_NOTHING, "nor does another value");
    json_decref(root);
    is_int(dur_realtime_ask(dur_str("{\"kind\":\"ping\"}"), &root, &token,
                            &grant), DUR_REALTIME_NOTHING,
           "nor another kind");
    json_decref(root);
    is_int(dur_realtime_ask(dur_str("{\"kind\":\"sub\",\"data\":1}"), &root,
                            &token, &grant), DUR_REALTIME_NOTHING,
           "nor a token that is no text");
    json_decref(root);

    is_int(dur_realtime_ask(dur_str("{\"kind\":\"sub\",\"data\":\"a.b.c\"}"),
                            &root, &token, &grant), DUR_REALTIME_SUB,
           "topics are asked for");
    is_str(token, "a.b.c", "with a token");
    json_decref(root);

    is_int(dur_realtime_ask(dur_str("{\"kind\":\"unsub\",\"data\":[\"a\","
                                    "{\"topic\":\"b\"},{\"channel\":\"c\","
                                    "\"name\":\"d\"},7]}"),
                            &root, &token, &grant), DUR_REALTIME_UNSUB,
           "and left");
    is_int(grant.n, 3, "by name, in any form");
    is_str(grant.topics[1].name, "b", "with or");
    is_str(grant.topics[2].channel, "c", "without their channel");
    json_decref(root);
}


static dur_str_t
written(dur_realtime_kind_t kind, const char *data)
{
    dur_realtime_message_t  m;

    memset(&m, 0, sizeof(m));
    m.kind = kind;
    m.now = NOW * (int64_t) 1000 + 5;
    m.channel = dur_str("c");
    m.topic = dur_str("t");
    m.data = dur_str_c(data);

    if (kind == DUR_REALTIME_CHUNK_OF) {
        m.stream_id = dur_str("s");
    }

    dur_buf_reset(&out);
    dur_realtime_write(&out, &m);

    return dur_buf_str(&out);
}


static void
test_messages(void)
{
    dur_str_t  text, head;

    is_str(written(DUR_REALTIME_DATA, "{\"b\":1, \"a\" : \"x\\ny\"}"),
           "{\"kind\":\"data\",\"channel\":\"c\","
           "\"created_at\":\"2026-11-21T02:38:23.005Z\","
           "\"env_id\":\"00000000-0000-4000-b000-000000000000\","
           "\"topic\":\"t\",\"data\":{\"a\":\"x\\ny\",\"b\":1}}",
           "a message is one line of JSON");

    text = written(DUR_REALTIME_DATA, "no json");
    ok(memmem(text.data, text.len, "\"data\":\"no json\"}", 17) != NULL,
       "data that is no JSON is a text");

    text = written(DUR_REALTIME_DATA, "\xff");
    ok(dur_utf8_valid(text), "bytes that are no text are replaced");

    text = written(DUR_REALTIME_CHUNK_OF, "7");
    ok(memmem(text.data, text.len, "\"data\":\"7\"}", 11) != NULL,
       "a piece of a stream is a text, whatever it looks like");

    head = dur_realtime_plain(&text);
    is_str(head, "{\"kind\":\"data\"", "it may be told as ordinary data");
    ok(text.data[0] == ',', "with all that follows");

    text = written(DUR_REALTIME_DATA, "1");
    is_int(dur_realtime_plain(&text).len, 0, "what is ordinary stays so");
}


int
main(void)
{
    dur_buf_init(&out, 1024 * 1024);

    test_claims();
    test_grant();
    test_ask();
    test_messages();

    dur_buf_deinit(&out);

    return done_testing();
}
