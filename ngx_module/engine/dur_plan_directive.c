/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_plan_load.h"
#include "engine/dur_app_url.h"
#include "engine/dur_expr_path.h"
#include "engine/dur_gateway.h"
#include "engine/dur_plan_scope.h"
#include "engine/dur_retry.h"


#define DUR_PLAN_CALL_MS  (2 * 3600 * 1000)
#define DUR_PLAN_HEADERS  32
#define DUR_PLAN_EXPECT   32


/* -- expressions ---------------------------------------------------------- */

/* `what` is the option, or empty for a word. */
static bool
dur_plan_compile(dur_plan_reader_t *r, const dur_plan_node_t *node,
    const char *what, dur_str_t text, dur_plan_expr_t *expr)
{
    char       err[160];
    size_t     n, at;
    dur_rc_t   rc;
    dur_str_t  field, names[DUR_PLAN_NAMES];

    n = dur_plan_names(node, names);

    rc = dur_expr_compile_named(text, names, n, &expr->tree, err);

    if (rc == DUR_EINVAL) {
        return dur_plan_refuse(r, "the expression%s%s cannot be read: %s",
                               what[0] ? " of " : "", what, err);
    }

    if (rc != DUR_OK) {
        r->nomem = true;
        return false;
    }

    at = 0;
    expr->event = dur_expr_uses_event(expr->tree)
                  || dur_expr_uses(expr->tree, DUR_PLAN_ROOT_EVENTS, &at,
                                   &field);

    return true;
}


static bool
dur_plan_compile_option(dur_plan_reader_t *r, dur_plan_node_t *node,
    const char *key, dur_plan_expr_t *expr)
{
    dur_str_t  text;

    return !dur_plan_option(r, key, &text)
           || dur_plan_compile(r, node, key, text, expr);
}


/* -- the directives ------------------------------------------------------- */

static bool
dur_plan_header(dur_plan_reader_t *r, dur_plan_node_t *node, dur_str_t text)
{
    size_t               n;
    dur_str_t            name, value, last, *secrets;
    const uint8_t       *p;
    dur_plan_header_t   *h;

    p = text.len ? memchr(text.data, ':', text.len) : NULL;
    name = dur_str_make(text.data, p ? (size_t) (p - text.data) : 0);

    if (!dur_gateway_is_token(name)) {
        return dur_plan_refuse(r, "header \"%.*s\" is not \"Name: value\"",
                               (int) name.len, name.data);
    }

    for (p++; p < text.data + text.len && *p == ' '; p++) { /* void */ }

    value = dur_str_make(p, (size_t) (text.data + text.len - p));

    if (!dur_gateway_is_value(value)) {
        return dur_plan_refuse(r, "the value of the header \"%.*s\" holds a "
                               "control character", (int) name.len,
                               name.data);
    }

    h = &node->headers[node->nheaders++];
    h->name = name;
    h->value = value;

    last = dur_plan_reference(value);

    if (last.len == 0) {
        return true;
    }

    n = r->def->nsecrets;
    secrets = dur_arena_alloc(&r->def->arena, (n + 1) * sizeof(*secrets));
    if (secrets == NULL) {
        r->nomem = true;
        return false;
    }

    if (n > 0) {
        memcpy(secrets, r->def->secrets, n * sizeof(*secrets));
    }

    secrets[n] = last;
    r->def->secrets = secrets;
    r->def->nsecrets++;

    return true;
}


static bool
dur_plan_headers(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    unsigned   i, n;
    dur_str_t  text;

    for (i = 3, n = 0; i < r->n; i++) {
        n += dur_plan_is_option(r->words[i], "header", 6);
    }

    if (n == 0) {
        return true;
    }

    if (n > DUR_PLAN_HEADERS) {
        return dur_plan_refuse(r, "a step has at most %d headers",
                               DUR_PLAN_HEADERS);
    }

    node->headers = dur_arena_zalloc(&r->def->arena,
                                     n * sizeof(dur_plan_header_t));
    if (node->headers == NULL) {
        r->nomem = true;
        return false;
    }

    for (i = 3; i < r->n; i++) {
        text = r->words[i];

        if (dur_plan_is_option(text, "header", 6)
            && !dur_plan_header(r, node, dur_str_make(text.data + 7,
                                                      text.len - 7)))
        {
            return false;
        }
    }

    return true;
}


/* expect=200,404 or expect=2xx,404 */
static bool
dur_plan_expect(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    size_t     i, start;
    unsigned   status;
    dur_str_t  text, one;

    if (!dur_plan_option(r, "expect", &text)) {
        return true;
    }

    node->expect = dur_arena_alloc(&r->def->arena,
                                   DUR_PLAN_EXPECT * sizeof(uint16_t));
    if (node->expect == NULL) {
        r->nomem = true;
        return false;
    }

    for (i = 0, start = 0; i <= text.len; i++) {
        if (i < text.len && text.data[i] != ',') {
            continue;
        }

        one = dur_str_make(text.data + start, i - start);
        start = i + 1;
        status = 0;

        if (one.len == 3 && one.data[1] == 'x' && one.data[2] == 'x') {
            one.len = 1;
            if (!dur_plan_number(r, "expect", one, 1, 5, &status)) {
                return false;
            }

        } else if (!dur_plan_number(r, "expect", one, 100, 599, &status)) {
            return false;
        }

        if (node->nexpect == DUR_PLAN_EXPECT) {
            return dur_plan_refuse(r, "expect has more than %d statuses",
                                   DUR_PLAN_EXPECT);
        }

        node->expect[node->nexpect++] = (uint16_t) status;
    }

    return true;
}


/* Which of the places that steps are sent to; each is an app. */
static bool
dur_plan_origin(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    unsigned       i;
    dur_str_t      origin, *origins;
    dur_app_url_t  u;

    origin = dur_str("exec:");

    if (!node->exec) {
        if (!dur_app_url_split(node->target, &u)) {
            return dur_plan_refuse(r, "\"%.*s\" is no URL",
                                   (int) node->target.len,
                                   node->target.data);
        }

        origin = dur_gateway_detail(node->target, &r->def->arena);
        i = (unsigned) u.scheme.len + 3;

        while (i < origin.len && origin.data[i] != '/') {
            i++;
        }

        origin.len = i;
    }

    for (i = 0; i < r->def->norigins; i++) {
        if (dur_str_caseeq(r->def->origins[i], origin)) {
            node->origin = i;
            return true;
        }
    }

    origins = dur_arena_alloc(&r->def->arena, (i + 1) * sizeof(*origins));
    if (origins == NULL) {
        r->nomem = true;
        return false;
    }

    if (i > 0) {
        memcpy(origins, r->def->origins, i * sizeof(*origins));
    }

    origins[i] = origin;
    node->origin = i;
    r->def->origins = origins;
    r->def->norigins = i + 1;

    return true;
}


static bool
dur_plan_target(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    dur_str_t  url;

    url = r->words[2];

    if (url.len > 5 && memcmp(url.data, "exec:", 5) == 0) {
        node->exec = true;
        node->target = dur_str_make(url.data + 5, url.len - 5);

        if (node->target.data[0] != '/'
            || memchr(node->target.data, '\0', node->target.len) != NULL)
        {
            return dur_plan_refuse(r, "\"exec:\" needs an absolute path");
        }

        return dur_plan_origin(r, node);
    }

    if (url.len > DUR_GATEWAY_URL || !dur_gateway_is_url(url)) {
        return dur_plan_refuse(r, "\"%.*s\" is no http: or https: URL",
                               (int) (url.len < 200 ? url.len : 200),
                               url.data);
    }

    node->target = url;

    return dur_plan_origin(r, node);
}


static bool
dur_plan_method(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    static const char *const  known[] = {
        "POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", NULL
    };

    node->method = dur_str("POST");
    (void) dur_plan_option(r, "method", &node->method);

    for (unsigned i = 0; known[i] != NULL; i++) {
        if (dur_str_eq(node->method, dur_str_c(known[i]))) {
            return true;
        }
    }

    return dur_plan_refuse(r, "method \"%.*s\" is none of POST, GET, PUT, "
                           "PATCH, DELETE and HEAD", (int) node->method.len,
                           node->method.data);
}


/* step NAME URL ... */
static bool
dur_plan_read_step(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    dur_str_t  text;

    node->retries = UINT32_MAX;
    node->idempotency = dur_str("Idempotency-Key");

    if (!dur_plan_target(r, node) || !dur_plan_method(r, node)
        || !dur_plan_expect(r, node) || !dur_plan_headers(r, node)
        || !dur_plan_compile_option(r, node, "body", &node->expr))
    {
        return false;
    }

    if (node->exec && r->n > 3
        && (node->nheaders || node->nexpect
            || dur_plan_option(r, "method", &text)
            || dur_plan_option(r, "idempotency", &text)))
    {
        return dur_plan_refuse(r, "a program has no method, headers, "
                               "statuses or idempotency header");
    }

    if (dur_plan_option(r, "timeout", &text)
        && !dur_plan_duration(r, "timeout", text, 1, &node->time))
    {
        return false;
    }

    if (node->time > DUR_PLAN_CALL_MS) {
        return dur_plan_refuse(r, "a step has at most two hours");
    }

    if (dur_plan_option(r, "retries", &text)
        && !dur_plan_number(r, "retries", text, 0, DUR_RETRY_MAX,
                            &node->retries))
    {
        return false;
    }

    if (dur_plan_option(r, "idempotency", &text)) {
        node->idempotency = dur_str_eq(text, dur_str("off")) ? dur_str_null
                                                             : text;

        if (node->idempotency.len && !dur_gateway_is_token(text)) {
            return dur_plan_refuse(r, "idempotency is the name of a header, "
                                   "or \"off\"");
        }
    }

    return true;
}


static bool
dur_plan_read_sleep(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    return dur_plan_duration(r, "the time", r->words[2], 0, &node->time);
}


static bool
dur_plan_read_until(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    return dur_plan_compile(r, node, "", r->words[2], &node->expr);
}


static bool
dur_plan_timeout(dur_plan_reader_t *r, dur_plan_node_t *node, bool must)
{
    dur_str_t  text;

    if (!dur_plan_option(r, "timeout", &text)) {
        return !must || dur_plan_refuse(r, "how long it waits is missing: "
                                        "\"timeout=24h\"");
    }

    return dur_plan_duration(r, "timeout", text, 1, &node->time);
}


static bool
dur_plan_event_name(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    if (!dur_plan_option(r, "event", &node->target) || node->target.len == 0
        || node->target.len > 255)
    {
        return dur_plan_refuse(r, "the name of an event is missing: "
                               "\"event=\"");
    }

    return true;
}


/* A path that both events have, as in "data.actionId". */
static bool
dur_plan_match(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    char         err[160], *text;
    dur_rc_t     rc;
    dur_str_t    path;
    dur_expr_t  *expr;

    path = node->match;

    if (path.len) {
        text = dur_arena_printf(&r->def->arena, "event.%.*s == async.%.*s",
                                (int) path.len, (const char *) path.data,
                                (int) path.len, (const char *) path.data);
        if (text == NULL) {
            r->nomem = true;
            return false;
        }

        if (!node->equals.tree) {
            node->condition = dur_str_c(text);
        }

        rc = dur_expr_compile(dur_str_c(text), &expr, err);

    } else {
        rc = dur_expr_compile(node->condition, &expr, err);
    }

    if (rc == DUR_EINVAL) {
        return dur_plan_refuse(r, "%s cannot be read: %s",
                               path.len ? "match" : "if", err);
    }

    dur_expr_free(rc == DUR_OK ? expr : NULL);
    r->nomem |= rc != DUR_OK;

    return rc == DUR_OK;
}


static bool
dur_plan_read_wait(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    bool       has_if;
    dur_str_t  text;

    if (!dur_plan_event_name(r, node) || !dur_plan_timeout(r, node, true)
        || !dur_plan_compile_option(r, node, "equals", &node->equals))
    {
        return false;
    }

    has_if = dur_plan_option(r, "if", &node->condition);

    if (dur_plan_option(r, "match", &text)) {
        node->match = text;
    }

    if (has_if && (node->match.len || node->equals.tree)) {
        return dur_plan_refuse(r, "\"if=\" and \"match=\" exclude each "
                               "other");
    }

    if (node->equals.tree && node->match.len == 0) {
        return dur_plan_refuse(r, "\"equals=\" needs \"match=\", the field "
                               "of the event");
    }

    return (!has_if && node->match.len == 0) || dur_plan_match(r, node);
}


static bool
dur_plan_read_signal(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    dur_str_t  text;

    if (!dur_plan_option(r, "signal", &text)) {
        return dur_plan_refuse(r, "the signal is missing: \"signal='name-' + "
                               "run_id\"");
    }

    return dur_plan_timeout(r, node, true)
           && dur_plan_compile(r, node, "signal", text, &node->expr);
}


static bool
dur_plan_read_send(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    if (!dur_plan_event_name(r, node)) {
        return false;
    }

    if (node->target.len >= 8 && memcmp(node->target.data, "inngest/", 8) == 0)
    {
        return dur_plan_refuse(r, "events \"inngest/\" are the server's own");
    }

    return dur_plan_compile_option(r, node, "data", &node->expr);
}


static bool
dur_plan_read_invoke(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    if (!dur_plan_option(r, "function", &node->target)
        || node->target.len == 0 || node->target.len > 255)
    {
        return dur_plan_refuse(r, "the function is missing: \"function=\"");
    }

    return dur_plan_timeout(r, node, false)
           && dur_plan_compile_option(r, node, "data", &node->expr);
}


static bool
dur_plan_read_fail(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    node->target = r->words[1];

    return true;
}


static bool
dur_plan_read_return(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    return dur_plan_compile(r, node, "", r->words[1], &node->expr);
}


static bool
dur_plan_read_branch(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    return dur_plan_compile_option(r, node, "if", &node->expr);
}


static bool
dur_plan_read_foreach(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    dur_str_t  text;

    node->most = 1;

    if (!dur_plan_option(r, "in", &text)) {
        return dur_plan_refuse(r, "the list is missing: \"in=\"");
    }

    if (!dur_plan_compile(r, node, "in", text, &node->expr)) {
        return false;
    }

    return !dur_plan_option(r, "concurrency", &text)
           || dur_plan_number(r, "concurrency", text, 1, DUR_PLAN_WIDE,
                              &node->most);
}


/* The condition is over what the block does: it is compiled behind it. */
static bool
dur_plan_read_loop(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    dur_str_t  text;

    if (!dur_plan_option(r, "max", &text)) {
        return dur_plan_refuse(r, "how many rounds it has at most is "
                               "missing: \"max=\"");
    }

    return dur_plan_number(r, "max", text, 1, DUR_PLAN_ROUNDS, &node->most)
           && dur_plan_compile(r, node, "", r->words[1], &node->expr);
}


static const dur_plan_directive_t  dur_plan_directives[] = {
    { "step", DUR_PLAN_STEP, true, 2,
      "timeout retries method body header* expect idempotency",
      dur_plan_read_step },
    { "sleep", DUR_PLAN_SLEEP, true, 2, "", dur_plan_read_sleep },
    { "sleep_until", DUR_PLAN_SLEEP_UNTIL, true, 2, "", dur_plan_read_until },
    { "wait_for_event", DUR_PLAN_WAIT_EVENT, true, 1,
      "event match equals if timeout", dur_plan_read_wait },
    { "wait_for_signal", DUR_PLAN_WAIT_SIGNAL, true, 1, "signal timeout",
      dur_plan_read_signal },
    { "send_event", DUR_PLAN_SEND_EVENT, true, 1, "event data",
      dur_plan_read_send },
    { "invoke", DUR_PLAN_INVOKE, true, 1, "function data timeout",
      dur_plan_read_invoke },
    { "fail", DUR_PLAN_FAIL, false, 1, "", dur_plan_read_fail },
    { "return", DUR_PLAN_RETURN, false, 1, "", dur_plan_read_return },
    { "branch", DUR_PLAN_BRANCH, false, 0, "if", dur_plan_read_branch },
    { "parallel", DUR_PLAN_PARALLEL, false, 0, "", NULL },
    { "foreach", DUR_PLAN_FOREACH, true, 1, "in concurrency",
      dur_plan_read_foreach },
    { "until", DUR_PLAN_UNTIL, false, 1, "max", dur_plan_read_loop },
    { NULL, 0, false, 0, NULL, NULL }
};


const dur_plan_directive_t *
dur_plan_directive(dur_str_t word)
{
    const dur_plan_directive_t  *d;

    for (d = dur_plan_directives; d->word != NULL; d++) {
        if (dur_str_eq(word, dur_str_c(d->word))) {
            return d;
        }
    }

    return NULL;
}
