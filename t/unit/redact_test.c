/* SPDX-License-Identifier: BSD-2-Clause */

#include "tap.h"
#include "engine/dur_json.h"
#include "engine/dur_redact.h"

#include <stdlib.h>


static void
test_paths(void)
{
    char           err[160];
    size_t         i;
    dur_rc_t       rc;
    dur_redact_t   r;

    static const struct {
        const char  *path;
        const char  *wrong;             /* NULL: it is taken */
    } cases[] = {
        { "data.user.ssn", NULL }, { "data", NULL }, { "*", NULL },
        { "data.cards[*].number", NULL }, { "data.list[0]", NULL },
        { "**.password", NULL }, { "data.**.x", NULL }, { "[*].x", NULL },
        { "data.*.x", NULL }, { "data[\"a.b\"].c", NULL },
        { "data['a]b']", NULL }, { "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o", NULL },
        { "data.\xc3\xa9t\xc3\xa9", NULL }, { "x-y_z$", NULL },

        { "", "is empty" }, { ".", "has no name" }, { "a.", "has no name" },
        { ".a", "has no name" }, { "a..b", "has no name" },
        { "a b", "needs a \".\"" }, { "a*", "needs a \".\"" },
        { "**x", "needs a \".\"" }, { "***", "needs a \".\"" },
        { "a[0]b", "needs a \".\"" }, { "a\"b\"", "needs a \".\"" },
        { "a[", "has brackets" }, { "a[]", "has brackets" },
        { "a[x]", "has brackets" }, { "a[-1]", "has brackets" },
        { "a[\"\"]", "has brackets" }, { "a[\"b]", "has brackets" },
        { "a[\"b\"", "has brackets" }, { "a['b\"]", "has brackets" },
        { "a[1234567890]", "has brackets" },
        { "**", "ends with \"**\"" }, { "data.**", "ends with \"**\"" },
        { "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p", "more than 15" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memset(&r, 0, sizeof(r));
        err[0] = '\0';

        rc = dur_redact_add(&r, dur_str_c(cases[i].path), err);

        if (cases[i].wrong == NULL) {
            ok(rc == DUR_OK && r.n == 1, "\"%s\" is a path", cases[i].path);
            continue;
        }

        ok(rc == DUR_EINVAL && r.n == 0, "\"%s\" is none", cases[i].path);
        ok(strstr(err, cases[i].wrong) != NULL, "... %s", err);
    }
}


static void
test_limits(void)
{
    char          err[160], name[200];
    dur_redact_t  r;

    memset(&r, 0, sizeof(r));
    memset(name, 'n', sizeof(name));

    is_int(dur_redact_add(&r, dur_str_make(name, 128), err), DUR_OK,
           "a name may have 128 bytes");
    is_int(dur_redact_add(&r, dur_str_make(name, 129), err), DUR_EINVAL,
           "... and no more");
    ok(strstr(err, "more than 128 bytes") != NULL, "... which is said");

    while (r.n < DUR_REDACT_RULES) {
        if (dur_redact_add(&r, dur_str("a.b"), err) != DUR_OK) {
            break;
        }
    }

    is_int(r.n, DUR_REDACT_RULES, "there may be 64 paths");
    is_int(dur_redact_add(&r, dur_str("a.b"), err), DUR_EFULL,
           "... and no more");
    ok(strstr(err, "more than 64 paths") != NULL, "... which is said");
}


/* Paths with spaces between them. */
static void
rules(dur_redact_t *r, const char *paths)
{
    char        err[160];
    size_t      n;

    memset(r, 0, sizeof(*r));

    for ( /* void */ ; *paths != '\0'; paths += n + (paths[n] == ' ')) {
        n = strcspn(paths, " ");

        if (dur_redact_add(r, dur_str_make(paths, n), err) != DUR_OK) {
            ok(false, "the paths of a test: %s", err);
        }
    }
}


#define EVENT  DUR_REDACT_EVENT
#define VALUE  DUR_REDACT_VALUE
#define ERROR  DUR_REDACT_ERROR
#define R      "\"[redacted]\""

static const struct {
    dur_redact_what_t   what;
    const char         *paths;
    const char         *in;
    const char         *out;            /* NULL: as it is */
    const char         *title;
} bodies[] = {
    { EVENT, "data.user.ssn",
      "{\"name\":\"a\",\"data\":{\"user\":{\"ssn\":\"1\",\"x\":2}}}",
      "{\"name\":\"a\",\"data\":{\"user\":{\"ssn\":" R ",\"x\":2}}}",
      "a member of an event" },
    { EVENT, "data.user.ssn", "{\"data\":{\"ssn\":1,\"user\":3}}", NULL,
      "nothing else" },
    { EVENT, "user.email", "{\"user\":{\"email\":\"x\"}}",
      "{\"user\":{\"email\":" R "}}", "of its user" },
    { EVENT, "data.a data.b", "{\"data\":{\"a\":{\"b\":[1]},\"b\":[{}]}}",
      "{\"data\":{\"a\":" R ",\"b\":" R "}}", "objects and arrays" },
    { EVENT, "data.a", "{\"data\":{\"a\":null}}", "{\"data\":{\"a\":" R "}}",
      "and nulls" },
    { EVENT, "data.cards[*].number",
      "{\"data\":{\"cards\":[{\"number\":1},{\"number\":\"2\",\"a\":[]},3]}}",
      "{\"data\":{\"cards\":[{\"number\":" R "},{\"number\":" R
      ",\"a\":[]},3]}}", "each element" },
    { EVENT, "data.l[1]", "{\"data\":{\"l\":[0,1,2],\"m\":[0,1]}}",
      "{\"data\":{\"l\":[0," R ",2],\"m\":[0,1]}}", "one element" },
    { EVENT, "data.*.t", "{\"data\":{\"a\":{\"t\":1},\"b\":{\"c\":{\"t\":2}},"
      "\"t\":3}}",
      "{\"data\":{\"a\":{\"t\":" R "},\"b\":{\"c\":{\"t\":2}},\"t\":3}}",
      "a star is one member" },
    { EVENT, "data.*", "{\"data\":{\"a\":1,\"b\":[2]},\"c\":1}",
      "{\"data\":{\"a\":" R ",\"b\":" R "},\"c\":1}", "or all of them" },
    { EVENT, "**.password", "{\"data\":{\"a\":[[{\"password\":1}]],"
      "\"password\":{}},\"password\":2}",
      "{\"data\":{\"a\":[[{\"password\":" R "}]],\"password\":" R "},"
      "\"password\":" R "}", "at any depth" },
    { EVENT, "data.**.t", "{\"t\":0,\"data\":{\"t\":1,\"a\":{\"b\":[{\"t\":2}]"
      "}}}", "{\"t\":0,\"data\":{\"t\":" R ",\"a\":{\"b\":[{\"t\":" R "}]}}}",
      "at any depth below" },
    { EVENT, "data.a.**.b.c", "{\"data\":{\"a\":{\"b\":{\"b\":{\"c\":1}},"
      "\"x\":{\"c\":2}}}}",
      "{\"data\":{\"a\":{\"b\":{\"b\":{\"c\":" R "}},\"x\":{\"c\":2}}}}",
      "two stars may be several members" },
    { EVENT, "data[\"a.b\"]['c.d']", "{\"data\":{\"a.b\":{\"c.d\":1}}}",
      "{\"data\":{\"a.b\":{\"c.d\":" R "}}}", "names in quotes" },
    { EVENT, "data.pass", "{\"data\":{\"p\\u0061ss\":1,\"pas\\\"s\":2}}",
      "{\"data\":{\"p\\u0061ss\":" R ",\"pas\\\"s\":2}}",
      "a key with escapes" },
    { EVENT, "data.\xc3\xa9", "{\"data\":{\"\\u00e9\":1,\"\xc3\xa9\":2}}",
      "{\"data\":{\"\\u00e9\":" R ",\"\xc3\xa9\":" R "}}",
      "a key that is not ASCII" },
    { EVENT, "data.a", "{\"data\":{\"a\":1,\"a\":2}}",
      "{\"data\":{\"a\":" R ",\"a\":" R "}}", "a key that is there twice" },
    { EVENT, "data.a",
      " { \"data\" : { \"a\" : \"}\\\\\\\"\" , \"b\" : 1 } } ",
      " { \"data\" : { \"a\" : " R " , \"b\" : 1 } } ", "white space stays" },
    { EVENT, "data.a",
      "{\"data\":{\"event\":{\"data\":{\"a\":1}},\"b\":\"data.a\"}}",
      "{\"data\":{\"event\":{\"data\":{\"a\":" R "}},\"b\":\"data.a\"}}",
      "of an event in an event" },
    { EVENT, "name id ts v *",
      "{\"id\":\"i\",\"name\":\"n\",\"ts\":1,\"v\":\"2\",\"data\":{\"id\":1}}",
      "{\"id\":\"i\",\"name\":\"n\",\"ts\":1,\"v\":\"2\",\"data\":" R "}",
      "what a list needs is shown" },
    { EVENT, "**.name", "{\"name\":\"n\",\"data\":{\"name\":\"me\"}}",
      "{\"name\":\"n\",\"data\":{\"name\":" R "}}", "but only there" },
    { EVENT, "user.email", "{\"data\":{\"email\":1,\"user\":{\"email\":2}}}",
      "{\"data\":{\"email\":1,\"user\":{\"email\":" R "}}}",
      "a path is looked for everywhere" },
    { EVENT, "a", "7", NULL, "a number has no members" },
    { EVENT, "a", "\"a\"", NULL, "nor has a string" },
    { EVENT, "a", "{}", NULL, "nothing is in an empty object" },

    { VALUE, "data.ssn", "{\"ssn\":1,\"x\":{\"ssn\":2}}",
      "{\"ssn\":" R ",\"x\":{\"ssn\":2}}", "an output may be an event's data"
    },
    { VALUE, "data.ssn", "[{\"ssn\":1},[{\"ssn\":2}]]",
      "[{\"ssn\":" R "},[{\"ssn\":2}]]", "or a list of them" },
    { VALUE, "data.ssn", "{\"payload\":{\"data\":{\"ssn\":1}}}",
      "{\"payload\":{\"data\":{\"ssn\":" R "}}}", "or have one in it" },
    { VALUE, "data", "{\"a\":1}", R, "all of it may be hidden" },
    { VALUE, "data", "[1,2]", R, "... whatever it is" },
    { VALUE, "data", "7", R, "... a number as well" },
    { VALUE, "name", "{\"name\":1}", "{\"name\":" R "}",
      "a value has no name that is needed" },
    { VALUE, "data[0]", "[1,2]", "[" R ",2]", "an element of it" },

    { ERROR, "data.message",
      "{\"name\":\"E\",\"message\":\"m\",\"data\":{\"message\":1}}",
      "{\"name\":\"E\",\"message\":\"m\",\"data\":{\"message\":" R "}}",
      "an error is nobody's data" },
    { ERROR, "**.message **.name",
      "{\"cause\":{\"name\":\"x\"},\"message\":\"m\",\"name\":\"E\"}",
      "{\"cause\":{\"name\":" R "},\"message\":" R ",\"name\":\"E\"}",
      "its name is shown, and that of a cause is not" },
    { ERROR, "message",
      "{\"error\":\"m\",\"message\":\"m\",\"name\":\"E\",\"stack\":\"m\"}",
      "{\"error\":" R ",\"message\":" R ",\"name\":\"E\",\"stack\":" R "}",
      "what repeats a message is hidden with it" },
    { EVENT, "message", "{\"data\":{\"error\": {\"stack\":1,\"error\":2}}}",
      "{\"data\":{\"error\": {\"stack\":" R ",\"error\":2}}}",
      "... but no error that has members" },
};


static void
test_bodies(void)
{
    size_t         i;
    dur_buf_t      b, twice;
    const char    *out;
    dur_redact_t   r;

    dur_buf_init(&b, 65536);
    dur_buf_init(&twice, 65536);

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        rules(&r, bodies[i].paths);
        out = bodies[i].out ? bodies[i].out : bodies[i].in;

        dur_buf_reset(&b);
        dur_buf_reset(&twice);

        is_int(dur_redact_json(&r, bodies[i].what, dur_str_c(bodies[i].in),
                               &b),
               DUR_OK, "%s: %s", bodies[i].paths, bodies[i].title);
        is_str(dur_buf_str(&b), out, "... is what is shown");

        (void) dur_redact_json(&r, bodies[i].what, dur_buf_str(&b), &twice);
        is_str(dur_buf_str(&twice), out, "... and stays so");

        ok(!dur_redact_holds(&r, bodies[i].what, dur_str_c(bodies[i].in)),
           "... what came has no \"[redacted]\"");
        ok(dur_redact_holds(&r, bodies[i].what, dur_buf_str(&b))
           == (bodies[i].out != NULL), "... what is shown has");
    }

    dur_buf_deinit(&b);
    dur_buf_deinit(&twice);
}


static void
test_holds(void)
{
    dur_redact_t  r;

    rules(&r, "data.ssn");

    ok(!dur_redact_holds(&r, VALUE, dur_str("{\"other\":" R "}")),
       "the text elsewhere is nobody's business");
    ok(!dur_redact_holds(&r, VALUE, dur_str("{\"ssn\":\"[redacted] \"}")),
       "nor is another text there");
    ok(dur_redact_holds(&r, VALUE, dur_str("[{\"ssn\":" R "}]")),
       "in a list it is found");
    ok(dur_redact_holds(&r, VALUE, dur_str("{\"ssn\": " R " ,\"a\":1}")),
       "white space does not hide it");
}


static void
test_bad_bodies(void)
{
    size_t        i;
    dur_buf_t     b;
    dur_redact_t  r;

    static const char  *bad[] = {
        "", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}",
        "[", "[1", "[1,", "[1,]", "\"a", "\"a\\", "{a:1}", "{\"a\":1}}",
        "[1 2]", "{\"data\":{\"ssn\":\"12", "{\"data\":{\"ssn\":[", "?"
    };

    dur_buf_init(&b, 65536);
    rules(&r, "data.ssn");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        dur_buf_reset(&b);
        dur_buf_addz(&b, "before");

        is_int(dur_redact_json(&r, EVENT, dur_str_c(bad[i]), &b), DUR_EINVAL,
               "%s is no JSON", bad[i]);
        is_str(dur_buf_str(&b), "before", "... and nothing of it is shown");
    }

    dur_buf_deinit(&b);
}


static void
test_depth(void)
{
    char          *text;
    size_t         i;
    dur_buf_t      b;
    dur_redact_t   r;
    const size_t   n = 5000;

    text = malloc(n + 1);
    memset(text, '[', n);

    dur_buf_init(&b, 65536);
    rules(&r, "data.ssn");

    is_int(dur_redact_json(&r, EVENT, dur_str_make(text, n), &b), DUR_EINVAL,
           "what is too deep is not shown");

    for (i = 0; i < DUR_JSON_DEPTH; i++) {
        text[i] = '[';
        text[2 * DUR_JSON_DEPTH - 1 - i] = ']';
    }

    is_int(dur_redact_json(&r, EVENT, dur_str_make(text, 2 * DUR_JSON_DEPTH),
                           &b),
           DUR_OK, "as deep as an event may be is");

    dur_buf_deinit(&b);
    free(text);
}


static void
test_text(void)
{
    size_t        i;
    dur_buf_t     b;
    dur_redact_t  r;

    static const struct {
        const char  *in, *out;
    } cases[] = {
        { "", "" }, { "plain text", "plain text" },
        { "<html>{\"ssn\":1}", "<html>{\"ssn\":1}" },
        { "{\"ssn\":1}", "{\"ssn\":" R "}" },
        { "{\"ok\":true,\"ssn\":\"12", "{\"ok\":true,\"ssn\":" R },
        { "{\"ok\":true,\"ssn\":{\"a\":[1,", "{\"ok\":true,\"ssn\":" R },
        { "{\"ok\":true,\"ss", "{\"ok\":true,\"ss" },
        { "{\"ok\":\"tr", "{\"ok\":\"tr" },
        { " [{\"ok\":1},{", " [{\"ok\":1},{" },
        { "{ok: true, ssn: 12}", "{[redacted]" },
        { "[1, 2] ssn=12", "[1, 2] [redacted]" },
    };

    dur_buf_init(&b, 65536);
    rules(&r, "data.ssn");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        dur_buf_reset(&b);
        (void) dur_redact_text(&r, dur_str_c(cases[i].in), &b);
        is_str(dur_buf_str(&b), cases[i].out, "the text %s", cases[i].in);
    }

    dur_buf_deinit(&b);
}


static void
test_messages(void)
{
    size_t        i;
    dur_redact_t  r;

    static const struct {
        const char  *path;
        bool         hidden;
    } cases[] = {
        { "message", true }, { "**.message", true }, { "*", true },
        { "**.*", true }, { "data.message", false }, { "data", false },
        { "**.password", false }, { "message.x", false }, { "[*]", false }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rules(&r, cases[i].path);
        ok(r.messages == cases[i].hidden, "%s: messages of errors are %s",
           cases[i].path, cases[i].hidden ? "hidden" : "shown");
    }
}


int
main(void)
{
    test_paths();
    test_limits();
    test_bodies();
    test_holds();
    test_bad_bodies();
    test_depth();
    test_text();
    test_messages();

    return done_testing();
}
