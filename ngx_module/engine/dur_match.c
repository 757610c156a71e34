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

    if (!dur_str_eq(name, dur_str("inngest/function.invoked"))) {
        dur_match_collect(m, name);
    }

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


bool
dur_match_reads(const dur_registry_t *r, dur_str_t name, dur_arena_t *arena)
{
    size_t           i;
    dur_match_t      m = { r, NULL, 0 };
    dur_function_t  *fn;

    if (!dur_match_any(r, name)) {
        return false;
    }

    m.rows = dur_arena_alloc(arena, r->nindex * sizeof(*m.rows));
    if (m.rows == NULL) {
        return true;
    }

    dur_match_patterns(&m, name);

    for (i = 0; i < m.n; i++) {
        fn = dur_registry_function(r, m.rows[i].function);

        if (fn != NULL && (fn->triggers[m.rows[i].trigger].expr != NULL
                           || dur_option_reads(&fn->option)))
        {
            return true;
        }
    }

    return false;
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


/* DUR_OK when it is true, DUR_ENOTFOUND when it is anything else.  The arena
 * is empty again: an event meets many expressions. */
static dur_rc_t
dur_match_expression(const dur_expr_t *expr, const json_t *event,
    int64_t now_ms, dur_arena_t *arena)
{
    bool             value;
    dur_rc_t         rc;
    dur_expr_vars_t  vars = { event, NULL, now_ms, false };

    rc = dur_expr_true(expr, &vars, arena, &value);
    dur_arena_reset(arena);

    if (rc == DUR_OK && !value) {
        rc = DUR_ENOTFOUND;
    }

    return rc;
}


/* The functions of the rows whose expressions pass, each once. */
static dur_rc_t
dur_match_filter(const dur_match_t *m, const dur_match_key_t *key,
    dur_function_t **functions, size_t *n)
{
    size_t            i;
    json_t           *event;
    dur_rc_t          rc;
    dur_arena_t       arena;
    dur_trigger_t    *trigger;
    dur_function_t   *fn, *last;

    event = NULL;
    last = NULL;
    rc = DUR_OK;
    dur_arena_init(&arena);

    for (i = 0; i < m->n; i++) {
        fn = dur_registry_function(m->registry, m->rows[i].function);

        if (fn == NULL || fn == last) {
            continue;
        }

        trigger = &fn->triggers[m->rows[i].trigger];

        if (trigger->expr != NULL) {
            if (event == NULL) {
                event = dur_json_parse(key->json, NULL);
            }

            if (event == NULL) {
                continue;
            }

            rc = dur_match_expression(trigger->expr, event, key->now_ms,
                                      &arena);
            if (rc == DUR_ENOMEM) {
                break;
            }

            if (rc != DUR_OK) {
                rc = DUR_OK;
                continue;
            }
        }

        functions[(*n)++] = fn;
        last = fn;
    }

    json_decref(event);
    dur_arena_deinit(&arena);

    return rc;
}


dur_rc_t
dur_match_event(const dur_registry_t *r, const dur_match_key_t *key,
    dur_arena_t *arena, dur_function_t ***functions, size_t *n)
{
    dur_match_t  m = { r, NULL, 0 };

    *n = 0;

    if (r->nindex == 0) {
        return DUR_OK;
    }

    dur_match_patterns(&m, key->name);

    if (m.n == 0) {
        return DUR_OK;
    }

    m.rows = dur_arena_alloc(arena, m.n * sizeof(*m.rows));
    *functions = dur_arena_alloc(arena, m.n * sizeof(**functions));

    if (m.rows == NULL || *functions == NULL) {
        return DUR_ENOMEM;
    }

    m.n = 0;
    dur_match_patterns(&m, key->name);
    qsort(m.rows, m.n, sizeof(*m.rows), dur_match_cmp);

    return dur_match_filter(&m, key, *functions, n);
}
