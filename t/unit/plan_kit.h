/* SPDX-License-Identifier: BSD-2-Clause */

/* Definitions of workflows for tests, from a text like nginx.conf's. */

#ifndef DUR_PLAN_KIT_H
#define DUR_PLAN_KIT_H

#include <jansson.h>
#include <stdlib.h>
#include <string.h>


/*
 * A directive on each line, words parted by blanks, `quoted` as a whole; "{"
 * at the end of a line opens a block, "}" closes it.
 */
__attribute__((unused))
static json_t *
plan_words(const char *line, size_t len)
{
    size_t   i, start;
    json_t  *list;

    list = json_array();

    for (i = 0; i < len; i++) {
        if (line[i] == ' ') {
            continue;
        }

        start = i;

        if (line[i] == '`') {
            for (start = ++i; i < len && line[i] != '`'; i++) { /* void */ }
        } else {
            while (i < len && line[i] != ' ') {
                i++;
            }
        }

        json_array_append_new(list, json_stringn(line + start, i - start));
    }

    return list;
}


__attribute__((unused))
static json_t *
plan_block(const char **p, unsigned *line)
{
    bool     opens;
    size_t   len;
    json_t  *list, *d, *w;

    list = json_array();

    while (**p != '\0') {
        len = strcspn(*p, "\n");
        w = plan_words(*p, len);
        *p += len + ((*p)[len] == '\n');
        (*line)++;

        if (json_array_size(w) == 0) {
            json_decref(w);
            continue;
        }

        if (strcmp(json_string_value(json_array_get(w, 0)), "}") == 0) {
            json_decref(w);
            break;
        }

        opens = strcmp(json_string_value(json_array_get(w,
                                         json_array_size(w) - 1)), "{") == 0;
        if (opens) {
            json_array_remove(w, json_array_size(w) - 1);
        }

        d = json_pack("{s:i,s:o}", "l", *line, "w", w);

        if (opens) {
            json_object_set_new(d, "b", plan_block(p, line));
        }

        json_array_append_new(list, d);
    }

    return list;
}


__attribute__((unused))
static char *
plan_json(const char *name, const char *text)
{
    char      *s;
    json_t    *root;
    unsigned   line;

    line = 0;
    root = json_pack("{s:s,s:s,s:i,s:o}", "name", name, "file", "x.conf",
                     "line", 0, "body", plan_block(&text, &line));
    s = json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(root);

    return s;
}

#endif /* DUR_PLAN_KIT_H */
