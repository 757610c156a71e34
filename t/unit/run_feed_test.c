/* SPDX-License-Identifier: BSD-2-Clause */

/* What people are shown of runs, dur_run_feed.h, and of apps. */

#include "kit.h"

#define WAIT(op, id, opts)                                                   \
    "{\"op\":\"" op "\",\"id\":\"" id "\",\"name\":\"t/paid\","              \
    "\"displayName\":\"step\",\"opts\":" opts "}"


/* app-f, which everything is asked of; app-child, which is invoked. */
static void
begin(const char *options)
{
    char  functions[1024];

    kit_fresh();
    dur_engine_set_feed(kit.engine, true);

    snprintf(functions, sizeof(functions), "%s%s%s,%s",
             "{\"id\":\"app-f\",\"name\":\"f\",\"triggers\":["
             KIT_ON("t/f") "],\"steps\":{\"step\":{\"id\":\"step\","
             "\"name\":\"step\",\"runtime\":{\"type\":\"http\",\"url\":"
             "\"http://127.0.0.1/?fnId=app-f&stepId=step\"},\"retries\":{"
             "\"attempts\":0}}}", options, "}",
             KIT_FN("app-child", KIT_ON("t/none"), ""));
    kit_app("app", functions);
}


/* The first line of the last op with this kind; empty: there is none. */
static const char *
line(const char *kind)
{
    size_t         i;
    char           want[64];
    dur_effect_t  *f;
    static char    text[2048];

    snprintf(want, sizeof(want), "\"kind\":\"%s\"", kind);

    for (i = 0; (f = kit_effect(DUR_EFFECT_FEED, i)) != NULL; i++) {
        snprintf(text, sizeof(text), "%.*s", (int) f->text.len,
                 (const char *) f->text.data);

        if (strstr(text, want) != NULL) {
            return text;
        }
    }

    return "";
}


static void
says(const char *kind, const char *want, const char *title)
{
    const char  *text;

    text = line(kind);

    if (!ok(strstr(text, want) != NULL, "%s", title)) {
        printf("# \"%s\" has no %s\n", text, want);
    }
}


static void
test_open(void)
{
    size_t  i;

    static const struct {
        const char  *op;
        const char  *kind;
        const char  *want;
        const char  *title;
    } rows[] = {
        { WAIT("WaitForEvent", KIT_A, "{\"timeout\":\"1h\"}"),
          "step.waiting", "\"event\":\"t/paid\"",
          "a wait says for which event" },
        { WAIT("WaitForEvent", KIT_A, "{\"timeout\":\"1h\"}"),
          "step.waiting", "\"at\":", "and until when" },
        { WAIT("WaitForSignal", KIT_A,
               "{\"timeout\":\"1h\",\"signal\":\"go\"}"),
          "step.waiting", "\"signal\":\"go\"", "for which signal" },
        { KIT_INVOKE(KIT_A, "step", "app-child", ""),
          "step.waiting", "\"invokes\":\"app-child\"",
          "an invoke says whom" },
        { WAIT("Gateway", KIT_A, "{\"method\":\"GET\",\"url\":"
               "\"http://u:secret@127.0.0.1/p?key=secret\"}"),
          "step.calling", "\"url\":\"http://127.0.0.1/p\"",
          "a gateway says the URL, without what may be secret" },
        { KIT_SLEEP(KIT_A, "nap", "1h"), "step.sleeping", "\"at\":",
          "a sleep says until when" },
    };

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char  ops[1024];

        begin("");
        kit_event("f");
        snprintf(ops, sizeof(ops), "[%s]", rows[i].op);
        kit_answer("app-f", 206, ops);
        says(rows[i].kind, rows[i].want, rows[i].title);
    }
}


static void
test_invoked(void)
{
    char        want[64], id[DUR_ULID_TEXT_LEN + 1];
    dur_ulid_t  event, run;

    begin("");
    event = kit_event("f");
    kit_answer("app-f", 206, "[" KIT_INVOKE(KIT_A, "s", "app-child", "")
               "]");

    run = kit_run_id(&event);
    dur_ulid_text(&run, id);
    snprintf(want, sizeof(want), "\"parent\":\"%s\"", id);
    says("run.started", want, "a run that was invoked names its parent");
}


static void
test_skipped(void)
{
    begin(",\"singleton\":{\"mode\":\"skip\"}");
    kit_event("f");
    kit_event("f");
    says("run.skipped", "\"error\":\"Singleton\"",
         "a run that is skipped says why");
}


static void
test_cancelled(void)
{
    begin(",\"cancel\":[{\"event\":\"t/stop\"}]");
    kit_event("f");
    kit_event("stop");
    says("run.cancelled", "by an event",
         "one that an event cancels says so");
}


static void
test_not_synced(void)
{
    dur_op_t  op;

    begin("");
    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SYNC;
    op.url = dur_str("http://127.0.0.1/");
    op.error = dur_str("function \"app-f\": bad");
    kit_op(&op);
    says("app.error", "function \\\"app-f\\\": bad",
         "an app that is not synced says why");
    kit_op(&op);
    is_str(dur_str_c(line("app.error")), "", "once");
}


static void
test_nobody_listens(void)
{
    begin("");
    dur_engine_set_feed(kit.engine, false);
    kit_event("f");
    kit_answer("app-f", 206, "[" KIT_SLEEP(KIT_A, "nap", "1h") "]");
    ok(kit_effect(DUR_EFFECT_FEED, 0) == NULL,
       "nothing is made for nobody");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_open();
    test_invoked();
    test_skipped();
    test_cancelled();
    test_not_synced();
    test_nobody_listens();

    return kit_done();
}
