/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_refusal.h"
#include "engine/dur_json.h"
#include "engine/dur_state.h"


#define DUR_REFUSAL_NAME  256


/* FNV-1a; never 0, which is a free place. */
static uint64_t
dur_refusal_hash(dur_str_t s)
{
    size_t    i;
    uint64_t  h;

    h = 0xcbf29ce484222325ULL;

    for (i = 0; i < s.len; i++) {
        h = (h ^ s.data[i]) * 0x100000001b3ULL;
    }

    return h ? h : 1;
}


static unsigned
dur_refusal_find(const dur_refusals_t *r, uint64_t app)
{
    unsigned  i;

    for (i = 0; i < DUR_REFUSAL_APPS; i++) {
        if (r->app[i] == app) {
            return i;
        }
    }

    return DUR_REFUSAL_APPS;
}


/* The member in any case, as it is read when it is accepted. */
static dur_str_t
dur_refusal_member(json_t *root, dur_str_t name)
{
    void    *it;
    json_t  *value;

    for (it = json_object_iter(root); it; it = json_object_iter_next(root, it))
    {
        value = json_object_iter_value(it);

        if (json_is_string(value)
            && dur_str_caseeq(dur_str_make(json_object_iter_key(it),
                                           json_object_iter_key_len(it)),
                              name))
        {
            return dur_str_make(json_string_value(value),
                                json_string_length(value));
        }
    }

    return dur_str_null;
}


/* What a line may show of a name that was not checked. */
static void
dur_refusal_printable(dur_str_t name, char out[DUR_REFUSAL_NAME])
{
    size_t  i;

    for (i = 0; i < name.len && i < DUR_REFUSAL_NAME - 1; i++) {
        out[i] = (name.data[i] < 0x20 || name.data[i] == 0x7f)
                 ? '?' : (char) name.data[i];
    }

    out[i] = '\0';
}


void
dur_refusal_say(dur_engine_t *e, dur_str_t payload, const char *text)
{
    char              name[DUR_REFUSAL_NAME];
    json_t           *root;
    unsigned          i;
    uint64_t          app, said;
    dur_str_t         who;
    dur_refusals_t   *r = &e->refusals;

    root = dur_json_parse(payload, NULL);
    who = dur_refusal_member(root, dur_str("appName"));

    if (who.len == 0) {
        who = dur_refusal_member(root, dur_str("url"));
    }

    app = dur_refusal_hash(who);
    said = dur_refusal_hash(dur_str_c(text));
    dur_refusal_printable(who, name);
    json_decref(root);

    i = dur_refusal_find(r, app);

    if (i < DUR_REFUSAL_APPS) {
        if (r->text[i] == said) {
            return;
        }

    } else {
        i = r->next++ % DUR_REFUSAL_APPS;
    }

    r->app[i] = app;
    r->text[i] = said;

    dur_state_log(e, 1, "the registration of app \"%s\" was refused: %s",
                  name, text);
}


void
dur_refusal_forget(dur_engine_t *e, dur_str_t app)
{
    unsigned  i;

    i = dur_refusal_find(&e->refusals, dur_refusal_hash(app));

    if (i < DUR_REFUSAL_APPS) {
        e->refusals.app[i] = 0;
    }
}
