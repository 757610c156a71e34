/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The configuration file of `durable dev` and `durable start`: inngest.json,
 * or inngest.yaml with the little of YAML that settings need, which is
 * `key: value`, a list in brackets, and a list with a dash on each line.
 * Anything else is refused with its line, never guessed at.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "durable_flags.h"


#define DURABLE_CONF_LINE_MAX  4096


typedef struct {
    durable_flags_t  *flags;
    const char       *path;
    unsigned          line;
    int               row;          /* of the list that is open, or -1 */
    bool              list;         /* dashes may follow */
    char              where[96];
} durable_conf_t;


static bool
durable_conf_fail(durable_conf_t *c, const char *what)
{
    return durable_flags_fail(c->flags, "%s, line %u: %s (only `key: value` "
                              "and simple lists are read here).", c->path,
                              c->line, what);
}


/* Unknown keys are said and passed over: files of other versions have them. */
static bool
durable_conf_key(durable_conf_t *c, const char *key, size_t len)
{
    c->row = durable_flags_find(key, len);

    if (c->row == DURABLE_HELP || c->row == DURABLE_CONFIG
        || c->row == DURABLE_PRINT_CONFIG)
    {
        c->row = -1;
    }

    if (c->row == -1) {
        fprintf(stderr, "durable: %s: the key \"%.*s\" is not known and is "
                "passed over.\n", c->path, (int) len, key);
    }

    snprintf(c->where, sizeof(c->where), "%s of %s",
             c->row == -1 ? "" : durable_flag_defs[c->row].name, c->path);

    return c->row != -1;
}


static bool
durable_conf_set(durable_conf_t *c, const char *text)
{
    if (c->row == -1) {
        return true;
    }

    return durable_flags_set(c->flags, c->row, DURABLE_FROM_FILE, c->where,
                             text);
}


static bool
durable_conf_json_value(durable_conf_t *c, const json_t *v)
{
    char  text[64];

    switch (json_typeof(v)) {
    case JSON_STRING:
        return durable_conf_set(c, json_string_value(v));

    case JSON_TRUE:
        return durable_conf_set(c, "true");

    case JSON_FALSE:
        return durable_conf_set(c, "false");

    case JSON_INTEGER:
        snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT,
                 json_integer_value(v));
        return durable_conf_set(c, text);

    case JSON_REAL:
        snprintf(text, sizeof(text), "%.15g", json_real_value(v));
        return durable_conf_set(c, text);

    case JSON_NULL:
        return true;

    default:
        return durable_flags_fail(c->flags, "%s: it must be a text, a number, "
                                  "true, false, or a list of them.",
                                  c->where);
    }
}


static bool
durable_conf_json(durable_conf_t *c)
{
    bool          ok;
    json_t       *root, *value, *item;
    size_t        i;
    const char   *key;
    json_error_t  error;

    root = json_load_file(c->path, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        return durable_flags_fail(c->flags, "%s, line %d: %s.", c->path,
                                  error.line, error.text);
    }

    ok = json_is_object(root)
         || durable_flags_fail(c->flags, "%s must hold one JSON object.",
                               c->path);

    if (!ok) {
        goto done;
    }

    json_object_foreach(root, key, value) {

        if (!durable_conf_key(c, key, strlen(key))) {
            continue;
        }

        if (!json_is_array(value)) {
            ok = durable_conf_json_value(c, value);
            if (!ok) {
                goto done;
            }
            continue;
        }

        json_array_foreach(value, i, item) {
            ok = durable_conf_json_value(c, item);
            if (!ok) {
                goto done;
            }
        }
    }

done:

    json_decref(root);

    return ok;
}


/* Cuts spaces at both ends, in place. */
static char *
durable_conf_trim(char *p)
{
    size_t  len;

    p += strspn(p, " \t\r\n");
    len = strlen(p);

    while (len > 0 && strchr(" \t\r\n", p[len - 1]) != NULL) {
        len--;
    }

    p[len] = '\0';

    return p;
}


/*
 * One scalar at *pos: quoted, or plain up to one of `stop` or a comment.  It
 * is terminated in place and *pos moved behind it.
 */
static char *
durable_conf_scalar(durable_conf_t *c, char **pos, const char *stop)
{
    char  *p, *start, *end, quote;

    p = *pos + strspn(*pos, " \t");
    quote = *p;

    if (quote == '"' || quote == '\'') {
        start = p + 1;
        end = strchr(start, quote);

        if (end == NULL || memchr(start, '\\', (size_t) (end - start)) != NULL
            || end[1] == quote)
        {
            durable_conf_fail(c, "a quoted text ends on its line and has no "
                              "escapes");
            return NULL;
        }

        *end = '\0';
        *pos = end + 1;

        return start;
    }

    if (*p != '\0' && strchr("{}&*!|>%@`", *p) != NULL) {
        durable_conf_fail(c, "this value is more YAML than is understood");
        return NULL;
    }

    start = p;

    while (*p != '\0' && strchr(stop, *p) == NULL) {
        if (*p == '#' && (p == start || p[-1] == ' ' || p[-1] == '\t')) {
            break;
        }

        if (*p == ':' && (p[1] == ' ' || p[1] == '\0')) {
            durable_conf_fail(c, "a value cannot hold keys");
            return NULL;
        }

        p++;
    }

    *pos = p;

    return start;
}


/* Behind a value only a comment may stand. */
static bool
durable_conf_rest(durable_conf_t *c, const char *p)
{
    p += strspn(p, " \t\r\n");

    return *p == '\0' || *p == '#'
           || durable_conf_fail(c, "something stands behind the value");
}


static bool
durable_conf_yaml_list(durable_conf_t *c, char *p)
{
    char  *text, *end, stop;

    for ( ;; ) {
        p += strspn(p, " \t");
        if (*p == ']') {
            return durable_conf_rest(c, p + 1);
        }

        text = durable_conf_scalar(c, &p, ",]");
        if (text == NULL) {
            return false;
        }

        end = p;
        p += strspn(p, " \t");
        stop = *p;

        if (stop != ',' && stop != ']') {
            return durable_conf_fail(c, "a list in brackets ends on its line");
        }

        *end = '\0';
        if (!durable_conf_set(c, durable_conf_trim(text))) {
            return false;
        }

        p++;

        if (stop == ']') {
            return durable_conf_rest(c, p);
        }
    }
}


static bool
durable_conf_yaml_value(durable_conf_t *c, char *p)
{
    bool   ok;
    char  *text;

    text = durable_conf_scalar(c, &p, "");
    if (text == NULL) {
        return false;
    }

    ok = durable_conf_rest(c, p);
    *p = '\0';

    return ok && durable_conf_set(c, durable_conf_trim(text));
}


static bool
durable_conf_yaml_line(durable_conf_t *c, char *p)
{
    char  *colon, *start;

    start = p + strspn(p, " \t\r\n");

    if (*start == '\0' || *start == '#' || strncmp(p, "---", 3) == 0) {
        return true;
    }

    if (start[0] == '-' && (start[1] == ' ' || start[1] == '\t')) {
        return c->list ? durable_conf_yaml_value(c, start + 1)
                       : durable_conf_fail(c, "a dash without a key before");
    }

    if (start != p) {
        return durable_conf_fail(c, "a key must start the line");
    }

    colon = strchr(p, ':');
    if (colon == NULL || (colon[1] != ' ' && colon[1] != '\t'
                          && colon[1] != '\r' && colon[1] != '\n'
                          && colon[1] != '\0'))
    {
        return durable_conf_fail(c, "this is no `key: value`");
    }

    (void) durable_conf_key(c, p, (size_t) (colon - p));

    p = durable_conf_trim(colon + 1);
    c->list = *p == '\0' || *p == '#';

    if (c->list) {
        return true;
    }

    if (*p == '[') {
        return durable_conf_yaml_list(c, p + 1);
    }

    return durable_conf_yaml_value(c, p);
}


static bool
durable_conf_yaml(durable_conf_t *c)
{
    bool   ok;
    char   line[DURABLE_CONF_LINE_MAX];
    FILE  *f;

    f = fopen(c->path, "re");
    if (f == NULL) {
        return durable_flags_fail(c->flags, "%s cannot be read: %s.", c->path,
                                  strerror(errno));
    }

    ok = true;

    while (ok && fgets(line, sizeof(line), f) != NULL) {
        c->line++;

        if (strlen(line) == sizeof(line) - 1) {
            ok = durable_conf_fail(c, "the line is too long");
            break;
        }

        ok = durable_conf_yaml_line(c, line);
    }

    fclose(f);

    return ok;
}


bool
durable_flags_file(durable_flags_t *f)
{
    static const char *const  names[] = { "inngest.json", "inngest.yaml",
                                          "inngest.yml" };

    size_t                  i;
    const char             *dot;
    durable_conf_t          c;
    const durable_value_t  *v;

    memset(&c, 0, sizeof(c));
    c.flags = f;
    c.row = -1;

    v = &f->value[DURABLE_CONFIG];

    if (v->n > 0) {
        c.path = v->item[0];

    } else {
        for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            if (access(names[i], F_OK) == 0) {
                c.path = names[i];
                break;
            }
        }

        if (c.path == NULL) {
            return true;
        }
    }

    if (access(c.path, R_OK) != 0) {
        return durable_flags_fail(f, "The configuration file %s cannot be "
                                  "read: %s.", c.path, strerror(errno));
    }

    dot = strrchr(c.path, '.');

    if (dot != NULL && strcmp(dot, ".json") == 0) {
        return durable_conf_json(&c);
    }

    if (dot != NULL
        && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0))
    {
        return durable_conf_yaml(&c);
    }

    return durable_flags_fail(f, "The configuration file %s must end in "
                              ".json, .yaml or .yml.", c.path);
}
