/* SPDX-License-Identifier: BSD-2-Clause */

/* The names of steps, which tell the rounds of loops: "embed[3]". */

#include "engine/dur_plan.h"
#include "engine/dur_sign.h"

#include <stdio.h>


/* "name[9999][9999][9999][9999]" */
#define DUR_PLAN_LONG  (DUR_PLAN_NAME + 8 * DUR_PLAN_DEPTH)


static size_t
dur_plan_long_name(const dur_plan_at_t *at, char text[DUR_PLAN_LONG + 1])
{
    size_t                  n;
    unsigned                i;
    const dur_plan_node_t  *node = at->node;

    n = node->name.len;
    memcpy(text, node->name.data, n);
    text[n] = '\0';

    for (i = 0; i < node->depth; i++) {
        n += (size_t) snprintf(text + n, DUR_PLAN_LONG + 1 - n, "[%u]",
                               at->round[i]);
    }

    return n;
}


void
dur_plan_id(const dur_plan_at_t *at, dur_hash_t *id)
{
    char    text[DUR_PLAN_LONG + 1];
    size_t  n;

    if (at->node->depth == 0) {
        *id = at->node->id;
        return;
    }

    n = dur_plan_long_name(at, text);
    dur_sha1(dur_str_make(text, n), id->b);
}


dur_str_t
dur_plan_name(const dur_plan_at_t *at, dur_arena_t *arena)
{
    char    text[DUR_PLAN_LONG + 1];
    size_t  n;

    n = dur_plan_long_name(at, text);

    return dur_arena_copy(arena, dur_str_make(text, n));
}


/* "[12]" at the start of the text. */
static bool
dur_plan_round(dur_str_t *text, uint32_t *round)
{
    size_t  i;

    *round = 0;

    for (i = 1; i < text->len && i < 6; i++) {
        if (text->data[i] == ']') {
            break;
        }

        if (text->data[i] < '0' || text->data[i] > '9') {
            return false;
        }

        *round = *round * 10 + (text->data[i] - '0');
    }

    if (text->len < 3 || text->data[0] != '[' || i == 1 || i >= text->len
        || text->data[i] != ']' || *round >= DUR_PLAN_ROUNDS)
    {
        return false;
    }

    text->data += i + 1;
    text->len -= i + 1;

    return true;
}


bool
dur_plan_find(const dur_plan_def_t *def, dur_str_t name, dur_plan_at_t *at)
{
    unsigned         i, k;
    dur_str_t        rest, base;
    const uint8_t   *p;

    memset(at, 0, sizeof(*at));

    p = name.len ? memchr(name.data, '[', name.len) : NULL;
    base = dur_str_make(name.data, p ? (size_t) (p - name.data) : name.len);

    for (i = 0; i < def->nnodes; i++) {
        at->node = def->nodes[i];

        if (at->node->kind > DUR_PLAN_INVOKE
            || !dur_str_eq(at->node->name, base))
        {
            continue;
        }

        rest = dur_str_make(name.data + base.len, name.len - base.len);

        for (k = 0; k < at->node->depth; k++) {
            if (!dur_plan_round(&rest, &at->round[k])) {
                return false;
            }
        }

        return rest.len == 0;
    }

    return false;
}
