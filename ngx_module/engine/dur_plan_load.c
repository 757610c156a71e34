/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_plan_load.h"
#include "engine/dur_expr_path.h"
#include "engine/dur_json.h"
#include "engine/dur_plan_scope.h"
#include "engine/dur_sign.h"
#include "engine/dur_time.h"

#include <stdio.h>
#include <stdlib.h>


#define DUR_PLAN_DAYS   366             /* that a run may wait */
#define DUR_PLAN_LANES  64              /* of parallel */


static bool dur_plan_block(dur_plan_reader_t *r, const json_t *list,
    dur_plan_node_t *parent);


/* -- words ---------------------------------------------------------------- */

bool
dur_plan_refuse(dur_plan_reader_t *r, const char *fmt, ...)
{
    int      n;
    va_list  ap;

    if (r->err->text[0] != '\0') {
        return false;
    }

    r->err->line = r->line;

    n = (int) (r->file.len < sizeof(r->err->file) - 1
               ? r->file.len : sizeof(r->err->file) - 1);
    snprintf(r->err->file, sizeof(r->err->file), "%.*s", n,
             r->file.len ? (const char *) r->file.data : "");

    va_start(ap, fmt);
    vsnprintf(r->err->text, sizeof(r->err->text), fmt, ap);
    va_end(ap);

    return false;
}


bool
dur_plan_is_option(dur_str_t word, const char *key, size_t len)
{
    return word.len > len && word.data[len] == '='
           && memcmp(word.data, key, len) == 0;
}


bool
dur_plan_option(const dur_plan_reader_t *r, const char *key,
    dur_str_t *value)
{
    size_t    len;
    unsigned  i;

    len = strlen(key);

    for (i = 1; i < r->n; i++) {
        if (dur_plan_is_option(r->words[i], key, len)) {
            *value = dur_str_make(r->words[i].data + len + 1,
                                  r->words[i].len - len - 1);
            return true;
        }
    }

    return false;
}


/* The length of the key that the word has among `known`; 0: none of it. */
static size_t
dur_plan_key(dur_str_t word, const char *known, bool *many)
{
    size_t  len;

    for ( ; *known != '\0'; known += len + (known[len] == ' ')) {
        len = strcspn(known, " ");
        *many = len > 0 && known[len - 1] == '*';

        if (dur_plan_is_option(word, known, len - *many)) {
            return len - *many;
        }
    }

    return 0;
}


bool
dur_plan_shape(dur_plan_reader_t *r, unsigned words, const char *known)
{
    bool       many;
    size_t     len;
    unsigned   i;
    dur_str_t  first, w;

    w = r->words[0];

    if (r->n < words + 1) {
        return dur_plan_refuse(r, "\"%.*s\" needs %u %s", (int) w.len, w.data,
                               words, words == 1 ? "word" : "words");
    }

    for (i = words + 1; i < r->n; i++) {
        len = dur_plan_key(r->words[i], known, &many);

        if (len == 0) {
            return dur_plan_refuse(r, "unknown word \"%.*s\": \"%.*s\" %s%s",
                                   (int) (r->words[i].len < 80
                                          ? r->words[i].len : 80),
                                   r->words[i].data, (int) w.len, w.data,
                                   known[0] ? "knows the options "
                                            : "has no options", known);
        }

        first = dur_str_make(r->words[i].data, len);

        for (unsigned j = words + 1; j < i && !many; j++) {
            if (dur_plan_is_option(r->words[j], (const char *) first.data,
                                   len))
            {
                return dur_plan_refuse(r, "\"%.*s=\" is there twice",
                                       (int) len, first.data);
            }
        }
    }

    return true;
}


bool
dur_plan_duration(dur_plan_reader_t *r, const char *key, dur_str_t text,
    int64_t least, int64_t *ms)
{
    if (text.len == 0 || dur_duration_parse(text, ms) != DUR_OK
        || *ms < least || *ms > DUR_PLAN_DAYS * DUR_TIME_DAY_MS)
    {
        return dur_plan_refuse(r, "%s \"%.*s\" is no duration from %lldms to "
                               "366 days, such as 30s, 5m or 24h", key,
                               (int) text.len, text.data, (long long) least);
    }

    return true;
}


bool
dur_plan_number(dur_plan_reader_t *r, const char *key, dur_str_t text,
    unsigned least, unsigned most, unsigned *value)
{
    size_t    i;
    uint64_t  n;

    n = 0;

    for (i = 0; i < text.len && i < 10; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            break;
        }

        n = n * 10 + (text.data[i] - '0');
    }

    if (text.len == 0 || i < text.len || n < least || n > most) {
        return dur_plan_refuse(r, "%s \"%.*s\" is no number from %u to %u",
                               key, (int) text.len, text.data, least, most);
    }

    *value = (unsigned) n;

    return true;
}


/* -- names, and what they are used for ------------------------------------ */

static bool
dur_plan_is_name(dur_str_t s)
{
    size_t   i;
    uint8_t  c;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if ((c < '0' || c > '9') && (c < 'A' || c > 'Z')
            && (c < 'a' || c > 'z') && c != '_' && (c != '-' || i == 0)
            && (c != '.' || i == 0))
        {
            return false;
        }
    }

    return s.len > 0 && s.len <= DUR_PLAN_NAME;
}


static bool
dur_plan_named(dur_plan_reader_t *r, dur_plan_node_t *node)
{
    unsigned           i;
    dur_str_t          name;
    dur_plan_node_t   *other;

    static const char *const  taken[] = {
        "event", "events", "async", "steps", "run_id", "attempt", "index",
        NULL
    };

    name = r->words[1];

    if (!dur_plan_is_name(name)) {
        return dur_plan_refuse(r, "\"%.*s\" is no name: it has letters, "
                               "digits, \"_\", \"-\" and \".\", and at most "
                               "%d of them", (int) name.len, name.data,
                               DUR_PLAN_NAME);
    }

    for (i = 0; node->kind == DUR_PLAN_FOREACH && taken[i] != NULL; i++) {
        if (dur_str_eq(name, dur_str_c(taken[i]))) {
            return dur_plan_refuse(r, "\"%s\" is a word of expressions and "
                                   "no name of an item", taken[i]);
        }
    }

    for (i = 0; i < r->def->nnodes; i++) {
        other = r->def->nodes[i];

        if (other != node && dur_str_eq(other->name, name)) {
            return dur_plan_refuse(r, "the name \"%.*s\" is taken, in line "
                                   "%u", (int) name.len, name.data,
                                   other->line);
        }
    }

    node->name = name;
    dur_sha1(name, node->id.b);

    return true;
}


static dur_plan_node_t *
dur_plan_node_named(const dur_plan_def_t *def, dur_str_t name)
{
    unsigned  i;

    for (i = 0; i < def->nnodes; i++) {
        if (def->nodes[i]->kind <= DUR_PLAN_INVOKE
            && dur_str_eq(def->nodes[i]->name, name))
        {
            return def->nodes[i];
        }
    }

    return NULL;
}


/* Whether a step can have run when the directive is reached; the condition of
 * `until` comes behind its block. */
static bool
dur_plan_sees(const dur_plan_node_t *node, const dur_plan_node_t *step)
{
    const dur_plan_node_t  *p;

    if (step->number < node->number) {
        return true;
    }

    for (p = step->parent; p != NULL; p = p->parent) {
        if (p == node) {
            return node->kind == DUR_PLAN_UNTIL;
        }
    }

    return false;
}


static bool
dur_plan_add_use(dur_plan_reader_t *r, dur_plan_expr_t *expr,
    const dur_plan_node_t *step)
{
    unsigned                  i;
    const dur_plan_node_t   **uses;

    for (i = 0; i < expr->nuses; i++) {
        if (expr->uses[i] == step) {
            return true;
        }
    }

    uses = dur_arena_alloc(&r->def->arena, (i + 1) * sizeof(*uses));
    if (uses == NULL) {
        r->nomem = true;
        return false;
    }

    if (i > 0) {
        memcpy(uses, expr->uses, i * sizeof(*uses));
    }

    uses[i] = step;
    expr->uses = uses;
    expr->nuses = i + 1;

    return true;
}


/* The steps that an expression names; `steps` alone means all of them. */
static bool
dur_plan_uses(dur_plan_reader_t *r, const dur_plan_node_t *node,
    dur_plan_expr_t *expr)
{
    size_t            at;
    unsigned          i;
    dur_str_t         name;
    dur_plan_node_t  *step;

    for (at = 0; dur_expr_uses(expr->tree, DUR_PLAN_ROOT_STEPS, &at,
                               &name); )
    {
        for (i = 0; name.data == NULL && i < r->def->nnodes; i++) {
            step = r->def->nodes[i];

            if (step->kind <= DUR_PLAN_INVOKE && step->name.len
                && dur_plan_sees(node, step)
                && !dur_plan_add_use(r, expr, step))
            {
                return false;
            }
        }

        if (name.data == NULL) {
            continue;
        }

        step = dur_plan_node_named(r->def, name);

        if (step == NULL) {
            return dur_plan_refuse(r, "there is no step \"%.*s\"",
                                   (int) name.len, name.data);
        }

        if (!dur_plan_sees(node, step)) {
            return dur_plan_refuse(r, "the step \"%.*s\" comes later, in "
                                   "line %u", (int) name.len, name.data,
                                   step->line);
        }

        if (!dur_plan_add_use(r, expr, step)) {
            return false;
        }
    }

    return true;
}


/* -- the tree ------------------------------------------------------------- */

/* The words of a directive; all of it belongs to the arena from here on. */
static bool
dur_plan_words(dur_plan_reader_t *r, const json_t *object)
{
    size_t      i, n;
    int64_t     line;
    dur_str_t   word;
    json_t     *words, *w;

    words = json_object_get(object, "w");
    n = json_array_size(words);

    r->file = r->def->file;
    r->line = r->def->line;

    if (dur_json_get_int(object, "l", &line) == DUR_OK && line > 0
        && line < INT32_MAX)
    {
        r->line = (unsigned) line;
    }

    if (dur_json_get_string(object, "f", &word) == DUR_OK) {
        r->file = dur_arena_copy(&r->def->arena, word);
    }

    if (n == 0 || n > DUR_PLAN_WORDS) {
        return dur_plan_refuse(r, "a directive has at most %d words",
                               DUR_PLAN_WORDS);
    }

    for (i = 0; i < n; i++) {
        w = json_array_get(words, i);

        if (!json_is_string(w)) {
            return dur_plan_refuse(r, "a word is no text");
        }

        word = dur_str_make(json_string_value(w), json_string_length(w));
        r->words[i] = dur_arena_copy(&r->def->arena, word);

        if (r->words[i].data == NULL) {
            r->nomem = true;
            return false;
        }
    }

    r->n = (unsigned) n;

    return true;
}


static dur_plan_node_t *
dur_plan_add(dur_plan_reader_t *r, const dur_plan_directive_t *d,
    dur_plan_node_t *parent)
{
    bool              loop;
    dur_plan_node_t  *node;

    loop = parent->kind == DUR_PLAN_FOREACH || parent->kind == DUR_PLAN_UNTIL;

    if (r->def->nnodes == DUR_PLAN_NODES) {
        dur_plan_refuse(r, "a function has at most %d directives",
                        DUR_PLAN_NODES);
        return NULL;
    }

    node = dur_arena_zalloc(&r->def->arena, sizeof(dur_plan_node_t));
    if (node == NULL) {
        r->nomem = true;
        return NULL;
    }

    node->kind = d->kind;
    node->number = (uint16_t) r->def->nnodes;
    node->line = r->line;
    node->file = r->file;
    node->parent = parent;
    node->depth = (uint8_t) (parent->depth + loop);
    memcpy(node->loops, parent->loops, sizeof(node->loops));

    if (node->depth > DUR_PLAN_DEPTH) {
        dur_plan_refuse(r, "loops are at most %d deep", DUR_PLAN_DEPTH);
        return NULL;
    }

    if (loop) {
        node->loops[node->depth - 1] = parent;
    }

    node->prev = parent->last;

    if (parent->last != NULL) {
        parent->last->next = node;
    } else {
        parent->first = node;
    }

    parent->last = node;
    r->def->nodes[r->def->nnodes++] = node;

    return node;
}


/* Of a block; what it says of the directive itself comes first. */
static bool
dur_plan_children(dur_plan_reader_t *r, const json_t *object,
    dur_plan_node_t *node)
{
    unsigned          n;
    json_t           *list;
    dur_plan_node_t  *p;

    list = json_object_get(object, "b");

    if ((list != NULL) != (node->kind >= DUR_PLAN_BRANCH)) {
        return dur_plan_refuse(r, list ? "\"%.*s\" has no block"
                                       : "\"%.*s\" needs a block",
                               (int) r->words[0].len, r->words[0].data);
    }

    if (list == NULL) {
        return true;
    }

    if (json_array_size(list) == 0) {
        return dur_plan_refuse(r, "the block of \"%.*s\" is empty",
                               (int) r->words[0].len, r->words[0].data);
    }

    if (!dur_plan_block(r, list, node)) {
        return false;
    }

    r->line = node->line;
    r->file = node->file;

    for (p = node->first, n = 0; p != NULL; p = p->next) {
        n++;
    }

    if (node->kind == DUR_PLAN_PARALLEL && n > DUR_PLAN_LANES) {
        return dur_plan_refuse(r, "\"parallel\" has at most %d directives",
                               DUR_PLAN_LANES);
    }

    return true;
}


/* A setting of the function. */
static bool
dur_plan_outer(dur_plan_reader_t *r, const json_t *object,
    const dur_plan_node_t *parent)
{
    const char  *word;

    word = (const char *) r->words[0].data;

    if (parent != &r->def->root) {
        return dur_plan_refuse(r, "\"%s\" is about the whole function: it "
                               "stands in no other block", word);
    }

    if (json_object_get(object, "b") != NULL) {
        return dur_plan_refuse(r, "\"%s\" has no block", word);
    }

    return dur_plan_setting(r);
}


static bool
dur_plan_one(dur_plan_reader_t *r, const json_t *object,
    dur_plan_node_t *parent)
{
    dur_plan_node_t             *node;
    const dur_plan_directive_t  *d;

    if (!dur_plan_words(r, object)) {
        return false;
    }

    if (dur_plan_is_setting(r->words[0])) {
        return dur_plan_outer(r, object, parent);
    }

    d = dur_plan_directive(r->words[0]);

    if (d == NULL) {
        return dur_plan_refuse(r, "unknown directive \"%.*s\"",
                               (int) (r->words[0].len < 80
                                      ? r->words[0].len : 80),
                               r->words[0].data);
    }

    if (!dur_plan_shape(r, d->words, d->options)) {
        return false;
    }

    node = dur_plan_add(r, d, parent);

    return node != NULL
           && (!d->named || dur_plan_named(r, node))
           && (d->read == NULL || d->read(r, node))
           && dur_plan_children(r, object, node);
}


static bool
dur_plan_block(dur_plan_reader_t *r, const json_t *list,
    dur_plan_node_t *parent)
{
    size_t  i;

    for (i = 0; i < json_array_size(list); i++) {
        if (!dur_plan_one(r, json_array_get(list, i), parent)) {
            return false;
        }
    }

    return true;
}


/* When all names are known. */
static bool
dur_plan_link(dur_plan_reader_t *r)
{
    unsigned          i;
    dur_plan_node_t  *node;

    for (i = 0; i < r->def->nnodes; i++) {
        node = r->def->nodes[i];
        r->line = node->line;
        r->file = node->file;

        if ((node->expr.tree != NULL && !dur_plan_uses(r, node, &node->expr))
            || (node->equals.tree != NULL
                && !dur_plan_uses(r, node, &node->equals)))
        {
            return false;
        }

        if (node->kind == DUR_PLAN_STEP && node->retries == UINT32_MAX) {
            node->retries = r->def->app.functions[0].retries;
        }
    }

    return true;
}


static bool
dur_plan_read(dur_plan_reader_t *r, const json_t *root)
{
    int64_t     line;
    dur_str_t   name, file, failure;
    json_t     *body;

    if (dur_json_get_string(root, "name", &name) != DUR_OK) {
        name = dur_str_null;
    }
    if (dur_json_get_string(root, "file", &file) != DUR_OK) {
        file = dur_str_null;
    }
    if (dur_json_get_string(root, "failure_of", &failure) != DUR_OK) {
        failure = dur_str_null;
    }
    if (dur_json_get_int(root, "line", &line) != DUR_OK || line < 0
        || line > INT32_MAX)
    {
        line = 0;
    }

    r->def->name = dur_arena_copy(&r->def->arena, name);
    r->def->file = dur_arena_copy(&r->def->arena, file);
    r->file = r->def->file;
    r->def->line = r->line = (unsigned) line;
    r->def->root.kind = DUR_PLAN_BRANCH;
    r->def->root.line = r->line;
    r->def->root.file = r->file;

    if (!dur_plan_is_name(r->def->name)) {
        return dur_plan_refuse(r, "\"%.*s\" is no name of a function: it has "
                               "letters, digits, \"_\", \"-\" and \".\", and "
                               "at most %d of them", (int) name.len,
                               name.len ? (const char *) name.data : "",
                               DUR_PLAN_NAME);
    }

    body = json_object_get(root, "body");

    if (!dur_plan_block(r, body, &r->def->root)) {
        return false;
    }

    r->line = r->def->line;
    r->file = r->def->file;

    if (r->def->nnodes == 0) {
        return dur_plan_refuse(r, "the function does nothing: it has no "
                               "step");
    }

    return dur_plan_settle(r, failure) && dur_plan_link(r);
}


dur_rc_t
dur_plan_load(dur_str_t json, dur_plan_def_t **def, dur_plan_error_t *err)
{
    bool                done;
    json_t             *root;
    dur_plan_reader_t   r;

    *def = NULL;
    memset(err, 0, sizeof(*err));
    memset(&r, 0, sizeof(r));
    r.err = err;

    if (json.len > DUR_PLAN_TEXT) {
        dur_plan_refuse(&r, "the function is longer than %d bytes",
                        DUR_PLAN_TEXT);
        return DUR_EINVAL;
    }

    root = dur_json_parse(json, NULL);

    if (!json_is_object(root)) {
        json_decref(root);
        dur_plan_refuse(&r, "the definition is no JSON object");
        return DUR_EINVAL;
    }

    r.def = calloc(1, sizeof(dur_plan_def_t));
    r.config = json_object();
    done = false;

    if (r.def != NULL && r.config != NULL) {
        dur_arena_init(&r.def->arena);
        done = dur_plan_read(&r, root);

    } else {
        r.nomem = true;
    }

    json_decref(root);
    json_decref(r.config);

    if (!done) {
        dur_plan_free(r.def);
        return r.nomem ? DUR_ENOMEM : DUR_EINVAL;
    }

    *def = r.def;

    return DUR_OK;
}


void
dur_plan_free(dur_plan_def_t *def)
{
    unsigned  i;

    if (def == NULL) {
        return;
    }

    for (i = 0; i < def->nnodes; i++) {
        dur_expr_free(def->nodes[i]->expr.tree);
        dur_expr_free(def->nodes[i]->equals.tree);
    }

    if (def->app.root != NULL) {
        dur_app_deinit(&def->app);
    }

    dur_arena_deinit(&def->arena);
    free(def);
}
