
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Ops in flight.  An entry holds the op's bytes in a chunk that many entries
 * share, so that a submit asks the system for nothing.  Only the event loop
 * makes, moves and frees entries; the commit thread reads the bytes and writes
 * the reply of those it was given.
 */


#include "ngx_durable_process.h"

#include <sys/random.h>


#define NGX_DURABLE_CHUNK    (64 * 1024)
#define NGX_DURABLE_ENTROPY  4096


struct ngx_durable_chunk_s {
    size_t       used;
    size_t       size;
    ngx_uint_t   live;
    u_char       data[] __attribute__((aligned(16)));
};


static ngx_durable_chunk_t *ngx_durable_chunk_get(size_t size);
static void ngx_durable_chunk_put(ngx_durable_chunk_t *chunk);
static ngx_durable_class_e ngx_durable_entry_class(u_char type);


void
ngx_durable_list_init(ngx_durable_list_t *list)
{
    list->first = NULL;
    list->last = &list->first;
    list->count = 0;
}


void
ngx_durable_list_push(ngx_durable_list_t *list, ngx_durable_entry_t *e)
{
    e->next = NULL;

    *list->last = e;
    list->last = &e->next;
    list->count++;
}


void
ngx_durable_list_append(ngx_durable_list_t *list, ngx_durable_list_t *tail)
{
    if (tail->first == NULL) {
        return;
    }

    *list->last = tail->first;
    list->last = tail->last;
    list->count += tail->count;

    ngx_durable_list_init(tail);
}


ngx_durable_entry_t *
ngx_durable_list_pop(ngx_durable_list_t *list)
{
    ngx_durable_entry_t  *e;

    e = list->first;

    if (e) {
        list->first = e->next;
        list->count--;

        if (list->first == NULL) {
            list->last = &list->first;
        }

        e->next = NULL;
    }

    return e;
}


ngx_durable_entry_t *
ngx_durable_entry_create(dur_str_t bytes)
{
    size_t                  size;
    ngx_durable_chunk_t    *chunk;
    ngx_durable_entry_t    *e;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    size = ngx_align(sizeof(ngx_durable_entry_t) + bytes.len, 16);
    chunk = ngx_durable_chunk_get(size);

    if (chunk == NULL) {
        return NULL;
    }

    e = (ngx_durable_entry_t *) (chunk->data + chunk->used);
    chunk->used += size;
    chunk->live++;

    ngx_memzero(e, sizeof(ngx_durable_entry_t));

    e->chunk = chunk;
    e->id = ++dp->id;
    e->len = bytes.len;
    ngx_memcpy(e->data, bytes.data, bytes.len);
    e->class = ngx_durable_entry_class(e->data[1]);

    ngx_queue_init(&e->queue);

    dp->nops++;
    dp->queued[e->class]++;
    dp->bytes[e->class] += e->len;

    ngx_durable_arm_hold();

    return e;
}


void
ngx_durable_entry_free(ngx_durable_entry_t *e)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (e->op) {
        e->op->entry = NULL;
        e->op->pending = 0;
    }

    ngx_queue_remove(&e->queue);

    dp->nops--;
    dp->queued[e->class]--;
    dp->bytes[e->class] -= e->len;

    ngx_durable_chunk_put(e->chunk);

    if (dp->nops == 0 && ngx_exiting && dp->hold.timer_set) {
        ngx_del_timer(&dp->hold);
    }
}


/* Tells who waits for it, then frees it. */

void
ngx_durable_entry_finish(ngx_durable_entry_t *e)
{
    ngx_durable_op_t  *op;

    op = e->op;

    if (op) {
        e->op = NULL;
        op->entry = NULL;
        op->pending = 0;
        op->rc = e->reply.rc;
        op->reply = e->reply;

        op->done(op);

    } else if (e->peer) {
        ngx_durable_peer_reply(e);
    }

    ngx_durable_entry_free(e);
}


/* The leader's way of an op: to the commit thread at the end of this turn. */

ngx_int_t
ngx_durable_queue(ngx_durable_entry_t *e)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (e->op) {
        e->deadline = ngx_current_msec + NGX_DURABLE_NO_REPLY;
        ngx_queue_insert_tail(&dp->own, &e->queue);
    }

    e->queued = ngx_durable_us();

    if (e->class == NGX_DURABLE_STATUS) {
        ngx_durable_list_push(&dp->status, e);

    } else if (e->data[2] >= 3) {

        /* it ended three leaders: not a fourth one */

        e->reply.rc = DUR_EINTERNAL;
        ngx_durable_list_push(&dp->status, e);

    } else if (e->class == NGX_DURABLE_INVENTORY) {
        ngx_durable_list_push(&dp->fresh[NGX_DURABLE_RESULT], e);

    } else {
        ngx_durable_list_push(&dp->fresh[e->class], e);
    }

    if (ngx_exiting) {
        ngx_durable_kick();

    } else {
        ngx_post_event(&dp->kick, &ngx_posted_events);
    }

    return NGX_OK;
}


/* An op that this process makes for itself; `link` is for INVENTORY. */

ngx_int_t
ngx_durable_internal(dur_op_t *op, uint32_t link)
{
    ngx_durable_entry_t    *e;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    ngx_durable_entropy(op->entropy);
    dur_buf_reset(&dp->scratch);

    if (dur_op_encode(op, &dp->scratch) != DUR_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "durable: an op of type %ui could not be written",
                      (ngx_uint_t) op->type);
        return NGX_ERROR;
    }

    e = ngx_durable_entry_create(dur_buf_str(&dp->scratch));
    if (e == NULL) {
        return NGX_ERROR;
    }

    e->link = link;

    return ngx_durable_queue(e);
}


void
ngx_durable_kick(void)
{
    ngx_uint_t              i, wake;
    dur_op_form_t           form;
    ngx_durable_list_t     *list;
    ngx_durable_entry_t    *e;
    ngx_durable_commit_t   *c;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    c = &dp->commit;

    if (c->started) {
        wake = 0;

        (void) pthread_mutex_lock(&c->mutex);

        for (i = NGX_DURABLE_RESULT; i <= NGX_DURABLE_INGEST; i++) {
            list = &dp->fresh[i];

            if (list->first == NULL) {
                continue;
            }

            wake = 1;

            if (i != NGX_DURABLE_RESULT) {
                ngx_durable_list_append(&c->queues[i], list);
                continue;
            }

            while ((e = ngx_durable_list_pop(list)) != NULL) {

                if (e->class != NGX_DURABLE_INVENTORY) {
                    ngx_durable_list_push(&c->queues[i], e);
                    continue;
                }

                if (c->inventory) {

                    /* of a link that is gone: freed with the status ops */

                    ngx_durable_list_push(&dp->status, c->inventory);
                }

                c->inventory = e;
            }
        }

        if (wake && c->idle) {
            (void) pthread_cond_signal(&c->cond);
        }

        (void) pthread_mutex_unlock(&c->mutex);
    }

    while ((e = ngx_durable_list_pop(&dp->status)) != NULL) {

        if (e->class == NGX_DURABLE_STATUS) {
            dur_buf_reset(&dp->scratch);
            form = dur_op_form(dur_str_make(e->data, e->len));

            if (form == DUR_OP_FORM_STATUS) {
                ngx_durable_state_write(&dp->scratch);

            } else if (form == DUR_OP_FORM_SYSTEM) {
                ngx_durable_state_system(&dp->scratch);

            } else {
                ngx_durable_metrics_write(&dp->scratch, form);
            }

            e->reply.rc = dp->scratch.failed ? DUR_ENOMEM : DUR_OK;
            e->reply.status = 200;
            e->reply.body = dur_buf_str(&dp->scratch);
        }

        ngx_durable_entry_finish(e);
    }
}


/* What a leader did not decide: requests wait for the next one. */

void
ngx_durable_requeue(ngx_durable_list_t *list)
{
    ngx_durable_entry_t  *e;

    while ((e = ngx_durable_list_pop(list)) != NULL) {

        if (e->op && !ngx_durable_process.exited) {
            ngx_queue_remove(&e->queue);
            ngx_durable_follower_wait(e);
            continue;
        }

        /* a follower sends it again, the sidecar keeps its results */

        ngx_durable_entry_free(e);
    }
}


/*
 * Answers what waited too long: no leader for 2 s, no reply for 5 s; or all of
 * it, before a worker leaves.  The commit thread of a leader may hold the op:
 * it stays until that is done.
 */

void
ngx_durable_expire(ngx_queue_t *queue, ngx_uint_t all)
{
    ngx_durable_op_t       *op;
    ngx_durable_entry_t    *e;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    while (!ngx_queue_empty(queue)) {
        e = ngx_queue_data(ngx_queue_head(queue), ngx_durable_entry_t, queue);

        if (!all && (ngx_msec_int_t) (ngx_current_msec - e->deadline) < 0) {
            return;
        }

        if (queue == &dp->waiting) {

            if (e->sent) {
                ngx_rbtree_delete(&dp->sent, &e->node);
            }

            e->reply.rc = DUR_EBUSY;
            ngx_durable_entry_finish(e);
            continue;
        }

        ngx_queue_remove(&e->queue);
        ngx_queue_init(&e->queue);

        op = e->op;

        if (op) {
            e->op = NULL;
            op->entry = NULL;
            op->pending = 0;
            op->rc = DUR_EBUSY;

            op->done(op);
        }
    }
}


void
ngx_durable_entropy(uint8_t out[16])
{
    ssize_t          n;
    static uint8_t   pool[NGX_DURABLE_ENTROPY];
    static size_t    left;

    if (left < 16) {
        n = getrandom(pool, NGX_DURABLE_ENTROPY, 0);
        left = n > 0 ? (size_t) n : 0;

        if (left < 16) {
            dur_put64(pool, ((uint64_t) ngx_random() << 32) ^ ngx_random());
            dur_put64(pool + 8, ((uint64_t) ngx_pid << 32) ^ ngx_random());
            left = 16;
        }
    }

    left -= 16;
    ngx_memcpy(out, pool + left, 16);
    ngx_memzero(pool + left, 16);
}


void
ngx_durable_chunks_free(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->chunk && dp->chunk->live == 0) {
        ngx_free(dp->chunk);
        dp->chunk = NULL;
    }

    if (dp->spare) {
        ngx_free(dp->spare);
        dp->spare = NULL;
    }
}


static ngx_durable_chunk_t *
ngx_durable_chunk_get(size_t size)
{
    size_t                  n;
    ngx_durable_chunk_t    *chunk;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    chunk = dp->chunk;

    if (chunk && chunk->size - chunk->used >= size) {
        return chunk;
    }

    if (size <= NGX_DURABLE_CHUNK && dp->spare) {
        chunk = dp->spare;
        dp->spare = NULL;

    } else {
        n = ngx_max(size, NGX_DURABLE_CHUNK);

        chunk = ngx_alloc(sizeof(ngx_durable_chunk_t) + n, ngx_cycle->log);
        if (chunk == NULL) {
            return NULL;
        }

        chunk->size = n;
        chunk->live = 0;
    }

    chunk->used = 0;

    if (chunk->size == NGX_DURABLE_CHUNK) {

        /* the former one is freed with its last entry */

        if (dp->chunk && dp->chunk->live == 0) {
            ngx_free(dp->chunk);
        }

        dp->chunk = chunk;
    }

    return chunk;
}


static void
ngx_durable_chunk_put(ngx_durable_chunk_t *chunk)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (--chunk->live) {
        return;
    }

    if (chunk == dp->chunk) {
        chunk->used = 0;

    } else if (dp->spare == NULL && chunk->size == NGX_DURABLE_CHUNK) {
        dp->spare = chunk;

    } else {
        ngx_free(chunk);
    }
}


static ngx_durable_class_e
ngx_durable_entry_class(u_char type)
{
    switch (type) {

    case DUR_OP_RESULT:
    case DUR_OP_SYNC:
        return NGX_DURABLE_RESULT;

    case DUR_OP_INVENTORY:
        return NGX_DURABLE_INVENTORY;

    case DUR_OP_STATUS:
        return NGX_DURABLE_STATUS;

    default:
        return dur_op_is_ingest(type) ? NGX_DURABLE_INGEST
                                      : NGX_DURABLE_CONTROL;
    }
}
