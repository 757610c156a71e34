
/*
 * Copyright (C) the nginx-durable authors
 */


/* Bodies that come in several frames: the first one, then DATA. */


#include "ngx_durable_process.h"


#define NGX_DURABLE_BODIES_MAX  (256 * 1024 * 1024)


struct ngx_durable_partial_s {
    ngx_queue_t   queue;
    uint8_t       type;
    dur_buf_t     header;
    dur_buf_t     body;
    size_t        size;
    size_t        id_len;
    u_char        id[DUR_ATTEMPT_LEN];
};


static ngx_int_t ngx_durable_body_begin(ngx_durable_link_t *l,
    dur_frame_t *f, dur_str_t id, size_t max);
static ngx_int_t ngx_durable_body_add(ngx_durable_partial_t *p,
    dur_frame_t *f);
static ngx_durable_partial_t *ngx_durable_body_find(ngx_durable_link_t *l,
    dur_str_t id);
static void ngx_durable_body_free(ngx_durable_link_t *l,
    ngx_durable_partial_t *p);


/*
 * NGX_OK: `whole` is the first frame with all of its body, valid until the
 * next frame; NGX_AGAIN: more is to come; NGX_ERROR: the link is to be closed.
 */

ngx_int_t
ngx_durable_link_body(ngx_durable_link_t *l, dur_frame_t *f, dur_tag_t tag,
    size_t max, dur_frame_t *whole)
{
    dur_str_t               id;
    ngx_durable_partial_t  *p;

    if (l->whole) {
        ngx_durable_body_free(l, l->whole);
        l->whole = NULL;
    }

    if (f->type != DUR_FRAME_DATA && (f->flags & DUR_FRAME_F_END)) {
        *whole = *f;
        return NGX_OK;
    }

    if (dur_frame_get(f, tag, &id) != DUR_OK
        || id.len == 0 || id.len > DUR_ATTEMPT_LEN)
    {
        return NGX_ERROR;
    }

    p = ngx_durable_body_find(l, id);

    if (f->type != DUR_FRAME_DATA) {

        if (p) {
            /* sent anew from its start */
            ngx_durable_body_free(l, p);
        }

        return ngx_durable_body_begin(l, f, id, max);
    }

    if (p == NULL) {
        return NGX_ERROR;
    }

    if (ngx_durable_body_add(p, f) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!(f->flags & DUR_FRAME_F_END)) {
        return NGX_AGAIN;
    }

    if (p->body.len != p->size) {
        return NGX_ERROR;
    }

    whole->type = p->type;
    whole->flags = DUR_FRAME_F_END;
    whole->header = dur_buf_str(&p->header);
    whole->data = dur_buf_str(&p->body);

    l->whole = p;

    return NGX_OK;
}


void
ngx_durable_link_bodies_free(ngx_durable_link_t *l)
{
    ngx_queue_t            *q;
    ngx_durable_partial_t  *p;

    while (!ngx_queue_empty(&l->bodies)) {
        q = ngx_queue_head(&l->bodies);
        p = ngx_queue_data(q, ngx_durable_partial_t, queue);
        ngx_durable_body_free(l, p);
    }

    l->whole = NULL;
}


static ngx_int_t
ngx_durable_body_begin(ngx_durable_link_t *l, dur_frame_t *f, dur_str_t id,
    size_t max)
{
    uint64_t                size;
    ngx_durable_partial_t  *p;

    if (dur_frame_get_u64(f, DUR_TAG_LENGTH, &size) != DUR_OK
        || size > max || l->bodies_size + size > NGX_DURABLE_BODIES_MAX)
    {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "durable: a link received a body over its maximum");
        return NGX_ERROR;
    }

    p = ngx_calloc(sizeof(ngx_durable_partial_t), ngx_cycle->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    p->type = f->type;
    p->size = size;
    p->id_len = id.len;
    ngx_memcpy(p->id, id.data, id.len);

    dur_buf_init(&p->header, DUR_FRAME_HEADER_MAX);
    dur_buf_init(&p->body, size ? size : 1);

    l->bodies_size += size;
    ngx_queue_insert_tail(&l->bodies, &p->queue);

    if (dur_buf_adds(&p->header, f->header) != DUR_OK
        || dur_buf_reserve(&p->body, size) != DUR_OK
        || ngx_durable_body_add(p, f) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_durable_body_add(ngx_durable_partial_t *p, dur_frame_t *f)
{
    if (f->data.len > p->size - p->body.len) {
        return NGX_ERROR;
    }

    if (dur_buf_adds(&p->body, f->data) != DUR_OK) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_durable_partial_t *
ngx_durable_body_find(ngx_durable_link_t *l, dur_str_t id)
{
    ngx_queue_t            *q;
    ngx_durable_partial_t  *p;

    for (q = ngx_queue_last(&l->bodies);
         q != ngx_queue_sentinel(&l->bodies);
         q = ngx_queue_prev(q))
    {
        p = ngx_queue_data(q, ngx_durable_partial_t, queue);

        if (p->id_len == id.len
            && ngx_memcmp(p->id, id.data, id.len) == 0)
        {
            return p;
        }
    }

    return NULL;
}


static void
ngx_durable_body_free(ngx_durable_link_t *l, ngx_durable_partial_t *p)
{
    ngx_queue_remove(&p->queue);

    l->bodies_size -= p->size;

    dur_buf_deinit(&p->header);
    dur_buf_deinit(&p->body);

    ngx_free(p);
}
