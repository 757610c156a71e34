
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * What SDKs send on the side and nobody here keeps: spans of their own, and
 * notes about a run (protocol 8.1, 8.4).  They are taken, so that an SDK which
 * sends them works as elsewhere.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_TRACES_MAX    (8 * 1024 * 1024)
#define NGX_HTTP_DURABLE_METADATA_MAX  (64 * 1024)


static ngx_int_t ngx_http_durable_discard(ngx_http_request_t *r, off_t max,
    ngx_str_t *answer);
static ngx_int_t ngx_http_durable_metadata_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx);
static const char *ngx_http_durable_metadata_check(json_t *root,
    ngx_str_t *run);


/* POST /v1/traces/userland, POST /dev/traces */

ngx_int_t
ngx_http_durable_traces_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    ngx_str_t  answer = ngx_string("{}");

    return ngx_http_durable_discard(r, NGX_HTTP_DURABLE_TRACES_MAX, &answer);
}


/*
 * The body is not looked at, so it need not be read before the answer; nginx
 * throws it away while it comes.
 */

static ngx_int_t
ngx_http_durable_discard(ngx_http_request_t *r, off_t max, ngx_str_t *answer)
{
    off_t      length;
    ngx_int_t  rc;

    length = r->headers_in.content_length_n;

    if (length > max) {
        r->expect_tested = 1;
        r->keepalive = 0;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (length > max) {
        return ngx_http_durable_error(r, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                      "the request body is larger than %O "
                                      "bytes", max);
    }

    return ngx_http_durable_send(r, NGX_HTTP_OK, answer);
}


/* POST /v1/runs/{id}/metadata: checked, and not kept (docs/rest.md) */

ngx_int_t
ngx_http_durable_metadata_handler(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    return ngx_http_durable_read_body(r, ctx, NGX_HTTP_DURABLE_METADATA_MAX,
                                      ngx_http_durable_metadata_body);
}


static ngx_int_t
ngx_http_durable_metadata_body(ngx_http_request_t *r,
    ngx_http_durable_ctx_t *ctx)
{
    json_t      *root;
    dur_str_t    body;
    const char  *wrong;

    if (ngx_http_durable_body(r, ctx, &body) != NGX_OK) {
        return ngx_http_durable_error_rc(r, DUR_EIO);
    }

    root = dur_json_parse(body, NULL);
    wrong = ngx_http_durable_metadata_check(root, &ctx->args[0]);
    json_decref(root);

    if (wrong != NULL) {
        return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST, "%s", wrong);
    }

    return ngx_http_durable_by_id(r, ctx, "run", 1, dur_query_exists);
}


/* NULL, or what is wrong with it. */

static const char *
ngx_http_durable_metadata_check(json_t *root, ngx_str_t *run)
{
    size_t      i;
    json_t     *list, *item, *target;
    dur_str_t   id;

    if (!json_is_object(root)) {
        return "the body must be a JSON object";
    }

    target = json_object_get(root, "target");

    if (target != NULL && !json_is_object(target)) {
        return "target must be an object";
    }

    if (dur_json_get_string(target, "run_id", &id) == DUR_OK
        && !dur_str_caseeq(id, dur_str_make(run->data, run->len)))
    {
        return "target.run_id must be the run of the path";
    }

    list = json_object_get(root, "metadata");

    if (!json_is_array(list)) {
        return "metadata must be an array";
    }

    json_array_foreach(list, i, item) {

        if (!json_is_string(json_object_get(item, "kind"))
            || !json_is_string(json_object_get(item, "op")))
        {
            return "each of metadata must have a kind and an op";
        }

        if (!json_is_object(json_object_get(item, "values"))) {
            return "the values of metadata must be an object";
        }
    }

    return NULL;
}
