/* SPDX-License-Identifier: BSD-2-Clause */

/* What those hear who listen to a run, dur_publish.h. */

#include "kit.h"


static const char *
heard(size_t i, const char **topic)
{
    dur_effect_t  *effect;
    static char    text[2048], name[64];

    effect = kit_effect(DUR_EFFECT_PUBLISH, i);

    if (effect == NULL) {
        *topic = "";
        return "";
    }

    snprintf(name, sizeof(name), "%.*s", (int) effect->topic.len,
             (const char *) effect->topic.data);
    snprintf(text, sizeof(text), "%.*s", (int) effect->text.len,
             (const char *) effect->text.data);
    *topic = name;

    return text;
}


static void
hears(size_t i, const char *want_topic, const char *kind, const char *data)
{
    char         want[256];
    const char  *text, *topic;

    text = heard(i, &topic);

    ok(strcmp(topic, want_topic) == 0, "topic %s", want_topic);

    snprintf(want, sizeof(want), "{\"kind\":\"%s\",\"channel\":\"0", kind);
    ok(strncmp(text, want, strlen(want)) == 0, "a message of the kind %s in "
       "the channel of the run", kind);

    snprintf(want, sizeof(want), "\"data\":%s}", data);
    ok(strstr(text, want) != NULL, "with %s", data);
    ok(strstr(text, "\"fn_slug\":\"app-f\"") != NULL
       && strstr(text, "\"run_id\":\"0") != NULL, "that names the function");
}


static void
begin(bool on)
{
    kit_fresh();
    dur_engine_set_heard(kit.engine, on);
    kit_app("app", KIT_FN("app-f", KIT_ON("t/f"), ""));
    kit_event("f");
}


static void
test_step(void)
{
    const char  *topic;

    begin(true);
    kit_answer("app-f", 206, "[" KIT_RUN(KIT_A, "a", "{\"n\":1}") "]");

    hears(0, "$step", "step", "{\"n\":1}");
    hears(1, "a", "step", "{\"n\":1}");
    (void) heard(2, &topic);
    ok(topic[0] == '\0', "and nothing else");

    kit_answer("app-f", 200, "\"done\"");

    hears(0, "$run", "run", "\"done\"");
    ok(strstr(heard(0, &topic), "\"metadata\":{\"status\":\"Completed\"}")
       != NULL, "the result of a run says how it ended");
}


static void
test_failure(void)
{
    const char  *topic, *text;

    begin(true);
    kit_answer("app-f", 206, "[" KIT_ERROR("StepFailed", KIT_A, "a") "]");
    ok(kit_effect(DUR_EFFECT_PUBLISH, 0) == NULL,
       "a step that failed has no output");

    kit_answer("app-f", 400, "{\"name\":\"Error\",\"message\":\"no\"}");

    text = heard(0, &topic);
    ok(strcmp(topic, "$run") == 0
       && strstr(text, "\"metadata\":{\"status\":\"Failed\"}") != NULL
       && strstr(text, "\"message\":\"no\"") != NULL,
       "a run that failed says so, with its error");
}


static void
test_nobody(void)
{
    begin(false);
    kit_answer("app-f", 206, "[" KIT_RUN(KIT_A, "a", "1") "]");
    ok(kit_effect(DUR_EFFECT_PUBLISH, 0) == NULL,
       "while nobody listens to a run nothing is made");

    kit_answer("app-f", 200, "1");
    ok(kit_effect(DUR_EFFECT_PUBLISH, 0) == NULL, "nor of its result");
}


int
main(void)
{
    if (!kit_init()) {
        return 2;
    }

    test_step();
    test_failure();
    test_nobody();

    return kit_done();
}
