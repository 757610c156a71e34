/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Lines of the feed.  See durable_print.h.
 */

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "durable_print.h"


#define DURABLE_TEXT_MAX  300

#define DIM     "\033[2m"
#define BOLD    "\033[1m"
#define RED     "\033[31m"
#define GREEN   "\033[32m"
#define YELLOW  "\033[33m"
#define CYAN    "\033[36m"
#define PLAIN   "\033[0m"


typedef struct durable_kind_s  durable_kind_t;

/* One object while its line is built. */
typedef struct {
    const durable_kind_t  *kind;
    const json_t          *object;
    dur_buf_t             *out;
} durable_line_t;

typedef void (*durable_detail_pt)(durable_line_t *l);

struct durable_kind_s {
    const char         *kind;
    const char         *word;
    const char         *colour;
    durable_detail_pt   detail;
};


static void durable_detail_started(durable_line_t *l);
static void durable_detail_done(durable_line_t *l);
static void durable_detail_failed(durable_line_t *l);
static void durable_detail_error(durable_line_t *l);
static void durable_detail_retry(durable_line_t *l);
static void durable_detail_skipped(durable_line_t *l);
static void durable_detail_sleeping(durable_line_t *l);
static void durable_detail_waiting(durable_line_t *l);
static void durable_detail_calling(durable_line_t *l);
static void durable_detail_app(durable_line_t *l);
static void durable_detail_any(durable_line_t *l);


static const durable_kind_t  durable_kinds[] = {
    { "run.started",    "started",   CYAN,   durable_detail_started },
    { "step.completed", "step",      GREEN,  durable_detail_done },
    { "step.failed",    "failed",    RED,    durable_detail_failed },
    { "step.retry",     "retry",     YELLOW, durable_detail_retry },
    { "step.sleeping",  "sleeping",  DIM,    durable_detail_sleeping },
    { "step.waiting",   "waiting",   DIM,    durable_detail_waiting },
    { "step.calling",   "calling",   DIM,    durable_detail_calling },
    { "run.skipped",    "skipped",   YELLOW, durable_detail_skipped },
    { "run.completed",  "completed", GREEN,  durable_detail_done },
    { "run.failed",     "FAILED",    RED,    durable_detail_error },
    { "run.cancelled",  "cancelled", YELLOW, durable_detail_error },
    { "app.synced",     "synced",    CYAN,   durable_detail_app },
    { "app.error",      "not synced", RED,   durable_detail_app },
    { "app.parked",     "waits for", RED,    durable_detail_app },
    { "app.unparked",   "answers",   GREEN,  durable_detail_app }
};

static const durable_kind_t  durable_kind_any = {
    NULL, NULL, "", durable_detail_any
};


void
durable_print_init(durable_print_t *p, bool json)
{
    const char  *no, *term;

    no = getenv("NO_COLOR");
    term = getenv("TERM");

    memset(p, 0, sizeof(*p));

    p->json = json;
    p->colour = isatty(STDOUT_FILENO) && (no == NULL || *no == '\0')
                && term != NULL && strcmp(term, "dumb") != 0;
    p->function = 20;
    p->step = 18;
}


void
durable_print_duration(int64_t ms, char *text, size_t size)
{
    long long  s;

    if (ms < 0) {
        ms = 0;
    }

    s = ms / 1000;

    if (ms < 1000) {
        snprintf(text, size, "%lld ms", (long long) ms);

    } else if (s < 60) {
        snprintf(text, size, ms % 1000 == 0 ? "%.0f s" : "%.2f s",
                 (double) ms / 1000);

    } else if (s < 3600) {
        snprintf(text, size, "%lld min %lld s", s / 60, s % 60);

    } else if (s < 86400) {
        snprintf(text, size, "%lld h %lld min", s / 3600, s / 60 % 60);

    } else {
        snprintf(text, size, "%lld d %lld h", s / 86400, s / 3600 % 24);
    }
}


void
durable_print_safe(dur_str_t text, size_t max, dur_buf_t *out)
{
    size_t   i;
    uint8_t  c;

    for (i = 0; i < text.len && i < max; i++) {
        c = text.data[i];

        if (c == 0xc2 && i + 1 < text.len && text.data[i + 1] < 0xa0) {
            /* C1 controls, which some terminals obey */
            i++;
            c = '?';

        } else if (c < ' ' || c == 0x7f) {
            c = c == '\n' || c == '\r' || c == '\t' ? ' ' : '?';
        }

        (void) dur_buf_addc(out, c);
    }

    if (i < text.len) {

        /* not in the middle of a character */
        while (i < text.len && (text.data[i] & 0xc0) == 0x80) {
            (void) dur_buf_addc(out, text.data[i++]);
        }

        (void) dur_buf_addz(out, "...");
    }
}


static dur_str_t
durable_line_text(const durable_line_t *l, const char *key)
{
    const json_t  *v = json_object_get(l->object, key);

    if (!json_is_string(v)) {
        return dur_str_null;
    }

    return dur_str_make(json_string_value(v), json_string_length(v));
}


static bool
durable_line_number(const durable_line_t *l, const char *key, int64_t *n)
{
    const json_t  *v = json_object_get(l->object, key);

    if (!json_is_number(v)) {
        return false;
    }

    *n = (int64_t) json_number_value(v);

    return true;
}


/* Characters, not bytes, for alignment. */
static size_t
durable_columns(dur_str_t text)
{
    size_t  i, n;

    for (n = 0, i = 0; i < text.len; i++) {
        n += (text.data[i] & 0xc0) != 0x80;
    }

    return n;
}


static void
durable_column(dur_buf_t *out, dur_str_t text, size_t *width)
{
    size_t  n;

    n = durable_columns(text);

    if (n > *width) {
        *width = n < DURABLE_COLUMN_MAX ? n : DURABLE_COLUMN_MAX;
    }

    durable_print_safe(text, DURABLE_TEXT_MAX, out);

    for ( /* void */ ; n < *width; n++) {
        (void) dur_buf_addc(out, ' ');
    }

    (void) dur_buf_addz(out, "  ");
}


static void
durable_clock(int64_t ms, char *text, size_t size)
{
    char       clock[16];
    time_t     s;
    struct tm  tm;

    s = (time_t) (ms / 1000);
    localtime_r(&s, &tm);
    strftime(clock, sizeof(clock), "%H:%M:%S", &tm);

    snprintf(text, size, "%s.%03d", clock, (int) (ms % 1000));
}


/* A moment to come: the clock, with the day if that is another one. */
static void
durable_moment(int64_t ms, int64_t now, char *text, size_t size)
{
    time_t     s, n;
    struct tm  tm, today;

    s = (time_t) (ms / 1000);
    n = (time_t) (now / 1000);
    localtime_r(&s, &tm);
    localtime_r(&n, &today);

    strftime(text, size, tm.tm_yday == today.tm_yday
                         && tm.tm_year == today.tm_year
                         ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
}


/* The end of a ULID is its random part. */
static dur_str_t
durable_line_run(const durable_line_t *l, const char *key)
{
    dur_str_t  id;

    id = durable_line_text(l, key);

    return id.len > 6 ? dur_str_make(id.data + id.len - 6, 6) : id;
}


/* What made it start, and when it will if that is not now. */
static void
durable_detail_started(durable_line_t *l)
{
    char       moment[32];
    int64_t    at, ts;
    dur_str_t  parent, original;

    parent = durable_line_run(l, "parent");
    original = durable_line_run(l, "original");

    if (parent.len > 0) {
        (void) dur_buf_addz(l->out, "invoked by ");
        durable_print_safe(parent, DURABLE_TEXT_MAX, l->out);

    } else {
        durable_print_safe(durable_line_text(l, "event"), DURABLE_TEXT_MAX,
                           l->out);
    }

    if (original.len > 0) {
        (void) dur_buf_addz(l->out, ", again as ");
        durable_print_safe(original, DURABLE_TEXT_MAX, l->out);
    }

    if (durable_line_number(l, "at", &at)
        && durable_line_number(l, "ts", &ts))
    {
        durable_moment(at, ts, moment, sizeof(moment));
        (void) dur_buf_addf(l->out, ", first call at %s", moment);
    }
}


/* How long it took, and the attempt when it was not the first. */
static void
durable_detail_done(durable_line_t *l)
{
    char     text[64];
    int64_t  ms, attempt;

    text[0] = '\0';

    if (durable_line_number(l, "ms", &ms)) {
        durable_print_duration(ms, text, sizeof(text));
        (void) dur_buf_addz(l->out, text);
    }

    if (durable_line_number(l, "attempt", &attempt) && attempt > 0) {
        (void) dur_buf_addf(l->out, "%sattempt %lld", *text ? ", " : "",
                            (long long) attempt + 1);
    }
}


static void
durable_detail_failed(durable_line_t *l)
{
    int64_t  attempt;

    if (durable_line_number(l, "attempt", &attempt)) {
        (void) dur_buf_addf(l->out, "attempt %lld: ",
                            (long long) attempt + 1);
    }

    durable_detail_error(l);
}


static void
durable_detail_error(durable_line_t *l)
{
    durable_print_safe(durable_line_text(l, "error"), DURABLE_TEXT_MAX,
                       l->out);
}


static void
durable_detail_retry(durable_line_t *l)
{
    char     text[64];
    int64_t  at, ts;

    durable_detail_failed(l);

    if (durable_line_number(l, "at", &at)
        && durable_line_number(l, "ts", &ts))
    {
        durable_print_duration(at - ts, text, sizeof(text));
        (void) dur_buf_addf(l->out, " (again in %s)", text);
    }
}


static void
durable_detail_sleeping(durable_line_t *l)
{
    char     text[64], moment[32];
    int64_t  at, ts;

    if (!durable_line_number(l, "at", &at)
        || !durable_line_number(l, "ts", &ts))
    {
        return;
    }

    durable_moment(at, ts, moment, sizeof(moment));
    durable_print_duration(at - ts, text, sizeof(text));
    (void) dur_buf_addf(l->out, "until %s, for %s", moment, text);
}


/* For what, and until when. */
static void
durable_detail_waiting(durable_line_t *l)
{
    size_t     i;
    dur_str_t  name;

    static const char *const  what[][2] = {
        { "event", "event " }, { "signal", "signal " }, { "invokes", "" }
    };

    for (i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
        name = durable_line_text(l, what[i][0]);

        if (name.len > 0) {
            (void) dur_buf_addf(l->out, "for %s", what[i][1]);
            durable_print_safe(name, DURABLE_TEXT_MAX, l->out);
            (void) dur_buf_addz(l->out, ", ");
        }
    }

    durable_detail_sleeping(l);
}


static void
durable_detail_calling(durable_line_t *l)
{
    durable_print_safe(durable_line_text(l, "url"), DURABLE_TEXT_MAX, l->out);
}


static void
durable_detail_skipped(durable_line_t *l)
{
    size_t     i;
    dur_str_t  reason;

    static const char *const  sentences[][2] = {
        { "FunctionPaused", "the function is paused" },
        { "Singleton", "another run of this singleton runs" }
    };

    reason = durable_line_text(l, "error");

    for (i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        if (dur_str_eq(reason, dur_str_c(sentences[i][0]))) {
            (void) dur_buf_addz(l->out, sentences[i][1]);
            return;
        }
    }

    durable_print_safe(reason, DURABLE_TEXT_MAX, l->out);
}


static void
durable_detail_app(durable_line_t *l)
{
    int64_t    n;
    dur_str_t  error;

    durable_print_safe(durable_line_text(l, "url"), DURABLE_TEXT_MAX, l->out);

    if (durable_line_number(l, "functions", &n)) {
        (void) dur_buf_addf(l->out, ", %lld function%s", (long long) n,
                            n == 1 ? "" : "s");
    }

    error = durable_line_text(l, "error");
    if (error.len > 0) {
        (void) dur_buf_addz(l->out, ": ");
        durable_print_safe(error, DURABLE_TEXT_MAX, l->out);
    }
}


/* A kind of a newer version: what else the object says, as it says it. */
static void
durable_detail_any(durable_line_t *l)
{
    char          *text;
    const char    *key;
    const json_t  *value;

    json_object_foreach((json_t *) l->object, key, value) {

        if (strcmp(key, "ts") == 0 || strcmp(key, "kind") == 0
            || strcmp(key, "run") == 0 || strcmp(key, "function") == 0
            || strcmp(key, "step") == 0)
        {
            continue;
        }

        text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        if (text == NULL) {
            continue;
        }

        durable_print_safe(dur_str_c(key), DURABLE_COLUMN_MAX, l->out);
        (void) dur_buf_addc(l->out, '=');
        durable_print_safe(dur_str_c(text), DURABLE_TEXT_MAX, l->out);
        (void) dur_buf_addc(l->out, ' ');
        free(text);
    }
}


static const durable_kind_t *
durable_kind_find(dur_str_t kind)
{
    size_t  i;

    for (i = 0; i < sizeof(durable_kinds) / sizeof(durable_kinds[0]); i++) {
        if (dur_str_eq(kind, dur_str_c(durable_kinds[i].kind))) {
            return &durable_kinds[i];
        }
    }

    return &durable_kind_any;
}


static void
durable_colour(const durable_print_t *p, dur_buf_t *out, const char *code)
{
    if (p->colour) {
        (void) dur_buf_addz(out, code);
    }
}


static void
durable_line_build(durable_print_t *p, durable_line_t *l)
{
    char       clock[32];
    size_t     width;
    int64_t    ts;
    dur_str_t  kind, run, function, step;

    kind = durable_line_text(l, "kind");
    l->kind = durable_kind_find(kind);

    clock[0] = '\0';
    if (durable_line_number(l, "ts", &ts)) {
        durable_clock(ts, clock, sizeof(clock));
    }

    durable_colour(p, l->out, DIM);
    width = 12;
    durable_column(l->out, dur_str_c(clock), &width);
    durable_colour(p, l->out, PLAIN);

    run = durable_line_run(l, "run");

    width = 6;
    durable_column(l->out, run, &width);

    function = durable_line_text(l, "function");
    if (function.len == 0) {
        function = durable_line_text(l, "app");
    }

    durable_column(l->out, function, &p->function);

    durable_colour(p, l->out, l->kind->colour);
    width = 10;
    durable_column(l->out, l->kind->word != NULL ? dur_str_c(l->kind->word)
                                                 : kind, &width);
    durable_colour(p, l->out, PLAIN);

    step = durable_line_text(l, "step");
    if (step.len > 0) {
        durable_colour(p, l->out, BOLD);
        durable_column(l->out, step, &p->step);
        durable_colour(p, l->out, PLAIN);
    }

    l->kind->detail(l);

    while (l->out->len > 0 && l->out->data[l->out->len - 1] == ' ') {
        l->out->len--;
    }

    (void) dur_buf_addc(l->out, '\n');
}


void
durable_print_line(durable_print_t *p, dur_str_t json, dur_buf_t *out)
{
    json_t          *object;
    durable_line_t   l;

    if (json.len == 0) {
        (void) dur_buf_addz(out, p->json ? "{\"kind\":\"gap\"}\n"
                                         : "... some lines are left out, more "
                                           "happened than could be shown\n");
        return;
    }

    if (p->json) {
        (void) dur_buf_adds(out, json);
        (void) dur_buf_addc(out, '\n');
        return;
    }

    object = json_loadb((const char *) json.data, json.len,
                        JSON_ALLOW_NUL, NULL);
    if (!json_is_object(object)) {
        durable_print_safe(json, DURABLE_TEXT_MAX, out);
        (void) dur_buf_addc(out, '\n');
        json_decref(object);
        return;
    }

    l.object = object;
    l.out = out;

    /* how far a long job is concerns those who watch it */

    if (!dur_str_eq(durable_line_text(&l, "kind"), dur_str("bulk.progress")))
    {
        durable_line_build(p, &l);
    }

    json_decref(object);
}
