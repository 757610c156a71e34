/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_match.h"
#include "engine/dur_json.h"

#include <stdlib.h>


/* An event name of n characters has at most n + 1 candidate patterns; longer
 * names than this one are refused at ingest. */
#define DUR_MATCH_NAME_MAX  1024


static int
dur_match_compare(dur_str_t a, dur_str_t b)
{
    int     rc;
    size_t  n;

    n = a.len < b.len ? a.len : b.len;

    rc = n ? memcmp(a.data, b.data, n) : 0;
    if (rc != 0) {
        return rc;
    }

    return a.len < b.len ? -1 : a.len > b.len;
}


/* First row of the index with this pattern; nindex when there is none. */
static uint32_t
dur_match_find(const dur_registry_t *r, dur_str_t pattern)
{
    uint32_t  low, high, middle;

    for (low = 0, high = r->nindex; low < high; ) {
        middle = low + (high - low) / 2;

        if (dur_match_compare(r->index[middle].pattern, pattern) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }

    return (low < r->nindex && dur_str_eq(r->index[low].pattern, pattern))
           ? low : r->nindex;
}


typedef struct {
    const dur_registry_t  *registry;
    dur_trigger_index_t   *rows;        /* NULL: only counted */
    size_t                 n;
} dur_match_t;


static void
dur_match_collect(dur_match_t *m, dur_str_t pattern)
{
    uint32_t               i;
    const dur_registry_t  *r = m->registry;

    for (i = dur_match_find(r, pattern);
         i < r->nindex && dur_str_eq(r->index[i].pattern, pattern);
         i++)
    {
        if (m->rows != NULL) {
            m->rows[m->n] = r->index[i];
        }
        m->n++;
    }
}


/* The name itself, then prefix/<star> and prefix.<star> at each separator. */
static void
dur_match_patterns(dur_match_t *m, dur_str_t name)
{
    size_t   i;
    uint8_t  pattern[DUR_MATCH_NAME_MAX + 1];

    dur_match_collect(m, name);

    if (name.len > DUR_MATCH_NAME_MAX) {
        return;
    }

    for (i = 0; i < name.len; i++) {
        pattern[i] = name.data[i];

        if (name.data[i] == '/' || name.data[i] == '.') {
            pattern[i + 1] = '*';
            dur_match_collect(m, dur_str_make(pattern, i + 2));
        }
    }
}


bool
dur_match_any(const dur_registry_t *r, dur_str_t name)
{
    dur_match_t  m = { r, NULL, 0 };

    if (r->nindex == 0) {
        return false;
    }

    dur_match_patterns(&m, name);

    return m.n > 0;
}


static int
dur_match_cmp(const void *one, const void *two)
{
    const dur_trigger_index_t  *a = one, *b = two;

    if (a->function != b->function) {
        return a->function < b->function ? -1 : 1;
    }

    return a->trigger < b->trigger ? -1 : a->trigger > b->trigger;
}


dur_rc_t
dur_match_event(const dur_registry_t *r, dur_str_t name, dur_str_t json,
    dur_arena_t *arena, dur_function_t ***functions, size_t *n)
{
    size_t            i;
    json_t           *event;
    dur_match_t       m = { r, NULL, 0 };
    dur_trigger_t    *trigger;
    dur_function_t   *fn, *last;
    dur_json_error_t  err;

    *n = 0;

    if (r->nindex == 0) {
        return DUR_OK;
    }

    dur_match_patterns(&m, name);

    if (m.n == 0) {
        return DUR_OK;
    }

    m.rows = dur_arena_alloc(arena, m.n * sizeof(*m.rows));
    *functions = dur_arena_alloc(arena, m.n * sizeof(**functions));

    if (m.rows == NULL || *functions == NULL) {
        return DUR_ENOMEM;
    }

    m.n = 0;
    dur_match_patterns(&m, name);
    qsort(m.rows, m.n, sizeof(*m.rows), dur_match_cmp);

    event = NULL;
    last = NULL;

    for (i = 0; i < m.n; i++) {
        fn = dur_registry_function(r, m.rows[i].function);

        if (fn == NULL || fn == last) {
            continue;
        }

        trigger = &fn->triggers[m.rows[i].trigger];

        if (trigger->expr != NULL) {
            if (event == NULL) {
                event = dur_json_parse(json, &err);
            }

            if (event == NULL || !dur_expr_true(trigger->expr, event)) {
                continue;
            }
        }

        (*functions)[(*n)++] = fn;
        last = fn;
    }

    json_decref(event);

    return DUR_OK;
}
