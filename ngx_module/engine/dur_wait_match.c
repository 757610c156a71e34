/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_wait_match.h"
#include "engine/dur_event.h"
#include "engine/dur_json.h"
#include "engine/dur_result.h"
#include "engine/dur_run.h"
#include "engine/dur_state.h"
#include "engine/dur_step.h"
#include "engine/dur_task.h"
#include "engine/dur_ulid.h"
#include "engine/dur_wait_queue.h"
#include "engine/dur_wait_row.h"


/* Matches that are acted on at once, then the table is looked at anew. */
#define DUR_WAIT_FOUND  16

/* Rows that resuming a step or ending a run writes, without bodies. */
#define DUR_WAIT_ROWS   8

/* Waits that are tried for the price of one row that is written. */
#define DUR_WAIT_TRIES  4

#define DUR_WAIT_EVENT_MAX  (16 * 1024 * 1024)


typedef enum {
    DUR_WAIT_NO = 0,
    DUR_WAIT_YES,
    DUR_WAIT_FAILED             /* for the first time: the log is told */
} dur_wait_verdict_t;

typedef struct {
    dur_wait_key_t      key;
    dur_wait_verdict_t  verdict;
} dur_wait_found_t;

/* One event on its way through those that wait for it. */
typedef struct {
    dur_engine_t            *e;
    const dur_wait_match_t  *event;
    json_t                  *json;      /* of the event, once it is needed */
    dur_arena_t              arena;     /* of one expression */
    dur_buf_t                text;      /* the same */

    /* where it is: only waits of a mark up to this one were before it */
    uint64_t                 mark;
    int64_t                  received;  /* no wait that is over by then */
    dur_wait_key_t           at;        /* the next one to look at */

    unsigned                 tries;     /* left, a row is DUR_WAIT_TRIES */
    unsigned                 cost;      /* of acting on one, in tries */

    unsigned                 nfound;
    dur_wait_found_t         found[DUR_WAIT_FOUND];

    unsigned                 nfailed;
    dur_ulid_t               failed;    /* the first run of them */
    char                     err[160];
} dur_wait_search_t;


bool
dur_wait_any(dur_engine_t *e, dur_str_t name)
{
    uint8_t           hash[DUR_WAIT_NAME];
    dur_wait_names_t  names;

    if (e->counters.waits == 0) {
        return false;
    }

    dur_wait_name(name, hash);

    /* what cannot be read is found out when it is matched */

    return dur_wait_names_get(e->txn, hash, &names) != DUR_OK
           || names.plain != 0 || names.n != 0;
}


/* -- the place ------------------------------------------------------------ */

static void
dur_wait_at_start(dur_wait_key_t *at, uint16_t slot)
{
    at->slot = slot;
    memset(&at->who, 0, sizeof(at->who));
}


/* To the key behind this one. */
static void
dur_wait_at_next(dur_wait_key_t *at)
{
    int      i;
    uint8_t  p[DUR_WAIT_WHO];

    dur_wait_who_put(p, &at->who);

    for (i = DUR_WAIT_WHO - 1; i >= 0 && ++p[i] == 0; i--) { /* void */ }

    dur_wait_who_get(p, &at->who);
}


static dur_str_t
dur_wait_cursor(const dur_wait_search_t *s, uint8_t p[DUR_WAIT_CURSOR])
{
    memcpy(p, s->at.name, DUR_WAIT_NAME);
    dur_put16(p + DUR_WAIT_NAME, s->at.slot);
    dur_wait_who_put(p + DUR_WAIT_NAME + 2, &s->at.who);

    return dur_str_make(p, DUR_WAIT_CURSOR);
}


/* -- one wait ------------------------------------------------------------- */

static void
dur_wait_spend(dur_wait_search_t *s, size_t tries)
{
    s->tries -= tries < s->tries ? (unsigned) tries : s->tries;
}


/* The run's event as far as the wait uses it; NULL when it cannot be had. */
static dur_rc_t
dur_wait_first_event(dur_wait_search_t *s, const dur_wait_key_t *key,
    const dur_wait_t *wait, json_t **event)
{
    dur_rc_t   rc;
    dur_run_t  run;

    *event = NULL;

    if (!(wait->flags & DUR_WAIT_F_EVENT)) {
        *event = dur_json_parse(wait->event, NULL);
        return DUR_OK;
    }

    rc = dur_run_get(s->e->txn, &key->who.run, &run);
    if (rc == DUR_OK) {
        rc = dur_run_event(s->e, &run, event);
    }

    /* it is large, or would stand with the wait */
    dur_wait_spend(s, DUR_WAIT_ROWS);

    return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
}


static dur_rc_t
dur_wait_evaluate(dur_wait_search_t *s, const dur_wait_key_t *key,
    const dur_wait_t *wait, char err[160], bool *value)
{
    json_t             *event;
    dur_rc_t            rc;
    dur_expr_vars_t     vars = { NULL, NULL, s->e->now, true };
    const dur_expr_t   *expr;
    dur_expr_result_t   result;

    dur_buf_reset(&s->text);
    dur_arena_reset(&s->arena);

    if (s->json == NULL) {
        s->json = dur_json_parse(s->event->json, NULL);
        if (s->json == NULL) {
            return DUR_ENOMEM;  /* it was parsed before it was stored */
        }
    }

    vars.async = s->json;

    rc = dur_payload_get(s->e->txn, &key->who.run, &wait->expression,
                         &s->text);
    if (rc == DUR_OK) {
        rc = dur_wait_cache_get(&s->e->wait_cache, dur_buf_str(&s->text),
                                &expr, err);
    }
    if (rc == DUR_OK) {
        rc = dur_wait_first_event(s, key, wait, &event);
    }
    if (rc != DUR_OK) {
        return rc;
    }

    vars.event = event;

    rc = dur_expr_eval(expr, &vars, &s->arena, &result, err);
    *value = rc == DUR_OK && result.type == DUR_EXPR_BOOL && result.boolean;

    json_decref(event);

    return rc;
}


/* A wait of the event's name and value: does it match? */
static dur_rc_t
dur_wait_judge(dur_wait_search_t *s, const dur_wait_key_t *key, dur_str_t row,
    dur_wait_verdict_t *verdict)
{
    bool        value;
    char        err[160] = "";
    dur_rc_t    rc;
    dur_wait_t  wait;

    *verdict = DUR_WAIT_NO;

    if (dur_wait_decode(row, &wait) != DUR_OK
        || wait.mark > s->mark || wait.expires <= s->received)
    {
        return DUR_OK;
    }

    if (wait.expression.where == 0) {
        *verdict = DUR_WAIT_YES;
        return DUR_OK;
    }

    rc = dur_wait_evaluate(s, key, &wait, err, &value);

    if (rc == DUR_OK) {
        *verdict = value ? DUR_WAIT_YES : DUR_WAIT_NO;
        return DUR_OK;
    }

    if (rc != DUR_EINVAL) {
        return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
    }

    if (!(wait.flags & DUR_WAIT_F_SAID)) {
        *verdict = DUR_WAIT_FAILED;

        if (s->nfailed++ == 0) {
            s->failed = key->who.run;
            memcpy(s->err, err, sizeof(s->err));
        }
    }

    return DUR_OK;
}


/* -- looking -------------------------------------------------------------- */

/* Those of one slot and value; *full: no more can be found in this turn. */
static dur_rc_t
dur_wait_look_slot(dur_wait_search_t *s, unsigned limit, bool *full)
{
    uint8_t             key[DUR_WAIT_KEY], prefix[DUR_WAIT_KEY];
    dur_rc_t            rc;
    dur_str_t           k, v;
    dur_cursor_t       *c;
    dur_wait_verdict_t  verdict;

    rc = dur_cursor_open(s->e->txn, DUR_T_WAIT, &c);
    if (rc != DUR_OK) {
        return rc;
    }

    (void) dur_wait_key(prefix, &s->at);

    for (rc = dur_cursor_seek(c, dur_wait_key(key, &s->at), &k, &v);
         rc == DUR_OK && k.len == DUR_WAIT_KEY
         && memcmp(k.data, prefix, DUR_WAIT_VALUE) == 0;
         rc = dur_cursor_next(c, &k, &v))
    {
        dur_wait_who_get(k.data + DUR_WAIT_VALUE, &s->at.who);

        if (s->tries == 0) {
            *full = true;
            break;
        }

        dur_wait_spend(s, 1);

        rc = dur_wait_judge(s, &s->at, v, &verdict);
        if (rc != DUR_OK) {
            break;
        }

        if (verdict != DUR_WAIT_NO) {
            if (s->nfound == limit) {
                *full = true;
                break;
            }

            s->found[s->nfound].verdict = verdict;
            s->found[s->nfound++].key = s->at;
        }

        dur_wait_at_next(&s->at);
    }

    dur_cursor_close(c);

    return rc == DUR_ENOTFOUND ? DUR_OK : rc;
}


/* The hash of a field of the event, out of its text: most events meet nobody
 * and are not worth being parsed. */
static bool
dur_wait_field(const dur_wait_search_t *s, const dur_expr_path_t *path,
    uint64_t *value)
{
    bool       found;
    json_t    *json;
    unsigned   i;
    dur_str_t  text;

    text = s->event->json;

    for (i = 0; i < path->n; i++) {
        if (text.len == 0 || text.data[0] != '{'
            || dur_json_member(text, path->names[i], &text) != DUR_OK)
        {
            return dur_wait_value(NULL, value);
        }
    }

    if (text.data[0] == '{' || text.data[0] == '[') {
        return false;
    }

    json = dur_json_parse(text, NULL);
    found = dur_wait_value(json, value);
    json_decref(json);

    return found;
}


/* Sets the value that the slot is searched for; false: nobody can be there. */
static bool
dur_wait_slot_value(dur_wait_search_t *s, const dur_wait_names_t *names)
{
    unsigned         i;
    dur_expr_path_t  path;

    if (s->at.slot == 0) {
        s->at.value = 0;
        return names->plain != 0;
    }

    for (i = 0; i < names->n; i++) {
        if (names->paths[i].slot == s->at.slot) {
            dur_wait_path_names(&names->paths[i], &path);

            return dur_wait_field(s, &path, &s->at.value);
        }
    }

    return false;
}


/* At most `limit` matches from where it is on; *full: there may be more. */
static dur_rc_t
dur_wait_look(dur_wait_search_t *s, unsigned limit, bool *full)
{
    dur_rc_t          rc;
    dur_wait_names_t  names;

    *full = false;
    s->nfound = 0;

    rc = dur_wait_names_get(s->e->txn, s->at.name, &names);

    if (rc == DUR_ECORRUPT) {
        dur_state_log(s->e, 0, "the index of the waits for an event cannot "
                      "be read: the event matches none of them");
        return DUR_OK;
    }

    while (rc == DUR_OK && s->at.slot <= DUR_WAIT_PATHS) {
        if (dur_wait_slot_value(s, &names)) {
            rc = dur_wait_look_slot(s, limit, full);
            if (rc != DUR_OK || *full) {
                return rc;
            }
        }

        dur_wait_at_start(&s->at, (uint16_t) (s->at.slot + 1));
    }

    return rc;
}


/* -- acting --------------------------------------------------------------- */

/* The run, when it can be read and lives. */
static dur_rc_t
dur_wait_live(dur_engine_t *e, const dur_ulid_t *id, dur_run_t *run,
    bool *live)
{
    dur_rc_t  rc;

    rc = dur_run_get(e->txn, id, run);
    *live = rc == DUR_OK && run->status == DUR_RUN_LIVE;

    return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
}


static dur_rc_t
dur_wait_resume(dur_wait_search_t *s, const dur_wait_who_t *who)
{
    dur_rc_t    rc;
    dur_step_t  step;

    rc = dur_step_get(s->e->txn, &who->run, &who->step, &step);

    if (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) {
        return DUR_OK;
    }

    dur_wait_spend(s, s->cost);

    return rc == DUR_OK
           ? dur_result_resume(s->e, &who->run, &who->step, DUR_STEP_RAW,
                               s->event->json)
           : rc;
}


static dur_rc_t
dur_wait_cancel_run(dur_wait_search_t *s, dur_run_t *run)
{
    dur_wait_spend(s, (DUR_WAIT_ROWS + run->open + 3 * run->waits)
                      * DUR_WAIT_TRIES);

    return dur_run_cancel_live(s->e, run, "The run was cancelled by an "
                               "event");
}


static dur_rc_t
dur_wait_mark_failed(dur_wait_search_t *s, const dur_wait_key_t *key)
{
    uint8_t     bytes[DUR_WAIT_KEY];
    dur_rc_t    rc;
    dur_str_t   row;
    dur_wait_t  wait;

    rc = dur_txn_get(s->e->txn, DUR_T_WAIT, dur_wait_key(bytes, key), &row);
    if (rc == DUR_OK) {
        rc = dur_wait_decode(row, &wait);
    }
    if (rc != DUR_OK) {
        return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
    }

    dur_wait_spend(s, DUR_WAIT_TRIES);
    wait.flags |= DUR_WAIT_F_SAID;

    return dur_wait_put(s->e, key, &wait);
}


/* What was found may have changed since: by what was done to those before. */
static dur_rc_t
dur_wait_act(dur_wait_search_t *s)
{
    bool                     live;
    dur_rc_t                 rc;
    unsigned                 i;
    dur_run_t                run;
    const dur_wait_found_t  *f;

    rc = DUR_OK;

    for (i = 0; i < s->nfound && rc == DUR_OK; i++) {
        f = &s->found[i];

        if (f->verdict == DUR_WAIT_FAILED) {
            rc = dur_wait_mark_failed(s, &f->key);
            continue;
        }

        rc = dur_wait_live(s->e, &f->key.who.run, &run, &live);
        if (rc != DUR_OK || !live) {
            continue;
        }

        rc = f->key.who.kind == DUR_WAIT_CANCEL
             ? dur_wait_cancel_run(s, &run)
             : dur_wait_resume(s, &f->key.who);
    }

    return rc;
}


static void
dur_wait_tell(dur_wait_search_t *s)
{
    char  id[DUR_ULID_TEXT_LEN + 1];

    if (s->nfailed == 0) {
        return;
    }

    dur_ulid_text(&s->failed, id);
    dur_state_log(s->e, 2, "the expression of a wait of run %s has no value "
                  "for an event, which does not match: %s%s", id, s->err,
                  s->nfailed > 1 ? "; so it is with other waits" : "");
}


/* From where it is, within its tries; *done: nobody is left. */
static dur_rc_t
dur_wait_go(dur_wait_search_t *s, bool *done)
{
    bool      full;
    dur_rc_t  rc;
    unsigned  limit;

    do {
        limit = s->tries / s->cost;
        if (limit > DUR_WAIT_FOUND) {
            limit = DUR_WAIT_FOUND;
        }

        rc = dur_wait_look(s, limit, &full);

        if (rc == DUR_OK) {
            s->e->matching = true;
            rc = dur_wait_act(s);
            s->e->matching = false;
        }

    } while (rc == DUR_OK && full && s->tries >= s->cost);

    dur_wait_tell(s);
    *done = !full;

    return rc;
}


/* -- events --------------------------------------------------------------- */

static void
dur_wait_search_init(dur_wait_search_t *s, dur_engine_t *e,
    const dur_wait_match_t *event, unsigned rows)
{
    s->e = e;
    s->event = event;
    s->json = NULL;
    s->nfailed = 0;
    s->tries = rows * DUR_WAIT_TRIES;
    s->cost = (DUR_WAIT_ROWS
               + (unsigned) (event->json.len / DUR_PAYLOAD_ROW))
              * DUR_WAIT_TRIES;
    s->mark = e->counters.item;
    s->received = e->now;

    dur_wait_name(event->name, s->at.name);
    dur_wait_at_start(&s->at, 0);
    dur_arena_init(&s->arena);
    dur_buf_init(&s->text, DUR_WAIT_EVENT_MAX);
}


static void
dur_wait_search_deinit(dur_wait_search_t *s)
{
    json_decref(s->json);
    dur_arena_deinit(&s->arena);
    dur_buf_deinit(&s->text);
}


/* What is left is for the task of the name, which is there or is made. */
static dur_rc_t
dur_wait_later(dur_wait_search_t *s, bool queued)
{
    uint8_t            cursor[DUR_WAIT_CURSOR];
    dur_rc_t           rc;
    dur_wait_queued_t  place;

    memcpy(place.name, s->at.name, DUR_WAIT_NAME);
    place.event = s->event->id;
    place.mark = s->mark;

    rc = dur_wait_queue_add(s->e, &place);

    return (rc == DUR_OK && !queued)
           ? dur_task_add(s->e, DUR_TASK_WAITS, &s->event->id,
                          dur_wait_cursor(s, cursor))
           : rc;
}


dur_rc_t
dur_wait_match(dur_engine_t *e, const dur_wait_match_t *event, unsigned *rows)
{
    bool               done, queued;
    dur_rc_t           rc;
    dur_wait_queued_t  first;
    dur_wait_search_t  s;

    dur_wait_search_init(&s, e, event, *rows);
    done = false;

    rc = e->has_tasks ? dur_wait_queue_first(e, s.at.name, &first)
                      : DUR_ENOTFOUND;
    queued = rc == DUR_OK;

    if (rc == DUR_ENOTFOUND) {
        rc = DUR_OK;
    }

    if (rc == DUR_OK && !queued && !e->matching) {
        rc = dur_wait_go(&s, &done);
        *rows = s.tries / DUR_WAIT_TRIES;
    }

    if (rc == DUR_OK && !done) {
        rc = dur_wait_later(&s, queued);
        *rows -= *rows > 0;
    }

    dur_wait_search_deinit(&s);

    return rc;
}


/* A piece of the first event; *done: nobody is left for it. */
static dur_rc_t
dur_wait_go_on(dur_engine_t *e, const dur_wait_match_t *event,
    const dur_wait_queued_t *place, dur_buf_t *cursor, bool *done)
{
    uint8_t            bytes[DUR_WAIT_CURSOR];
    unsigned           rows;
    dur_rc_t           rc;
    dur_wait_search_t  s;

    rows = DUR_OP_ROWS;

    /* the body of a large event takes more: one at a time then */

    if (event->json.len / DUR_PAYLOAD_ROW + DUR_WAIT_ROWS > rows) {
        rows = (unsigned) (event->json.len / DUR_PAYLOAD_ROW)
               + DUR_WAIT_ROWS + 1;
    }

    dur_wait_search_init(&s, e, event, rows);

    s.mark = place->mark;
    s.received = place->received;
    s.at.slot = dur_get16(cursor->data + DUR_WAIT_NAME);
    dur_wait_who_get(cursor->data + DUR_WAIT_NAME + 2, &s.at.who);

    rc = dur_wait_go(&s, done);

    dur_buf_reset(cursor);
    dur_buf_adds(cursor, dur_wait_cursor(&s, bytes));

    dur_wait_search_deinit(&s);

    return rc;
}


/* The same for what is stored of it; one that cannot be read meets nobody. */
static dur_rc_t
dur_wait_first_piece(dur_engine_t *e, const dur_wait_queued_t *place,
    dur_buf_t *cursor, bool *done)
{
    dur_rc_t          rc;
    dur_buf_t         json;
    dur_event_t       row;
    dur_wait_match_t  event;

    *done = true;

    rc = dur_event_get(e->txn, &place->event, &row);

    if (rc != DUR_OK) {
        return (rc == DUR_ENOTFOUND || rc == DUR_ECORRUPT) ? DUR_OK : rc;
    }

    dur_buf_init(&json, DUR_WAIT_EVENT_MAX);

    rc = dur_payload_get(e->txn, &place->event, &row.json, &json);

    if (rc == DUR_OK) {
        event.id = place->event;
        event.name = dur_arena_copy(e->arena, row.name);
        event.json = dur_buf_str(&json);
        rc = dur_wait_go_on(e, &event, place, cursor, done);

    } else if (rc == DUR_ECORRUPT) {
        rc = DUR_OK;
    }

    dur_buf_deinit(&json);

    return rc;
}


dur_rc_t
dur_wait_match_more(dur_engine_t *e, dur_buf_t *cursor, bool *done)
{
    dur_rc_t           rc;
    dur_wait_queued_t  place;

    *done = true;

    if (cursor->len != DUR_WAIT_CURSOR) {
        return DUR_OK;
    }

    rc = dur_wait_queue_first(e, cursor->data, &place);
    if (rc != DUR_OK) {
        return rc == DUR_ENOTFOUND ? DUR_OK : rc;
    }

    rc = dur_wait_first_piece(e, &place, cursor, done);

    return (rc == DUR_OK && *done)
           ? dur_wait_queue_next(e, cursor, done) : rc;
}
