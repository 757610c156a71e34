/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_sign.h"
#include "engine/dur_ulid.h"
#include "engine/dur_verify.h"

#define BODY    "{\"id\":\"evt_1\",\"type\":\"invoice.paid\",\"amount\":4200}"
#define SECRET  "test_secret_0123456789"
#define SVIX    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define PUB     "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea6914"  \
                "46d22c"
#define FORM    "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&"\
                "From=%2B14158675309&To=%2B18005551212"
#define SLACK_BODY                                                            \
    "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteam"   \
    "now&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_n"   \
    "ame=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A"   \
    "%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfm"   \
    "ibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d1"   \
    "0d2c447fce8b6703c"
#define SENDGRID                                                              \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGZYBqoDKiZ3MK1dV0BfiSY7mozfNhDO2X"   \
    "ynPy+WJOY1Rpdkpr3xUaJYXe0FaTQ2gzDXUh/cq8NU98SaGGCSobw=="

typedef struct {
    const char  *name;
    const char  *secret;
    const char  *url;
    const char  *headers;
    const char  *body;
    int64_t      now;           /* s, 0: 1700000000 */
    const char  *dedupe;
} vector_t;

static const vector_t  vectors[] = {
    { "github", "It's a Secret to Everybody", "",
      "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d"
      "7586c22c46f4379c8b043e17\nX-GitHub-Delivery: d-1\n", "Hello, World!",
      0, "d-1" },
    { "github", SECRET, "", "X-Hub-Signature-256: sha256=124a4c9d75713b72a8"
      "6cf9cc9b8fe73cf5535005a1e6ac6f0c61e5ff195e9880\n", BODY, 0, "" },
    { "github", SECRET, "", "X-Hub-Signature: sha1=dacb9be51d7399aee606c039"
      "ce3e7d99e366e420\n", BODY, 0, "" },
    { "stripe", "whsec_test", "", "Stripe-Signature: t=1700000000,v1=e1d968"
      "6a764bd50be1902d6b2f2971064af4cdd93ebc23377594e80620c599e3\n", BODY, 0,
      "evt_1" },
    { "stripe", "whsec_test", "", "Stripe-Signature: t=1700000000,v0=00,v1="
      "aa,v1=e1d9686a764bd50be1902d6b2f2971064af4cdd93ebc23377594e80620c599"
      "e3\n", BODY, 0, "evt_1" },
    { "linear", SECRET, "", "Linear-Signature: 124a4c9d75713b72a86cf9cc9b8f"
      "e73cf5535005a1e6ac6f0c61e5ff195e9880\nLinear-Delivery: l-7\n", BODY,
      0, "l-7" },
    { "slack", "8f742231b10e8888abcd99yyyzzz85a5", "",
      "X-Slack-Request-Timestamp: 1531420618\nX-Slack-Signature: v0=a2114d5"
      "7b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503\n",
      SLACK_BODY, 1531420618, "" },
    { "slack", SECRET, "", "X-Slack-Request-Timestamp: 1700000000\n"
      "X-Slack-Signature: v0=2aadc5422d8f3a852c9b5a63beddf4315950400911e669"
      "7f3b8979e3cfc4e939\n", BODY, 0, "" },
    { "shopify", SECRET, "", "X-Shopify-Hmac-Sha256: EkpMnXVxO3KobPnMm4/nPP"
      "VTUAWh5qxvDGHl/xlemIA=\nX-Shopify-Webhook-Id: s-1\n", BODY, 0, "s-1" },
    { "twilio", "12345", "https://mycompany.com/myapp.php?foo=1&bar=2",
      "Content-Type: application/x-www-form-urlencoded\n"
      "X-Twilio-Signature: RSOYDt4T1cUTdK1PDd93/VVr8B8=\n", FORM, 0, "" },
    { "twilio", "12345", "https://example.com/hooks/twilio?x=1",
      "Content-Type: application/x-www-form-urlencoded; charset=UTF-8\n"
      "X-Twilio-Signature: RcpeVwMVYMB8jK0uFtvJBWRUIU4=\n", FORM, 0, "" },
    { "twilio", "12345", "https://example.com/hooks/twilio?bodySHA256=bf495"
      "57397f279b44e69e8db8ac6d24b140464c3087268fb67f854666485ed4e",
      "Content-Type: application/json\n"
      "X-Twilio-Signature: /TtZHeLtsbay0EV3oiEH2AXzUoY=\n", BODY, 0, "" },
    { "telegram", SECRET, "", "X-Telegram-Bot-Api-Secret-Token: " SECRET "\n",
      "{\"update_id\":42}", 0, "42" },
    { "standard", SVIX, "", "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek\n"
      "webhook-timestamp: 1614265330\nwebhook-signature: v1,g0hM9SsE+OTPJTG"
      "t/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n", "{\"test\": 2432232314}",
      1614265330, "msg_p5jXN8AQM9LWM0D4loKWxJek" },
    { "standard", SVIX, "", "webhook-id: msg_1\nwebhook-timestamp: "
      "1700000000\nwebhook-signature: v1,AAAA v1,eQnzPwFb2g1+I2z/H/UZD3ud0K"
      "BsNa/mf9jO/+1EUlw=\n", BODY, 0, "msg_1" },
    { "standard", SVIX, "", "svix-id: msg_1\nsvix-timestamp: 1700000000\n"
      "svix-signature: v1,eQnzPwFb2g1+I2z/H/UZD3ud0KBsNa/mf9jO/+1EUlw=\n",
      BODY, 0, "msg_1" },
    { "standard", "whpk_6kpsY+KcUgq+9VB7Ey7F+ZVHdq6+vnuSQh7qaRRG0iw=", "",
      "webhook-id: msg_1\nwebhook-timestamp: 1700000000\nwebhook-signature: "
      "v1a,6lhn7T05D3tOiYszaiCOan6IoYrAVNIt3WDNZRRxUZxyaT0iljpxyIui7WUmGZ+4"
      "r3OzAUew9lonaFgk3q95Cw==\n", BODY, 0, "msg_1" },
    { "discord", PUB, "", "X-Signature-Timestamp: 1700000000\n"
      "X-Signature-Ed25519: f7caed702889e902c2cde4a4fb00f601284aa47ff4caf84"
      "588d7c8c3d8fe7183fd73e13e30d0c07d1515b6684f7b3cfaa231c421768d9667b10"
      "4f760cf0da302\n", "{\"type\":1}", 0, "" },
    { "gitlab", SECRET, "", "X-Gitlab-Token: " SECRET "\n"
      "X-Gitlab-Event-UUID: g-1\n", BODY, 0, "g-1" },
    { "gitlab", SVIX, "", "webhook-id: msg_1\nwebhook-timestamp: 1700000000\n"
      "webhook-signature: v1,eQnzPwFb2g1+I2z/H/UZD3ud0KBsNa/mf9jO/+1EUlw=\n",
      BODY, 0, "msg_1" },
    { "sentry", SECRET, "", "Sentry-Hook-Signature: 124a4c9d75713b72a86cf9c"
      "c9b8fe73cf5535005a1e6ac6f0c61e5ff195e9880\nRequest-ID: r-1\n", BODY,
      0, "r-1" },
    { "sendgrid", SENDGRID, "", "X-Twilio-Email-Event-Webhook-Timestamp: "
      "1700000000\nX-Twilio-Email-Event-Webhook-Signature: MEQCIBh/3xhEcPCG"
      "ZVUff/1OXcHWV9dyXYaLJCX5176pqzw+AiAiXxoHh+ZXep93oU6qTGsn1zqtNYBB2GOP"
      "Re+k5dLpCg==\n", BODY, 0, "" },
    { "zendesk", SECRET, "", "X-Zendesk-Webhook-Signature-Timestamp: "
      "2023-11-14T22:13:20Z\nX-Zendesk-Webhook-Signature: Wvhd/f2leqEG5cQRC"
      "/EhZtDMPw0zU9Rx1FYzZSMCvvg=\n", BODY, 0, "" },
    { "hubspot", SECRET, "https://example.com/hooks/hubspot?a=b",
      "X-HubSpot-Request-Timestamp: 1700000000000\nX-HubSpot-Signature-v3: "
      "lrm6GBZLYx5QPP+c+gmD6HHOGL1RYcIeLXqE8QuIJuY=\n", BODY, 0, "" },
    { "hubspot", SECRET, "https://example.com/hooks/hubspot?a=b",
      "X-HubSpot-Signature: d90df75f8f24ddc93e4926447ccf89ff03d2aeb13398636"
      "efdce8da90fb84126\n", BODY, 0, "" },
    { "hubspot", SECRET, "https://example.com/hooks/hubspot?a=b",
      "X-HubSpot-Signature: ebb85eb9e322b13080a31df87bbe6877804bc71135f9193"
      "0165e811d5f6be3f9\n", BODY, 0, "" },
    { "square", SECRET, "https://example.com/hooks/square",
      "x-square-hmacsha256-signature: AVxJxGXbmWo6w2tPynS60P7HPICq1257Z+z0h"
      "amZmsA=\n", BODY, 0, "" },
    { "paddle", SECRET, "", "Paddle-Signature: ts=1700000000;h1=79039178f8f"
      "7948c30ab8722d0778a12b9f2d1e8569b2e66f01ba10592e0e272\n", BODY, 0,
      "" },
    { "intercom", SECRET, "", "X-Hub-Signature: sha1=dacb9be51d7399aee606c0"
      "39ce3e7d99e366e420\n", BODY, 0, "evt_1" },
    { "mailgun", SECRET, "", "", "{\"signature\":{\"timestamp\":"
      "\"1700000000\",\"token\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaa\",\"signature\":\"8a754d200e0c5612336bb31748f9d9752ba3a2dc"
      "859bd04830ab94b4c34c8399\"}}", 0,
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
    { "front", SECRET, "", "X-Front-Request-Timestamp: 1700000000000\n"
      "X-Front-Signature: rrMQ8aYDnjIp2PK071HDZeCUYQoLMak2yOpr/+ddNkk=\n",
      BODY, 0, "evt_1" },
    { "front", SECRET, "", "X-Front-Signature: 2sub5R1zma7mBsA5zj59meNm5CA="
      "\n", BODY, 0, "evt_1" }
};

#define NVECTORS  (sizeof(vectors) / sizeof(vectors[0]))

static dur_arena_t  arena;


static dur_rc_t
verify(const vector_t *v, const char *secret, const char *body, int64_t later,
    char err[160])
{
    dur_str_t             secrets[2];
    dur_verify_request_t  r;

    memset(&r, 0, sizeof(r));
    r.method = dur_str("POST");
    r.url = dur_str_c(v->url);
    r.headers = dur_str_c(v->headers);
    r.body = dur_str_c(body);
    r.now_ms = ((v->now ? v->now : 1700000000) + later) * 1000;

    secrets[0] = dur_str("6mVyb3RhdGVk");           /* the one before */
    secrets[1] = dur_str_c(secret);

    return dur_verify(dur_verify_find(dur_str_c(v->name)), secrets, 2, &r,
                      &arena, err);
}


static void
test_vectors(void)
{
    char                  err[160], other[512];
    size_t                i;
    dur_str_t             id;
    const vector_t       *v;
    dur_verify_request_t  r;

    for (i = 0; i < NVECTORS; i++) {
        v = &vectors[i];
        err[0] = '\0';

        ok(verify(v, v->secret, v->body, 0, err) == DUR_OK,
           "%s, vector %zu, is accepted beside a rotated secret (%s)",
           v->name, i, err);

        snprintf(other, sizeof(other), "%s", v->secret);
        other[strlen(other) / 2] ^= 1;
        ok(verify(v, other, v->body, 0, err) == DUR_EACCES,
           "%s, vector %zu, is refused for another secret", v->name, i);

        memset(&r, 0, sizeof(r));
        r.headers = dur_str_c(v->headers);
        r.body = dur_str_c(v->body);
        id = dur_verify_dedupe(dur_verify_find(dur_str_c(v->name)), &r,
                               &arena);
        is_str(id, v->dedupe, "its delivery is known by its id");

        ok(dur_verify_secret(dur_verify_find(dur_str_c(v->name)),
                             dur_str_c(v->secret), err) == DUR_OK,
           "its secret is fine at configuration time");

        dur_arena_reset(&arena);
    }
}


/* What is signed: any other body is refused, but where it is not signed. */
static void
test_tampered(void)
{
    char             err[160], body[1024];
    size_t           i;
    const vector_t  *v;

    for (i = 0; i < NVECTORS; i++) {
        v = &vectors[i];

        if (strcmp(v->name, "telegram") == 0
            || strcmp(v->name, "mailgun") == 0
            || strstr(v->headers, "X-Gitlab-Token"))
        {
            continue;
        }

        snprintf(body, sizeof(body), "%s", v->body);
        body[strlen(body) / 2] ^= 1;

        ok(verify(v, v->secret, body, 0, err) == DUR_EACCES,
           "%s, vector %zu: another body is refused", v->name, i);
        ok(verify(v, v->secret, "", 0, err) == DUR_EACCES,
           "%s, vector %zu: no body is refused", v->name, i);

        dur_arena_reset(&arena);
    }
}


static void
test_time(void)
{
    char             err[160];
    size_t           i;
    const vector_t  *v;

    for (i = 0; i < NVECTORS; i++) {
        v = &vectors[i];

        if (dur_verify_find(dur_str_c(v->name))->timestamp == NULL
            || strcmp(v->name, "linear") == 0
            || strstr(v->headers, "X-HubSpot-Signature:")
            || strstr(v->headers, "X-Gitlab-Token")
            || strncmp(v->headers, "X-Front-Sig", 11) == 0)
        {
            continue;
        }

        ok(verify(v, v->secret, v->body, 299, err) == DUR_OK
           && verify(v, v->secret, v->body, -299, err) == DUR_OK,
           "%s, vector %zu: five minutes are in time", v->name, i);
        ok(verify(v, v->secret, v->body, 301, err) == DUR_EACCES
           && strstr(err, "301 seconds old"),
           "%s, vector %zu: a replay after five minutes is refused",
           v->name, i);
        ok(verify(v, v->secret, v->body, -301, err) == DUR_EACCES
           && strstr(err, "301 seconds ahead"),
           "%s, vector %zu: one from the future too", v->name, i);

        dur_arena_reset(&arena);
    }
}


/* The reference vectors of Linear have no timestamp: one that has. */
static dur_rc_t
linear(dur_str_t body, int64_t now_ms, unsigned tolerance, char err[160])
{
    char                  hex[65], headers[128];
    uint8_t               digest[32];
    dur_str_t             secret = dur_str(SECRET);
    dur_verify_request_t  r;

    dur_hmac_sha256(secret, body, dur_str_null, digest);
    dur_hex(digest, sizeof(digest), hex);
    hex[64] = '\0';
    snprintf(headers, sizeof(headers), "Linear-Signature: %s\n", hex);

    memset(&r, 0, sizeof(r));
    r.headers = dur_str_c(headers);
    r.body = body;
    r.now_ms = now_ms;
    r.tolerance = tolerance;

    return dur_verify(dur_verify_find(dur_str("linear")), &secret, 1, &r,
                      &arena, err);
}


static void
test_linear_timestamp(void)
{
    char       err[160];
    dur_str_t  body = dur_str("{\"a\":{},\"webhookTimestamp\":"
                              "1700000000000}");

    ok(linear(body, 1700000299000, 0, err) == DUR_OK,
       "Linear's timestamp stands in the signed body");
    ok(linear(body, 1700000301000, 0, err) == DUR_EACCES
       && strstr(err, "301 seconds old"),
       "a replay after five minutes is refused, it is not taken for one "
       "without a timestamp: %s", err);
    ok(linear(body, 1700000301000, 600, err) == DUR_OK
       && linear(body, 1700000061000, 60, err) == DUR_EACCES,
       "the tolerance of the request wins over that of the provider");
}


static void
test_nonsense(void)
{
    char             err[160];
    size_t           i, k;
    vector_t         v;

    static const char  *headers[] = {
        "", "X-Hub-Signature-256: \n", "X-Hub-Signature-256: sha256=\n",
        "X-Hub-Signature-256: sha256=zz\n", "Stripe-Signature: t=,v1=\n",
        "Stripe-Signature: ,,,=,t=99999999999999999999,v1=00\n",
        "Stripe-Signature: t=11700000000700000000,v1=00\n",
        "webhook-id: \nwebhook-timestamp: x\nwebhook-signature: v1\n",
        "webhook-id: a\nwebhook-timestamp: 1700000000\n"
        "webhook-signature: v1,!!!! v1a,AA== v1,\n",
        "X-Signature-Ed25519: 00\nX-Signature-Timestamp: 1700000000\n",
        "X-Twilio-Signature: =\nContent-Type: "
        "application/x-www-form-urlencoded\n",
        "X-Gitlab-Token: \n", "X-Telegram-Bot-Api-Secret-Token:\n"
    };

    for (i = 0; i < NVECTORS; i++) {
        for (k = 0; k < sizeof(headers) / sizeof(headers[0]); k++) {
            v = vectors[i];
            v.headers = headers[k];

            if (strcmp(v.name, "mailgun") != 0
                && verify(&v, v.secret, "a=%zz&&=&b", 0, err) != DUR_EACCES)
            {
                ok(false, "%s accepts nonsense %zu", v.name, k);
            }

            dur_arena_reset(&arena);
        }
    }

    ok(true, "nonsense is refused by all");

    v = vectors[0];
    v.headers = "";
    verify(&v, v.secret, v.body, 0, err);
    is_str(dur_str_c(err), "it has no signature of github "
           "(x-hub-signature-256)", "a missing signature is named");
}


static void
test_secrets(void)
{
    char    err[160];
    size_t  i;

    static const struct {
        const char  *name;
        const char  *secret;
    } rows[] = {
        { "discord", "not hex" }, { "discord", "abcd" },
        { "standard", "whsec_!!!" }, { "sendgrid", "AAAA" },
        { "github", "" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok(dur_verify_secret(dur_verify_find(dur_str_c(rows[i].name)),
                             dur_str_c(rows[i].secret), err) == DUR_EINVAL
           && (rows[i].secret[0] == '\0' || !strstr(err, rows[i].secret)),
           "a secret that is none of %s is refused and not shown: %s",
           rows[i].name, err);
    }

    ok(dur_verify_find(dur_str("nobody")) == NULL,
       "an unknown provider is not found");
    ok(strstr(dur_verify_names(), "zendesk") != NULL, "all are named");
}


/* What is looked up in bodies. */
static void
test_members(void)
{
    size_t                i;
    dur_str_t             id;
    dur_verify_request_t  r;

    static const struct {
        const char  *body;
        const char  *id;
    } rows[] = {
        { "{\"id\":\"evt_1\"}", "evt_1" },
        { "{\"id\":\"e\\u00e9\\n\\\"\"}", "e\xc3\xa9\n\"" },
        { " { \"x\" : [1, {\"id\":2}] , \"i\\u0064\" : \"d\" } ", "d" },
        { "{\"id\":-42}", "-42" }, { "{\"id\":1.5}", "" },
        { "{\"id\":null}", "" }, { "{\"id\":{\"id\":1}}", "" },
        { "{\"id\":\"\\x\"}", "" }, { "{\"id\":\"", "" }, { "{\"id\":", "" },
        { "[\"id\"]", "" }, { "id=1", "" }, { "", "" }
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        memset(&r, 0, sizeof(r));
        r.headers = dur_str("Stripe-Signature: t=1\n");
        r.body = dur_str_c(rows[i].body);

        id = dur_verify_dedupe(dur_verify_find(dur_str("stripe")), &r,
                               &arena);
        is_str(id, rows[i].id, rows[i].body[0] ? rows[i].body
                                               : "an empty body has no id");
    }
}


static void
test_challenges(void)
{
    bool                  json;
    dur_str_t             body;
    dur_verify_request_t  r;

    memset(&r, 0, sizeof(r));

    r.body = dur_str("{\"type\":\"url_verification\",\"challenge\":\"c-1\"}");
    ok(dur_verify_challenge(dur_verify_find(dur_str("slack")), &r, &arena,
                            &body, &json)
       && dur_str_eq(body, dur_str("c-1")), "Slack's challenge is echoed");

    r.body = dur_str("{\"type\":\"event_callback\",\"challenge\":\"c-1\"}");
    ok(!dur_verify_challenge(dur_verify_find(dur_str("slack")), &r, &arena,
                             &body, &json), "an event is no challenge");

    r.body = dur_str("{\"type\":1}");
    ok(dur_verify_challenge(dur_verify_find(dur_str("discord")), &r, &arena,
                            &body, &json)
       && json && dur_str_eq(body, dur_str("{\"type\":1}")),
       "Discord's PING is answered");

    r.headers = dur_str("X-Front-Challenge: f-1\n");
    ok(dur_verify_challenge(dur_verify_find(dur_str("front")), &r, &arena,
                            &body, &json)
       && dur_str_eq(body, dur_str("f-1")), "Front's challenge is echoed");
    ok(!dur_verify_challenge(dur_verify_find(dur_str("github")), &r, &arena,
                             &body, &json), "GitHub has none");
}


int
main(void)
{
    dur_arena_init(&arena);

    test_vectors();
    test_tampered();
    test_time();
    test_linear_timestamp();
    test_nonsense();
    test_secrets();
    test_members();
    test_challenges();

    dur_arena_deinit(&arena);

    return done_testing();
}
