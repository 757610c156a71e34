
/*
 * Copyright (C) the nginx-durable authors
 */


/* What people may not read, and must not send back in place of it. */


#include "ngx_http_durable.h"


/* durable_redact path ... */

char *
ngx_http_durable_set_redact(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_main_conf_t *dmcf = conf;

    char           err[160];
    ngx_str_t     *value;
    ngx_uint_t     i;
    dur_redact_t  *redact;

    redact = dmcf->durable.redact;

    if (redact == NULL) {
        redact = ngx_pcalloc(cf->pool, sizeof(dur_redact_t));
        if (redact == NULL) {
            return NGX_CONF_ERROR;
        }

        dmcf->durable.redact = redact;
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (dur_redact_add(redact, dur_str_make(value[i].data, value[i].len),
                           err)
            != DUR_OK)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"durable_redact\": %s", err);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* Whether somebody sends back what is shown for something hidden. */

ngx_uint_t
ngx_http_durable_redacted(ngx_http_durable_ctx_t *ctx, dur_redact_what_t what,
    dur_str_t json)
{
    const dur_redact_t  *redact;

    redact = ctx->conf->durable.redact;

    return redact != NULL && dur_redact_holds(redact, what, json);
}


ngx_int_t
ngx_http_durable_redacted_error(ngx_http_request_t *r)
{
    return ngx_http_durable_error(r, NGX_HTTP_BAD_REQUEST,
                                  "\"" DUR_REDACT_TEXT "\" stands where "
                                  "durable_redact hides a value: write the "
                                  "value that is meant");
}
