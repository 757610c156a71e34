/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Options of functions that steer their flow: chosen, and as a registration
 * has them.
 */

#include "sim.h"

#include <stddef.h>


const sim_cron_text_t  sim_crons[SIM_CRONS + 1] = {
    { NULL, 0, 0 },
    { "* * * * *", 60, 0 },
    { "*/5 * * * *", 300, 0 },
    { "TZ=UTC 7,37 * * * *", 1800, 420 },
    { "CRON_TZ=Sim/East 0 */6 * * *", 6 * 3600, 1800 },
    { "TZ=Sim/East 30 4 * * *", 24 * 3600, 23 * 3600 },
};


/* Half past five hours before UTC, all the year. */
dur_rc_t
sim_zone(void *data, dur_str_t name, dur_buf_t *bytes)
{
    (void) data;

    return dur_str_eq(name, dur_str("Sim/East"))
           ? dur_buf_addz(bytes, "EAST-5:30") : DUR_ENOTFOUND;
}


static void
sim_option_cancels(sim_t *s, sim_flow_t *f)
{
    unsigned  i;

    f->ncancels = sim_range(&s->rand, 1, SIM_CANCELS_MAX);

    for (i = 0; i < f->ncancels; i++) {
        f->cancels[i].name = SIM_NAME_WORD + sim_below(&s->rand, SIM_WORDS);
        f->cancels[i].cond = (sim_if_t) sim_below(&s->rand, SIM_IF_BAD);
        f->cancels[i].ms = sim_permille(&s->rand, 500)
                           ? 1000 * sim_range(&s->rand, 1, 600) : 0;
    }
}


static void
sim_option_timeouts(sim_t *s, sim_flow_t *f)
{
    if (sim_permille(&s->rand, 600)) {
        f->start = 1000 * sim_range(&s->rand, 1, 120);
    }

    if (sim_permille(&s->rand, 600)) {
        f->finish = 1000 * sim_range(&s->rand, 1, 1200);
    }
}


/* -- concurrency, throttle, priority -------------------------------------- */

static sim_key_t
sim_option_key(sim_t *s, unsigned permille)
{
    return sim_permille(&s->rand, permille)
           ? (sim_key_t) sim_range(&s->rand, SIM_KEY_K, SIM_KEYS - 1)
           : SIM_KEY_NONE;
}


/* Limits of other scopes than the function's need a key. */
static void
sim_option_limit(sim_t *s, sim_limit_t *l)
{
    l->limit = sim_range(&s->rand, 1, 3);
    l->scope = sim_permille(&s->rand, 500)
               ? SIM_SCOPE_FN
               : (sim_scope_t) sim_below(&s->rand, SIM_SCOPE_ACCOUNT + 1);
    l->key = sim_option_key(s, l->scope == SIM_SCOPE_FN ? 500 : 1000);
}


static void
sim_option_limits(sim_t *s, sim_flow_t *f)
{
    sim_option_limit(s, &f->limits[0]);
    f->nlimits = 1;

    if (sim_permille(&s->rand, 350)) {
        sim_option_limit(s, &f->limits[1]);
        f->nlimits += f->limits[0].scope != f->limits[1].scope
                      || f->limits[0].key != f->limits[1].key;
    }
}


static void
sim_option_throttle(sim_t *s, sim_flow_t *f)
{
    f->throttle = sim_range(&s->rand, 1, 4);
    f->throttle_period = sim_range(&s->rand, 1, 30);
    f->burst = sim_permille(&s->rand, 500) ? sim_below(&s->rand, 4) : 0;
    f->throttle_key = sim_option_key(s, 500);
}


/* How calls and starts are held back. */
static void
sim_option_queue(sim_t *s, sim_flow_t *f)
{
    if (sim_permille(&s->rand, 200)) {
        sim_option_limits(s, f);
    }

    if (sim_permille(&s->rand, 100)) {
        f->runs.limit = sim_range(&s->rand, 1, 3);
        f->runs.key = sim_option_key(s, 500);
    }

    if (sim_permille(&s->rand, 120)) {
        sim_option_throttle(s, f);
    }

    if (sim_permille(&s->rand, 120)) {
        f->priority = sim_range(&s->rand, 1, SIM_PRIORITIES);
    }
}


/* -- windows -------------------------------------------------------------- */

static void
sim_option_debounce(sim_t *s, sim_flow_t *f)
{
    f->debounce = sim_range(&s->rand, 1, 60);
    f->debounce_key = sim_option_key(s, 500);

    if (sim_permille(&s->rand, 500)) {
        f->debounce_timeout = sim_range(&s->rand, 1, 180);
    }
}


static void
sim_option_batch(sim_t *s, sim_flow_t *f)
{
    f->batch = sim_range(&s->rand, 2, 6);
    f->batch_timeout = sim_range(&s->rand, 1, 90);
    f->batch_key = sim_option_key(s, 500);
    f->batch_if = sim_permille(&s->rand, 300) ? SIM_IF_OVER : SIM_IF_NONE;

    /* these are no combinations */

    f->ncancels = 0;
    f->singleton = SIM_SINGLETON_NONE;
    f->priority = 0;
}


/* Another number for what there is, and now and then none at all. */
bool
sim_option_change(sim_t *s, sim_fn_t *fn)
{
    unsigned     i;
    sim_flow_t  *f;

    f = &fn->flow;

    if (f->nlimits > 0 && sim_permille(&s->rand, 500)) {
        i = sim_below(&s->rand, f->nlimits);
        f->limits[i].limit = sim_permille(&s->rand, 150)
                             ? 0 : sim_range(&s->rand, 1, 4);

    } else if (f->nlimits > 0 && sim_permille(&s->rand, 500)) {
        sim_option_limits(s, f);

    } else if (f->runs.limit > 0) {
        f->runs.limit = sim_range(&s->rand, 1, 4);

    } else if (f->throttle > 0) {
        f->throttle = sim_range(&s->rand, 1, 4);
        f->throttle_period = sim_range(&s->rand, 1, 30);

    } else if (f->debounce > 0) {
        f->debounce = sim_range(&s->rand, 1, 60);

    } else if (f->batch > 0) {
        f->batch = sim_range(&s->rand, 2, 6);

    } else if (f->cron > 0) {
        f->cron = sim_range(&s->rand, 1, SIM_CRONS);

    } else {
        return false;
    }

    return true;
}


int
sim_key_value(sim_key_t key, const sim_data_t *data)
{
    switch (key) {
    case SIM_KEY_K:
        return data->k;
    case SIM_KEY_J:
        return data->j;
    case SIM_KEY_O:
        return data->o;
    default:
        return 0;
    }
}


/* In seconds; what is no whole number, or an error, counts as none. */
int
sim_priority_value(unsigned priority, const sim_data_t *data)
{
    switch (priority) {
    case 1:
        return data->k == 1 ? 120 : 0;
    case 2:
        return data->k >= 0 ? 60 * data->k - 60 : 0;
    case 3:
        return data->j > 1 ? 43200 : -43200;
    default:
        return 0;
    }
}


/* What keeps runs from starting is for those that events start. */
void
sim_option_make(sim_t *s, sim_fn_t *fn)
{
    sim_flow_t  *f;

    f = &fn->flow;

    if (sim_permille(&s->rand, 200)) {
        sim_option_cancels(s, f);
    }

    if (sim_permille(&s->rand, 150)) {
        sim_option_timeouts(s, f);
    }

    sim_option_queue(s, f);

    if (fn->handles >= 0 || fn->deferred) {
        return;
    }

    if (sim_permille(&s->rand, 150)) {
        f->singleton = sim_permille(&s->rand, 500) ? SIM_SINGLETON_SKIP
                                                   : SIM_SINGLETON_CANCEL;
        f->singleton_key = sim_permille(&s->rand, 600);
    }

    if (sim_permille(&s->rand, 120)) {
        f->limit = sim_range(&s->rand, 1, 25);
        f->period = sim_range(&s->rand, 1, 120);
        f->limit_key = sim_permille(&s->rand, 500);

    } else if (sim_permille(&s->rand, 120)) {
        sim_option_debounce(s, f);

    } else if (sim_permille(&s->rand, 100)) {
        sim_option_batch(s, f);
    }

    if (sim_permille(&s->rand, 150)) {
        f->cron = sim_range(&s->rand, 1, SIM_CRONS);
        f->jitter = sim_permille(&s->rand, 300)
                    ? sim_range(&s->rand, 1, 30) : 0;
    }
}


/* To see whether a failure is of one of them: all else stays as it was. */
static const struct {
    const char  *name;
    size_t       at;
} sim_features[] = {
    { "concurrency", offsetof(sim_flow_t, nlimits) },
    { "runs", offsetof(sim_flow_t, runs.limit) },
    { "throttle", offsetof(sim_flow_t, throttle) },
    { "priority", offsetof(sim_flow_t, priority) },
    { "debounce", offsetof(sim_flow_t, debounce) },
    { "batch", offsetof(sim_flow_t, batch) },
    { "cron", offsetof(sim_flow_t, cron) },
};


bool
sim_option_without(sim_options_t *opt, const char *name)
{
    unsigned  i;

    for (i = 0; i < sizeof(sim_features) / sizeof(sim_features[0]); i++) {
        if (strcmp(sim_features[i].name, name) == 0) {
            opt->without |= (uint32_t) 1 << i;
            return true;
        }
    }

    return false;
}


void
sim_option_drop(const sim_t *s, sim_flow_t *f)
{
    unsigned  i;

    for (i = 0; i < sizeof(sim_features) / sizeof(sim_features[0]); i++) {
        if (s->opt->without >> i & 1) {
            memset((uint8_t *) f + sim_features[i].at, 0, sizeof(unsigned));
        }
    }
}


static json_t *
sim_option_duration(unsigned ms)
{
    return json_sprintf("%us", ms / 1000);
}


static void
sim_option_add_cancels(const sim_flow_t *f, json_t *function)
{
    char       name[24];
    json_t    *list, *entry;
    unsigned   i;

    list = json_array();

    for (i = 0; i < f->ncancels; i++) {
        sim_event_name(name, f->cancels[i].name);
        entry = json_pack("{s:s}", "event", name);

        if (f->cancels[i].cond != SIM_IF_NONE) {
            json_object_set_new(entry, "if", json_string(
                                sim_if_text(f->cancels[i].cond)));
        }

        if (f->cancels[i].ms) {
            json_object_set_new(entry, "timeout",
                                sim_option_duration(f->cancels[i].ms));
        }

        json_array_append_new(list, entry);
    }

    json_object_set_new(function, "cancel", list);
}


static void
sim_option_add_key(json_t *option, sim_key_t key)
{
    static const char  *texts[] = {
        [SIM_KEY_K] = "event.data.k",
        [SIM_KEY_J] = "event.data.j",
        [SIM_KEY_O] = "event.data.o",
    };

    if (key != SIM_KEY_NONE) {
        json_object_set_new(option, "key", json_string(texts[key]));
    }
}


static json_t *
sim_option_limit_json(const sim_limit_t *l)
{
    json_t  *option;

    static const char  *scopes[] = {
        [SIM_SCOPE_FN] = "fn",
        [SIM_SCOPE_ENV] = "env",
        [SIM_SCOPE_ACCOUNT] = "account",
    };

    option = json_pack("{s:i,s:s}", "limit", (int) l->limit, "scope",
                       scopes[l->scope]);
    sim_option_add_key(option, l->key);

    return option;
}


/* A list, or an object when whole runs are limited as well. */
static void
sim_option_add_limits(const sim_flow_t *f, json_t *function)
{
    json_t    *list, *option;
    unsigned   i;

    list = json_array();

    for (i = 0; i < f->nlimits; i++) {
        json_array_append_new(list, sim_option_limit_json(&f->limits[i]));
    }

    if (f->runs.limit > 0) {
        option = json_pack("{s:i}", "limit", (int) f->runs.limit);
        sim_option_add_key(option, f->runs.key);
        list = json_pack("{s:[o],s:o}", "fn", option, "step", list);
    }

    json_object_set_new(function, "concurrency", list);
}


static void
sim_option_add_queue(const sim_flow_t *f, json_t *function)
{
    json_t  *option;

    static const char  *priorities[SIM_PRIORITIES + 1] = {
        NULL,
        "event.data.k == 1 ? 120 : 0",
        "int(event.data.k) * 60 - 60",
        "event.data.j > 1 ? 100000 : -100000",
        "event.data.k",
        "event.data.nothing.there"
    };

    if (f->nlimits || f->runs.limit) {
        sim_option_add_limits(f, function);
    }

    if (f->throttle) {
        option = json_pack("{s:i,s:o}", "limit", (int) f->throttle, "period",
                           sim_option_duration(f->throttle_period * 1000));
        if (f->burst) {
            json_object_set_new(option, "burst",
                                json_integer((int) f->burst));
        }
        sim_option_add_key(option, f->throttle_key);
        json_object_set_new(function, "throttle", option);
    }

    if (f->priority) {
        json_object_set_new(function, "priority", json_pack("{s:s}", "run",
                            priorities[f->priority]));
    }
}


static void
sim_option_add_windows(const sim_flow_t *f, json_t *function)
{
    json_t  *option;

    if (f->debounce) {
        option = json_pack("{s:o}", "period",
                           sim_option_duration(f->debounce * 1000));
        if (f->debounce_timeout) {
            json_object_set_new(option, "timeout", sim_option_duration(
                                f->debounce_timeout * 1000));
        }
        sim_option_add_key(option, f->debounce_key);
        json_object_set_new(function, "debounce", option);
    }

    if (f->batch) {
        option = json_pack("{s:i,s:o}", "maxSize", (int) f->batch, "timeout",
                           sim_option_duration(f->batch_timeout * 1000));
        if (f->batch_if != SIM_IF_NONE) {
            json_object_set_new(option, "if",
                                json_string("event.data.j > 1"));
        }
        sim_option_add_key(option, f->batch_key);
        json_object_set_new(function, "batchEvents", option);
    }
}


void
sim_option_add(const sim_fn_t *fn, json_t *function)
{
    json_t            *option;
    const sim_flow_t  *f;

    f = &fn->flow;

    if (f->ncancels) {
        sim_option_add_cancels(f, function);
    }

    if (f->start || f->finish) {
        option = json_object();
        if (f->start) {
            json_object_set_new(option, "start",
                                sim_option_duration(f->start));
        }
        if (f->finish) {
            json_object_set_new(option, "finish",
                                sim_option_duration(f->finish));
        }
        json_object_set_new(function, "timeouts", option);
    }

    if (f->singleton != SIM_SINGLETON_NONE) {
        option = json_pack("{s:s}", "mode", f->singleton == SIM_SINGLETON_SKIP
                                            ? "skip" : "cancel");
        sim_option_add_key(option, f->singleton_key ? SIM_KEY_K
                                                    : SIM_KEY_NONE);
        json_object_set_new(function, "singleton", option);
    }

    if (f->limit) {
        option = json_pack("{s:i,s:o}", "limit", (int) f->limit, "period",
                           sim_option_duration(f->period * 1000));
        sim_option_add_key(option, f->limit_key ? SIM_KEY_K : SIM_KEY_NONE);
        json_object_set_new(function, "rateLimit", option);
    }

    sim_option_add_queue(f, function);
    sim_option_add_windows(f, function);
}
