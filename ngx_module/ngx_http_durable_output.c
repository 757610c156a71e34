
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What a durable endpoint answered in the end, for a client that was sent
 * away (protocol 6.3): the request waits until the run is over.
 */


#include "ngx_http_durable.h"

#include "engine/dur_endpoint_read.h"
#include "engine/dur_run.h"


#define NGX_HTTP_DURABLE_OUTPUT_WAIT   300000


static ngx_int_t ngx_http_durable_output_try(ngx_http_request_t *r,
    void *data, ngx_uint_t last);
static ngx_int_t ngx_http_durable_output_running(ngx_http_request_t *r,
    ngx_uint_t last);
static ngx_int_t ngx_http_durable_output_send(ngx_http_request_t *r,
    dur_endpoint_output_t *output);


/* GET /v1/http/runs/{run}/output?token= */

ngx_int_t
ngx_http_durable_output_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_int_t    rc;
    ngx_str_t    token;
    dur_ulid_t  *run;

    run = ngx_palloc(r->pool, sizeof(dur_ulid_t));
    if (run == NULL || ngx_http_durable_arg(r, "token", &token) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_durable_id(r, ctx, run) != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                      "\"%V\" is not a ULID", &ctx->args[0]);
    }

    rc = ngx_http_durable_token_check(ctx, &token, run);

    if (rc == NGX_ERROR) {
        return ngx_http_durable_unavailable(r);
    }

    if (rc != NGX_OK) {
        return ngx_http_durable_error(r, NGX_HTTP_UNAUTHORIZED,
                                      "Unauthorized: the argument \"token\" "
                                      "does not open the output of this run, "
                                      "or does so no more");
    }

    if (ngx_durable_store() == NULL) {
        return ngx_http_durable_unavailable(r);
    }

    rc = ngx_http_durable_output_try(r, run, ngx_exiting || ngx_terminate);

    return rc == NGX_AGAIN
           ? ngx_http_durable_wait(r, NGX_HTTP_DURABLE_OUTPUT_WAIT,
                                   ngx_http_durable_output_try, run)
           : rc;
}


/* NGX_AGAIN: not over; otherwise the request was answered. */

static ngx_int_t
ngx_http_durable_output_try(ngx_http_request_t *r, void *data,
    ngx_uint_t last)
{
    dur_ulid_t *run = data;

    dur_rc_t                 rc;
    ngx_int_t                sent;
    dur_store_t             *store;
    ngx_http_durable_ctx_t  *ctx;
    dur_endpoint_output_t    output;

    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);

    store = ngx_durable_store();

    if (store == NULL) {

        /* a worker that exits has closed it; else it may come back */

        return ngx_http_durable_output_running(r, last);
    }

    rc = dur_endpoint_output(store, run, &ctx->conf->scratch.text, &output);

    if (rc == DUR_ENOTFOUND) {
        return ngx_http_durable_error(r, NGX_HTTP_NOT_FOUND,
                                      "there is no run %V", &ctx->args[0]);
    }

    if (rc != DUR_OK) {
        return ngx_http_durable_error_rc(r, rc);
    }

    if (output.run == DUR_RUN_LIVE) {
        return ngx_http_durable_output_running(r, last);
    }

    sent = ngx_http_durable_output_send(r, &output);

    json_decref(output.root);

    return sent;
}


static ngx_int_t
ngx_http_durable_output_running(ngx_http_request_t *r, ngx_uint_t last)
{
    ngx_str_t  body;

    if (!last) {
        return NGX_AGAIN;
    }

    ngx_str_set(&body, "{\"message\":\"the run is not over yet, ask again\","
                       "\"status\":\"running\"}");

    return ngx_http_durable_send(r, NGX_HTTP_OK, &body);
}


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

    if (ngx_http_durable_relay_headers(r, output->headers, &type) != NGX_OK
        || ngx_http_durable_relay_copy(r, output->body, &body) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_durable_send_typed(r, output->status, &type, &body);
}
