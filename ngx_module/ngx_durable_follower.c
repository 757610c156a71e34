
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * A worker that does not lead: its ops wait in order, travel to the leader as
 * OP frames, and are sent again to the next leader when this one goes (ops are
 * idempotent).  The store is opened for reading after the leader's WELCOME.
 */


#include "ngx_durable_process.h"


static ngx_int_t ngx_durable_follower_frame(ngx_durable_link_t *l,
    dur_frame_t *f);
static ngx_int_t ngx_durable_follower_welcome(ngx_durable_link_t *l,
    dur_frame_t *f);
static ngx_int_t ngx_durable_follower_reply(ngx_durable_link_t *l,
    dur_frame_t *f);
static void ngx_durable_follower_lost(ngx_durable_link_t *l);
static void ngx_durable_follower_open(void);
static void ngx_durable_follower_send(ngx_durable_entry_t *e);
static void ngx_durable_follower_resend(void);
static ngx_durable_entry_t *ngx_durable_follower_find(uint64_t id);


/* NGX_DECLINED: nobody listens. */

ngx_int_t
ngx_durable_follower_connect(void)
{
    u_char                  path[NGX_MAX_PATH];
    ngx_err_t               err;
    dur_frame_writer_t      w;
    ngx_durable_link_t     *l;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->leader) {

        if (dp->leader->ready && dp->store == NULL) {
            ngx_durable_follower_open();
        }

        return NGX_OK;
    }

    (void) ngx_snprintf(path, NGX_MAX_PATH, "%V/leader.sock%Z",
                        &dp->conf->path);

    l = ngx_durable_link_connect((char *) path, &err);

    if (l == NULL) {

        if (err != NGX_ENOENT && err != NGX_ECONNREFUSED
            && err != NGX_EAGAIN)
        {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, err,
                          "durable: connect() to the leader failed");
        }

        return NGX_DECLINED;
    }

    l->frame = ngx_durable_follower_frame;
    l->lost = ngx_durable_follower_lost;

    dp->leader = l;

    dur_frame_begin(&w, &l->out, DUR_FRAME_HELLO, DUR_FRAME_F_END);
    dur_frame_put_u32(&w, DUR_TAG_VERSION, DUR_FRAME_VERSION);
    dur_frame_put_u32(&w, DUR_TAG_PID, (uint32_t) ngx_pid);
    dur_frame_put_u8(&w, DUR_TAG_ROLE, 0);
    dur_frame_put_u8(&w, DUR_TAG_CODEC, DUR_OP_CODEC);
    (void) dur_frame_end(&w, dur_str_null);

    (void) ngx_durable_link_flush(l);

    return NGX_OK;
}


void
ngx_durable_follower_close(void)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dp->leader) {
        ngx_durable_link_close(dp->leader);
        dp->leader = NULL;
    }
}


/* An op of this process, or one that came back, waits for a leader. */

void
ngx_durable_follower_wait(ngx_durable_entry_t *e)
{
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    ngx_queue_insert_tail(&dp->waiting, &e->queue);

    e->sent = 0;
    e->deadline = ngx_current_msec + NGX_DURABLE_NO_LEADER;

    if (dp->leader && dp->leader->ready) {
        ngx_durable_follower_send(e);
        return;
    }

    if (ngx_exiting && dp->leader == NULL && !dp->elect.timer_set
        && dp->role == NGX_DURABLE_FOLLOWER)
    {
        ngx_durable_elect_later(1);
    }
}


/* All that waits goes to the leader, or to our own queue when we lead. */

void
ngx_durable_follower_send_all(void)
{
    ngx_queue_t            *q, *next;
    ngx_durable_entry_t    *e;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    for (q = ngx_queue_head(&dp->waiting);
         q != ngx_queue_sentinel(&dp->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        e = ngx_queue_data(q, ngx_durable_entry_t, queue);

        if (dp->role == NGX_DURABLE_LEADER) {
            ngx_queue_remove(q);
            ngx_queue_init(q);
            (void) ngx_durable_queue(e);

        } else if (!e->sent) {
            ngx_durable_follower_send(e);
        }
    }
}


static void
ngx_durable_follower_send(ngx_durable_entry_t *e)
{
    u_char                  id[8];
    dur_rc_t                rc;
    dur_frame_writer_t      w;
    ngx_durable_link_t     *l;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;
    l = dp->leader;

    dur_put64(id, e->id);

    dur_frame_begin(&w, &l->out, DUR_FRAME_OP, 0);
    dur_frame_put(&w, DUR_TAG_ID, dur_str_make(id, 8));
    rc = dur_frame_end_body(&w, dur_str_make(e->data, e->len), DUR_TAG_ID,
                            dur_str_make(id, 8));

    if (rc != DUR_OK) {

        /* the link is lost by this and all is sent again on the next one */

        l->out.failed = 1;
    }

    e->sent = 1;
    e->deadline = ngx_current_msec + NGX_DURABLE_NO_REPLY;

    e->node.key = (ngx_rbtree_key_t) e->id;
    ngx_rbtree_insert(&dp->sent, &e->node);

    ngx_durable_link_push(l);
}


static ngx_int_t
ngx_durable_follower_frame(ngx_durable_link_t *l, dur_frame_t *f)
{
    switch (f->type) {

    case DUR_FRAME_WELCOME:
        return ngx_durable_follower_welcome(l, f);

    case DUR_FRAME_REPLY:
    case DUR_FRAME_DATA:
        return ngx_durable_follower_reply(l, f);

    case DUR_FRAME_NOTIFY:
        if (ngx_durable_process.hear) {
            ngx_durable_process.hear();
        }

        return NGX_OK;

    default:
        return NGX_OK;
    }
}


static ngx_int_t
ngx_durable_follower_welcome(ngx_durable_link_t *l, dur_frame_t *f)
{
    uint64_t                v;
    dur_str_t               id;
    dur_frame_writer_t      w;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    if (dur_frame_get_u64(f, DUR_TAG_VERSION, &v) != DUR_OK
        || v != DUR_FRAME_VERSION
        || dur_frame_get(f, DUR_TAG_STORE_ID, &id) != DUR_OK
        || id.len != sizeof(dp->store_id)
        || dur_frame_get_u64(f, DUR_TAG_EPOCH, &dp->epoch) != DUR_OK)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "durable: the leader speaks another version");
        return NGX_ERROR;
    }

    if (dur_frame_get_u64(f, DUR_TAG_FORMAT, &v) == DUR_OK
        && v != DUR_STORE_FORMAT)
    {
        ngx_durable_fail(DUR_EFORMAT, "the leader uses another store format");
        return NGX_ERROR;
    }

    if (dp->store
        && ngx_memcmp(dp->store_id, id.data, sizeof(dp->store_id)) != 0)
    {
        /* another store took the place of the one we read */

        dur_store_close(dp->store);
        dp->store = NULL;
    }

    ngx_memcpy(dp->store_id, id.data, sizeof(dp->store_id));

    l->ready = 1;
    dp->tries = 0;
    dp->backoff = 0;

    if (dur_frame_get_u64(f, DUR_TAG_CODEC, &v) == DUR_OK
        && v < DUR_OP_CODEC && !ngx_exiting)
    {
        /* a newer worker asks an older leader to step down */

        dur_frame_begin(&w, &l->out, DUR_FRAME_YIELD, DUR_FRAME_F_END);
        dur_frame_put_u8(&w, DUR_TAG_CODEC, DUR_OP_CODEC);
        (void) dur_frame_end(&w, dur_str_null);
        ngx_durable_link_push(l);
    }

    if (dp->store == NULL) {
        ngx_durable_follower_open();
    }

    ngx_durable_follower_send_all();
    ngx_durable_realtime_welcome(l);

    return NGX_OK;
}


static void
ngx_durable_follower_open(void)
{
    char                    err[sizeof(ngx_durable_process.reason_text)];
    dur_rc_t                rc;
    dur_store_options_t     opt;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    ngx_memzero(&opt, sizeof(dur_store_options_t));
    opt.path = (char *) dp->conf->path.data;
    opt.size = dp->conf->size;
    opt.async = dp->conf->async;

    err[0] = '\0';
    rc = dur_store_open(&dp->store, &opt, err, sizeof(err));

    if (rc == DUR_OK) {
        dp->backoff = 0;
        dur_store_set_redact(dp->store, dp->conf->redact);
        ngx_durable_fail(DUR_OK, NULL);
        return;
    }

    dp->store = NULL;

    ngx_durable_fail(rc, err);
    ngx_durable_elect_failed();
}


static ngx_int_t
ngx_durable_follower_reply(ngx_durable_link_t *l, dur_frame_t *f)
{
    uint64_t                id, rc;
    ngx_int_t               n;
    dur_frame_t             whole;
    ngx_durable_entry_t    *e;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    n = ngx_durable_link_body(l, f, DUR_TAG_ID, NGX_DURABLE_BODY_MAX, &whole);

    if (n != NGX_OK) {
        return n == NGX_AGAIN ? NGX_OK : NGX_ERROR;
    }

    if (dur_frame_get_u64(&whole, DUR_TAG_ID, &id) != DUR_OK
        || dur_frame_get_u64(&whole, DUR_TAG_STATUS, &rc) != DUR_OK)
    {
        return NGX_ERROR;
    }

    e = ngx_durable_follower_find(id);

    if (e == NULL) {
        /* answered 503 already */
        return NGX_OK;
    }

    ngx_rbtree_delete(&dp->sent, &e->node);

    if (whole.data.len
        && dur_reply_decode(whole.data, &e->reply) != DUR_OK)
    {
        ngx_memzero(&e->reply, sizeof(dur_reply_t));
        rc = (uint16_t) DUR_EINTERNAL;
    }

    e->reply.rc = (dur_rc_t) (int16_t) (uint16_t) rc;

    ngx_durable_entry_finish(e);

    return NGX_OK;
}


static ngx_durable_entry_t *
ngx_durable_follower_find(uint64_t id)
{
    ngx_rbtree_key_t        key;
    ngx_rbtree_node_t      *node;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    key = (ngx_rbtree_key_t) id;
    node = dp->sent.root;

    while (node != &dp->sentinel) {

        if (node->key == key) {
            return (ngx_durable_entry_t *)
                   ((u_char *) node - offsetof(ngx_durable_entry_t, node));
        }

        node = key < node->key ? node->left : node->right;
    }

    return NULL;
}


static void
ngx_durable_follower_lost(ngx_durable_link_t *l)
{
    ngx_uint_t              ready;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    ready = l->ready;

    ngx_durable_link_close(l);
    dp->leader = NULL;

    ngx_durable_follower_resend();

    if (ready) {
        ngx_durable_elect_now();

    } else if (!dp->elect.timer_set) {

        /* it took us in while it went, or it speaks otherwise */

        dp->tries++;
        ngx_durable_elect_later(1 + ngx_random() % (5 * dp->tries));
    }
}


static void
ngx_durable_follower_resend(void)
{
    ngx_queue_t            *q;
    ngx_durable_entry_t    *e;
    ngx_durable_process_t  *dp;

    dp = &ngx_durable_process;

    for (q = ngx_queue_head(&dp->waiting);
         q != ngx_queue_sentinel(&dp->waiting);
         q = ngx_queue_next(q))
    {
        e = ngx_queue_data(q, ngx_durable_entry_t, queue);

        if (!e->sent) {
            continue;
        }

        ngx_rbtree_delete(&dp->sent, &e->node);

        e->sent = 0;
        e->deadline = ngx_current_msec + NGX_DURABLE_NO_LEADER;

        if (e->data[2] < 3) {
            e->data[2]++;
        }

        if (e->op) {
            e->op->resubmitted = e->data[2];
        }
    }
}
