
/*
 * Copyright (C) the nginx-durable authors
 */


/* What log_format and add_header can say of a webhook. */


#include "ngx_http_durable.h"


static ngx_int_t ngx_http_durable_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_http_durable_variables[] = {

    { ngx_string("durable_event_id"), NULL, ngx_http_durable_variable,
      offsetof(ngx_http_durable_delivery_t, event),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("durable_run_id"), NULL, ngx_http_durable_variable,
      offsetof(ngx_http_durable_delivery_t, runs),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("durable_status"), NULL, ngx_http_durable_variable,
      offsetof(ngx_http_durable_delivery_t, outcome),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_durable_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *v, *var;

    for (v = ngx_http_durable_variables; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t               *value;
    ngx_http_durable_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_durable_module);

    value = (ctx && ctx->delivery)
            ? (ngx_str_t *) ((char *) ctx->delivery + data) : NULL;

    if (value == NULL || value->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->valid = 1;
    v->no_cacheable = 1;
    v->not_found = 0;
    v->len = value->len;
    v->data = value->data;

    return NGX_OK;
}
