/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Events and signals as clients and steps send them, and the expressions that
 * waits and cancelOn ask of events: the texts, and what they mean.
 */

#include "sim.h"


/* Names from SIM_NAME_WORD on start nothing, so steps may send them. */
void
sim_event_name(char text[24], unsigned name)
{
    if (name >= SIM_NAME_WORD) {
        snprintf(text, 24, "say/w%u", name - SIM_NAME_WORD);
    } else {
        snprintf(text, 24, "sim/e%u", name);
    }
}


void
sim_event_json(const sim_t *s, unsigned event, char text[256])
{
    char                name[24], id[DUR_ULID_TEXT_LEN + 1], o[24];
    const sim_event_t  *e;

    e = &s->events[event];

    sim_event_name(name, e->name);
    dur_ulid_text(&e->id, id);
    o[0] = '\0';

    if (e->client >= 0) {
        snprintf(id, sizeof(id), "client-%d", e->client);
    }

    if (e->data.o >= 0) {
        snprintf(o, sizeof(o), ",\"o\":%d", e->data.o);
    }

    snprintf(text, 256, "{\"data\":{\"j\":%d,\"k\":%d,\"n\":%u%s},\"id\":"
             "\"%s\",\"name\":\"%s\",\"ts\":%" PRId64 ",\"user\":{}}",
             e->data.j, e->data.k, event, o, id, name, e->ts);
}


unsigned
sim_event_new(sim_t *s, unsigned name, int client)
{
    uint8_t       entropy[10];
    sim_event_t  *e;

    if (s->nevents == s->events_size) {
        s->events_size = s->events_size ? s->events_size * 2 : 64;
        s->events = realloc(s->events, s->events_size * sizeof(*s->events));
    }

    e = &s->events[s->nevents];
    memset(e, 0, sizeof(*e));

    sim_bytes(&s->rand, entropy, sizeof(entropy));
    dur_ulid_make(&e->id, (uint64_t) s->now, entropy);
    e->name = name;
    e->client = client;
    e->ts = s->now;
    e->data.j = (int) sim_below(&s->rand, 4);
    e->data.k = (int) sim_below(&s->rand, 3);
    e->data.o = (int) sim_below(&s->rand, 3) - 1;
    e->first = true;
    e->nops = 1;

    return s->nevents++;
}


int
sim_event_find(const sim_t *s, const dur_ulid_t *id)
{
    unsigned  i;

    for (i = s->nevents; i > 0; i--) {
        if (memcmp(&s->events[i - 1].id, id, sizeof(*id)) == 0) {
            return (int) i - 1;
        }
    }

    return -1;
}


void
sim_signal_new(sim_t *s, unsigned name)
{
    uint8_t        entropy[10];
    sim_signal_t  *g;

    if (s->nsignals == s->signals_size) {
        s->signals_size = s->signals_size ? s->signals_size * 2 : 64;
        s->signals = realloc(s->signals,
                             s->signals_size * sizeof(*s->signals));
    }

    g = &s->signals[s->nsignals++];
    memset(g, 0, sizeof(*g));

    sim_bytes(&s->rand, entropy, sizeof(entropy));
    dur_ulid_make(&g->id, (uint64_t) s->now, entropy);
    g->name = name;
    g->run = -1;
}


/* -- what is asked of events ---------------------------------------------- */

const char *
sim_if_text(sim_if_t cond)
{
    switch (cond) {
    case SIM_IF_SAME:
        return "event.data.k == async.data.k";
    case SIM_IF_VALUE:
        return "async.data.k == 1";
    case SIM_IF_OVER:
        return "async.data.j > 1";
    case SIM_IF_BOTH:
        return "async.data.j != 0 && async.data.k == event.data.k";
    case SIM_IF_OPTIONAL:
        return "async.data.o == event.data.o";
    case SIM_IF_BAD:
        return "async.data.k ==";
    default:
        return "";
    }
}


/* A field that is missing is null: null is equal to itself alone, and more
 * than nothing. */
bool
sim_if_true(sim_if_t cond, const sim_data_t *event, const sim_data_t *async)
{
    switch (cond) {
    case SIM_IF_SAME:
        return event->k == async->k;
    case SIM_IF_VALUE:
        return async->k == 1;
    case SIM_IF_OVER:
        return async->j > 1;
    case SIM_IF_BOTH:
        return async->j != 0 && event->k == async->k;
    case SIM_IF_OPTIONAL:
        return event->o == async->o;
    default:
        return true;
    }
}


static int
sim_data_field(const json_t *data, const char *key)
{
    json_t  *value;

    value = json_object_get(data, key);

    return json_is_integer(value) ? (int) json_integer_value(value) : -1;
}


void
sim_data_read(const json_t *event, sim_data_t *data)
{
    json_t  *fields;

    fields = json_object_get(event, "data");

    data->j = sim_data_field(fields, "j");
    data->k = sim_data_field(fields, "k");
    data->o = sim_data_field(fields, "o");
}
