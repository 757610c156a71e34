/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_counter.h"

#include <stdlib.h>


#define DUR_COUNTERS_MIN  64


void
dur_counter_put(uint8_t *p, const dur_counter_t *c)
{
    p[0] = c->scope;
    dur_put32(p + 1, c->function);
    dur_put64(p + 5, c->value);
}


void
dur_counter_get(const uint8_t *p, dur_counter_t *c)
{
    memset(c, 0, sizeof(*c));

    c->scope = p[0];
    c->function = dur_get32(p + 1);
    c->value = dur_get64(p + 5);
}


/* The limit of a whole function is the widest of all. */
static int
dur_counter_rank(const dur_counter_t *c)
{
    static const uint8_t  ranks[] = { 0, 4, 2, 3, 5, 6 };

    return (c->scope == DUR_SCOPE_FN && c->value == 0) ? 1 : ranks[c->scope];
}


int
dur_counter_cmp(const dur_counter_t *a, const dur_counter_t *b)
{
    int  rank;

    rank = dur_counter_rank(a) - dur_counter_rank(b);

    if (rank != 0) {
        return rank;
    }

    if (a->function != b->function) {
        return a->function > b->function ? 1 : -1;
    }

    return a->value == b->value ? 0 : a->value > b->value ? 1 : -1;
}


/* -- what is counted ------------------------------------------------------ */

static bool
dur_slot_is(const dur_slot_t *slot, const dur_counter_t *c, uint32_t app)
{
    return slot->counter.scope == c->scope && slot->app == app
           && slot->counter.function == c->function
           && slot->counter.value == c->value;
}


/* Where the slot is, or would be; there is always a free place. */
static dur_slot_t *
dur_slot_place(dur_slot_t *list, size_t size, const dur_counter_t *c,
    uint32_t app)
{
    size_t    i;
    uint64_t  h;

    h = c->value ^ ((uint64_t) c->function << 8 | c->scope)
                   * 0x9e3779b97f4a7c15ULL ^ app * 0xbf58476d1ce4e5b9ULL;
    h ^= h >> 29;

    for (i = (size_t) h & (size - 1);
         list[i].counter.scope != 0 && !dur_slot_is(&list[i], c, app);
         i = (i + 1) & (size - 1)) { /* void */ }

    return &list[i];
}


/* Twice the size, or the same without those that count nothing any more. */
static dur_rc_t
dur_counters_grow(dur_counters_of_t *s)
{
    size_t       i, n, size;
    dur_slot_t  *list, *slot;

    for (i = 0, n = 0; i < s->size; i++) {
        n += s->list[i].leased != 0 || s->list[i].woken != 0;
    }

    for (size = DUR_COUNTERS_MIN; size < 4 * (n + 1); size *= 2) {
        /* void */
    }

    list = calloc(size, sizeof(*list));
    if (list == NULL) {
        return DUR_ENOMEM;
    }

    for (i = 0; i < s->size; i++) {
        slot = &s->list[i];

        if (slot->leased != 0 || slot->woken != 0) {
            *dur_slot_place(list, size, &slot->counter, slot->app) = *slot;
        }
    }

    free(s->list);
    s->list = list;
    s->size = size;
    s->n = n;

    return DUR_OK;
}


dur_slot_t *
dur_counters_find(const dur_counters_of_t *s, const dur_counter_t *c,
    uint32_t app)
{
    dur_slot_t  *slot;

    if (s->size == 0) {
        return NULL;
    }

    slot = dur_slot_place(s->list, s->size, c, app);

    return slot->counter.scope != 0 ? slot : NULL;
}


dur_rc_t
dur_counters_slot(dur_counters_of_t *s, const dur_counter_t *c, uint32_t app,
    dur_slot_t **slot)
{
    if (2 * (s->n + 1) > s->size && dur_counters_grow(s) != DUR_OK) {
        return DUR_ENOMEM;
    }

    *slot = dur_slot_place(s->list, s->size, c, app);

    if ((*slot)->counter.scope == 0) {
        (*slot)->counter = *c;
        (*slot)->app = app;
        s->n++;
    }

    return DUR_OK;
}


void
dur_counters_clear(dur_counters_of_t *s)
{
    if (s->list != NULL) {
        memset(s->list, 0, s->size * sizeof(*s->list));
    }

    s->n = 0;
    s->ntouched = 0;
}


void
dur_counters_free(dur_counters_of_t *s)
{
    free(s->list);
    free(s->touched);
    memset(s, 0, sizeof(*s));
}


/* -- what this op gave back ----------------------------------------------- */

bool
dur_counters_touched(const dur_counters_of_t *s, const dur_counter_t *c)
{
    for (size_t i = 0; i < s->ntouched; i++) {
        if (dur_counter_cmp(&s->touched[i], c) == 0) {
            return true;
        }
    }

    return false;
}


dur_rc_t
dur_counters_touch(dur_counters_of_t *s, const dur_counter_t *c)
{
    size_t          size;
    dur_counter_t  *p;

    /* a large op gives back much: then it is sorted later, see dur_wake() */

    if (s->ntouched < DUR_COUNTERS_MIN && dur_counters_touched(s, c)) {
        return DUR_OK;
    }

    if (s->ntouched == s->touched_size) {
        size = s->touched_size ? 2 * s->touched_size : DUR_COUNTERS_MIN;

        p = realloc(s->touched, size * sizeof(*p));
        if (p == NULL) {
            return DUR_ENOMEM;
        }

        s->touched = p;
        s->touched_size = size;
    }

    s->touched[s->ntouched++] = *c;

    return DUR_OK;
}
