
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What a durable endpoint answered in the end, for a client that was sent
 * away (protocol 6.3): the request waits until the run is over, which is asked
 * of the store again and again, first soon and then once in a second.  It
 * waits for nothing when the client leaves or the worker exits.
 */


#include "ngx_http_durable.h"

#include "engine/dur_endpoint_read.h"
#include "engine/dur_run.h"


#define NGX_HTTP_DURABLE_OUTPUT_FIRST  50
#define NGX_HTTP_DURABLE_OUTPUT_LATER  1000
#define NGX_HTTP_DURABLE_OUTPUT_WAIT   300000


typedef struct {
    ngx_event_t                  event;
    ngx_http_request_t          *request;
    dur_ulid_t                   run;
    ngx_msec_t                   interval;
    ngx_msec_t                   end;
} ngx_http_durable_output_t;


static ngx_int_t ngx_http_durable_output_try(ngx_http_durable_output_t *w);
static ngx_int_t ngx_http_durable_output_running(
    ngx_http_durable_output_t *w);
static ngx_int_t ngx_http_durable_output_wait(ngx_http_durable_output_t *w);
static void ngx_http_durable_output_event(ngx_event_t *ev);
static void ngx_http_durable_output_cleanup(void *data);
static ngx_int_t ngx_http_durable_output_send(ngx_http_request_t *r,
    dur_endpoint_output_t *output);
static ngx_int_t ngx_http_durable_output_headers(ngx_http_request_t *r,
    const json_t *headers, ngx_str_t *type);
static ngx_uint_t ngx_http_durable_output_passes(const char *name);
static ngx_int_t ngx_http_durable_output_copy(ngx_http_request_t *r,
    const void *data, size_t len, ngx_str_t *copy);


/* What belongs to the connection, or is this server's to say. */

static const char  *ngx_http_durable_output_hidden[] = {
    "access-control-allow-origin", "connection", "content-encoding",
    "content-length", "date", "keep-alive", "server", "te", "trailer",
    "transfer-encoding", "upgrade", "x-inngest-server-kind", NULL
};


/* GET /v1/http/runs/{run}/output?token= */

ngx_int_t
ngx_http_durable_output_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_str_t                   token;
    ngx_http_durable_output_t  *w;

    w = ngx_pcalloc(r->pool, sizeof(ngx_http_durable_output_t));
    if (w == NULL || ngx_http_durable_arg(r, "token", &token) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_durable_id(r, ctx, &w->run) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    rc = ngx_http_durable_token_check(ctx, &token, &w->run);

    if (rc == NGX_ERROR) {
        return ngx_http_durable_unavailable(r);
    }

    if (rc != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_UNAUTHORIZED,
                                      "Unauthorized: the argument \"token\" "
                                      "does not open the output of this run, "
                                      "or does so no more");
    }

    w->request = r;
    w->interval = NGX_HTTP_DURABLE_OUTPUT_FIRST;
    w->end = ngx_current_msec + NGX_HTTP_DURABLE_OUTPUT_WAIT;

    rc = ngx_http_durable_output_try(w);

    return rc == NGX_AGAIN ? ngx_http_durable_output_wait(w) : rc;
}


/* NGX_AGAIN: not over; otherwise the request was answered. */

static ngx_int_t
ngx_http_durable_output_try(ngx_http_durable_output_t *w)
{
    dur_rc_t                 rc;
    ngx_int_t                sent;
    dur_store_t             *store;
    ngx_http_request_t      *r;
    ngx_http_durable_ctx_t  *ctx;
    dur_endpoint_output_t    output;

    r = w->request;
    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);

    store = ngx_durable_store();

    if (store == NULL) {

        /* a worker that exits has closed it; else it may come back */

        return w->event.handler ? ngx_http_durable_output_running(w)
                                : ngx_http_durable_unavailable(r);
    }

    rc = dur_endpoint_output(store, &w->run, &ctx->conf->scratch.text,
                             &output);

    if (rc == DUR_ENOTFOUND) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is no run %V", &ctx->args[0]);
    }

    if (rc != DUR_OK) {
        return ngx_http_durable_error_rc(r, rc);
    }

    if (output.run == DUR_RUN_LIVE) {
        return ngx_http_durable_output_running(w);
    }

    sent = ngx_http_durable_output_send(r, &output);

    json_decref(output.root);

    return sent;
}


static ngx_int_t
ngx_http_durable_output_running(ngx_http_durable_output_t *w)
{
    ngx_str_t  body;

    if ((ngx_msec_int_t) (w->end - ngx_current_msec) > 0
        && !ngx_exiting && !ngx_terminate)
    {
        return NGX_AGAIN;
    }

    ngx_str_set(&body, "{\"message\":\"the run is not over yet, ask again\","
                       "\"status\":\"running\"}");

    return ngx_http_durable_send(w->request, NGX_HTTP_OK, &body);
}


static ngx_int_t
ngx_http_durable_output_wait(ngx_http_durable_output_t *w)
{
    ngx_http_cleanup_t  *cln;
    ngx_http_request_t  *r;

    r = w->request;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_durable_output_cleanup;
    cln->data = w;

    w->event.handler = ngx_http_durable_output_event;
    w->event.data = w;
    w->event.log = r->connection->log;

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    ngx_add_timer(&w->event, w->interval);

    return NGX_DONE;
}


static void
ngx_http_durable_output_event(ngx_event_t *ev)
{
    ngx_int_t                   rc;
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_durable_output_t  *w;

    w = ev->data;
    r = w->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_durable_output_try(w);

    if (rc == NGX_AGAIN) {
        w->interval = ngx_min(2 * w->interval, NGX_HTTP_DURABLE_OUTPUT_LATER);
        ngx_add_timer(&w->event, w->interval);
        return;
    }

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static void
ngx_http_durable_output_cleanup(void *data)
{
    ngx_http_durable_output_t *w = data;

    if (w->event.timer_set) {
        ngx_del_timer(&w->event);
    }
}


/* -- the answer of the handler -------------------------------------------- */

static ngx_int_t
ngx_http_durable_output_send(ngx_http_request_t *r,
    dur_endpoint_output_t *output)
{
    ngx_str_t  type, body, error;

    if (output->status == 0) {
        error.len = output->error.len;
        error.data = (u_char *) output->error.data;

        return ngx_http_durable_error(r, NGX_HTTP_INTERNAL_SERVER_ERROR,
                                      "the run did not complete: %V", &error);
    }

    ngx_str_set(&type, "application/json");

    if (!output->json) {
        ngx_str_set(&type, "text/plain");
    }

    if (ngx_http_durable_output_headers(r, output->headers, &type) != NGX_OK
        || ngx_http_durable_output_copy(r, output->body.data,
                                        output->body.len, &body)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_send_typed(r, output->status, &type, &body);
}


static ngx_int_t
ngx_http_durable_output_headers(ngx_http_request_t *r, const json_t *headers,
    ngx_str_t *type)
{
    void        *iter;
    size_t       i;
    json_t      *value;
    ngx_str_t    name, text;
    const char  *key;

    for (iter = json_object_iter((json_t *) headers);
         iter;
         iter = json_object_iter_next((json_t *) headers, iter))
    {
        key = json_object_iter_key(iter);
        value = json_object_iter_value(iter);

        if (!json_is_string(value) || !ngx_http_durable_output_passes(key)) {
            continue;
        }

        if (ngx_http_durable_output_copy(r, key, ngx_strlen(key) + 1, &name)
            != NGX_OK
            || ngx_http_durable_output_copy(r, json_string_value(value),
                                            json_string_length(value), &text)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        for (i = 0; i < text.len; i++) {
            if (text.data[i] < 0x20 && text.data[i] != '\t') {
                break;
            }
        }

        if (i < text.len) {
            continue;
        }

        if (ngx_strcasecmp(name.data, (u_char *) "content-type") == 0) {
            *type = text;

        } else if (ngx_http_durable_header(r, (char *) name.data, &text)
                   != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_durable_output_passes(const char *name)
{
    const u_char  *p;
    const char   **hidden;

    for (p = (const u_char *) name; *p; p++) {
        if (*p <= 0x20 || *p >= 0x7f || *p == ':') {
            return 0;
        }
    }

    for (hidden = ngx_http_durable_output_hidden; *hidden; hidden++) {
        if (ngx_strcasecmp((u_char *) name, (u_char *) *hidden) == 0) {
            return 0;
        }
    }

    return *name != '\0';
}


static ngx_int_t
ngx_http_durable_output_copy(ngx_http_request_t *r, const void *data,
    size_t len, ngx_str_t *copy)
{
    copy->len = len;
    copy->data = ngx_pnalloc(r->pool, len + 1);

    if (copy->data == NULL) {
        return NGX_ERROR;
    }

    if (len) {
        ngx_memcpy(copy->data, data, len);
    }

    return NGX_OK;
}
