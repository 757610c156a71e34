/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_time.h"

#include "sim_world.h"


sim_op_t *
sim_op_add(sim_t *s, sim_ops_t *b, dur_op_t *op, int ref)
{
    uint8_t   *p;
    sim_op_t  *o;

    sim_bytes(&s->rand, op->entropy, sizeof(op->entropy));

    dur_buf_reset(&s->buf);
    if (dur_op_encode(op, &s->buf) != DUR_OK) {
        sim_fail(s, "an op of type %u cannot be encoded", op->type);
    }

    p = malloc(s->buf.len);
    memcpy(p, s->buf.data, s->buf.len);

    o = &b->ops[b->n++];
    o->type = op->type;
    o->bytes = dur_str_make(p, s->buf.len);
    o->ref = ref;
    o->fns = 0;

    return o;
}


void
sim_ops_free(sim_ops_t *b)
{
    unsigned  i;

    for (i = 0; i < b->n; i++) {
        free((void *) b->ops[i].bytes.data);
    }

    b->n = 0;
}


void
sim_add_config(sim_t *s, sim_ops_t *b)
{
    dur_op_t   op;
    dur_buf_t  body;

    dur_buf_init(&body, 4096);
    dur_config_encode(&s->conf, &body);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CONFIG;
    op.body = dur_buf_str(&body);
    sim_op_add(s, b, &op, -1);

    dur_buf_deinit(&body);
}


void
sim_add_inventory(sim_t *s, sim_ops_t *b)
{
    dur_op_t   op;
    dur_buf_t  body;

    dur_buf_init(&body, 64 * 1024);
    sim_sidecar_inventory(s, &body);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_INVENTORY;
    op.body = dur_buf_str(&body);
    memcpy(op.instance, s->instance, sizeof(op.instance));
    sim_op_add(s, b, &op, -1);

    dur_buf_deinit(&body);
}


void
sim_add_register(sim_t *s, sim_ops_t *b, unsigned app)
{
    char      *payload;
    dur_op_t   op;
    unsigned   i;
    sim_op_t  *o;

    payload = sim_program_payload(s, app);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REGISTER;
    op.body = dur_str_c(payload);
    o = sim_op_add(s, b, &op, (int) app);

    for (i = 0; i < s->nfns; i++) {
        if (s->fns[i].app == app && s->fns[i].registered) {
            o->fns |= (uint32_t) 1 << i;
        }
    }

    free(payload);
}


void
sim_add_remove(sim_t *s, sim_ops_t *b, unsigned app)
{
    char      url[64];
    dur_op_t  op;

    snprintf(url, sizeof(url), "http://localhost:%u/api/inngest", 3000 + app);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_REMOVE;
    op.url = dur_str_c(url);
    sim_op_add(s, b, &op, (int) app);
}


/* A poll found the app, or did not. */
void
sim_add_sync(sim_t *s, sim_ops_t *b, unsigned app)
{
    char      url[64];
    dur_op_t  op;

    snprintf(url, sizeof(url), "http://localhost:%u/api/inngest", 3000 + app);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SYNC;
    op.url = dur_str_c(url);
    op.error = s->now < s->apps[app].down_until ? dur_str("not there")
                                                : dur_str_null;
    sim_op_add(s, b, &op, (int) app);
}


void
sim_add_plain(sim_t *s, sim_ops_t *b, uint8_t type, uint32_t budget)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = type;
    op.budget = budget;
    sim_op_add(s, b, &op, -1);
}


void
sim_add_result(sim_t *s, sim_ops_t *b, unsigned call)
{
    dur_op_t     op;
    sim_call_t  *c;

    c = &s->calls[call];

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RESULT;
    op.result.item = c->item;
    op.result.generation = c->generation;
    op.result.status = c->status;
    op.result.error_kind = c->error_kind;
    op.result.error = c->error_kind ? dur_str("transport error")
                                    : dur_str_null;
    op.result.headers = dur_str_c(c->headers);
    op.result.body = dur_str_c(c->body);
    op.result.started = c->started;
    op.result.duration = 1000;

    sim_op_add(s, b, &op, (int) call);
    c->submitted = true;
}


void
sim_add_cancel(sim_t *s, sim_ops_t *b, unsigned run)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCEL;
    op.run = s->runs[run].id;
    sim_op_add(s, b, &op, (int) run);
}


void
sim_add_checkpoint(sim_t *s, sim_ops_t *b, const sim_checkpoint_t *p, int ref)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CHECKPOINT;
    op.run = s->runs[p->run].id;
    op.item = p->item;
    op.generation = p->generation;
    op.body = dur_str_c(p->ops);
    sim_op_add(s, b, &op, ref);
}


/* The ref says what is asked: -1 - fn is to go on. */
void
sim_add_pause(sim_t *s, sim_ops_t *b, unsigned fn, bool pause)
{
    dur_op_t  op;

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_PAUSE;
    op.url = dur_str_c(s->fns[fn].slug);
    op.generation = pause;
    sim_op_add(s, b, &op, pause ? (int) fn : -1 - (int) fn);
}


void
sim_add_rerun(sim_t *s, sim_ops_t *b, unsigned rerun)
{
    char           body[128];
    dur_op_t       op;
    sim_fn_t      *fn;
    sim_rerun_t   *r;

    r = &s->reruns[rerun];
    fn = &s->fns[s->runs[r->run].fn];

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_RERUN;
    op.id = r->id;
    op.run = s->runs[r->run].id;

    if (r->from >= 0) {
        snprintf(body, sizeof(body), "{\"stepID\":\"%s\"%s}",
                 rerun & 1 ? fn->steps[r->from].id : fn->steps[r->from].hash,
                 r->edited ? ",\"input\":[\"edited\"]" : "");
        op.body = dur_str_c(body);
    }

    sim_op_add(s, b, &op, (int) rerun);
}


/* -1 - rule is to be deleted. */
void
sim_add_rule(sim_t *s, sim_ops_t *b, unsigned rule, bool remove)
{
    char         body[320], id[DUR_ULID_TEXT_LEN + 1];
    char         before[40], after[40];
    dur_op_t     op;
    sim_rule_t  *r;

    r = &s->rules[rule];

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_CANCELLATION;

    if (remove) {
        dur_ulid_text(&r->id, id);
        op.url = dur_str_c(id);
        sim_op_add(s, b, &op, -1 - (int) rule);
        return;
    }

    dur_rfc3339_text(r->before, before);
    dur_rfc3339_text(r->after, after);

    snprintf(body, sizeof(body), "{\"app_id\":\"%s\",\"function_id\":"
             "\"%s\",\"started_before\":\"%s\"%s%s%s%s}",
             s->apps[s->fns[r->fn].app].name, s->fns[r->fn].slug, before,
             r->after ? ",\"started_after\":\"" : "",
             r->after ? after : "", r->after ? "\"" : "",
             r->some ? ",\"if\":\"event.data.k == 1\"" : "");

    op.id = r->id;
    op.body = dur_str_c(body);
    sim_op_add(s, b, &op, (int) rule);
}


void
sim_add_signal(sim_t *s, sim_ops_t *b, unsigned signal)
{
    char           name[8], data[16];
    dur_op_t       op;
    sim_signal_t  *g;

    g = &s->signals[signal];
    snprintf(name, sizeof(name), "sig%u", g->name);
    snprintf(data, sizeof(data), "%u", signal);

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_SIGNAL;
    op.id = g->id;
    op.url = dur_str_c(name);
    op.body = dur_str_c(data);
    sim_op_add(s, b, &op, (int) signal);
}


void
sim_add_events(sim_t *s, sim_ops_t *b, unsigned first)
{
    char            json[SIM_EVENTS_MAX][256];
    char            names[SIM_EVENTS_MAX][24], clients[SIM_EVENTS_MAX][24];
    dur_op_t        op;
    unsigned        i;
    sim_event_t    *e;
    dur_op_event_t  events[SIM_EVENTS_MAX];

    memset(events, 0, sizeof(events));

    for (i = 0; i < s->events[first].nops; i++) {
        e = &s->events[first + i];

        sim_event_name(names[i], e->name);
        sim_event_json(s, first + i, json[i]);
        snprintf(clients[i], sizeof(clients[i]), "client-%d", e->client);

        events[i].id = e->id;
        events[i].flags = DUR_EVENT_F_CANONICAL;
        events[i].ts = e->ts;
        events[i].name = dur_str_c(names[i]);
        events[i].client_id = e->client >= 0 ? dur_str_c(clients[i])
                                             : dur_str_null;
        events[i].json = dur_str_c(json[i]);
    }

    memset(&op, 0, sizeof(op));
    op.type = DUR_OP_EVENTS;
    op.nevents = s->events[first].nops;
    op.events = events;
    op.resubmitted = s->events[first].tries ? 1 : 0;
    sim_op_add(s, b, &op, (int) first);

    s->events[first].tries++;
}
