
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The locations of webhooks when all of the configuration is known: what they
 * have from above, under which connector they are, and the routes that the
 * leader declares to the engine.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_RETRIES  3


static char *ngx_http_durable_route_check(ngx_conf_t *cf,
    ngx_http_durable_loc_conf_t *conf);
static void ngx_http_durable_route_name(ngx_conf_t *cf,
    ngx_http_durable_hook_t *hook);
static ngx_int_t ngx_http_durable_route_declare(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_http_durable_hook_t **hooks,
    ngx_uint_t i);
static ngx_int_t ngx_http_durable_route_upstream(ngx_conf_t *cf,
    ngx_http_durable_hook_t *hook);
static ngx_int_t ngx_http_durable_route_cmp(const void *one,
    const void *two);


void
ngx_http_durable_route_create(ngx_http_durable_hook_t *hook)
{
    hook->methods = NGX_CONF_UNSET_UINT;
    hook->verify = NGX_CONF_UNSET_PTR;
    hook->retries = NGX_CONF_UNSET;
    hook->dedupe = NGX_CONF_UNSET_PTR;
    hook->status = NGX_CONF_UNSET_UINT;
}


char *
ngx_http_durable_route_merge(ngx_conf_t *cf,
    ngx_http_durable_loc_conf_t *prev, ngx_http_durable_loc_conf_t *conf)
{
    ngx_uint_t                 inner;
    ngx_http_durable_hook_t   *hook, *above;
    ngx_http_core_loc_conf_t  *clcf;

    hook = &conf->hook;
    above = &prev->hook;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    inner = clcf->noname && conf->surface == NGX_HTTP_DURABLE_ROUTE;

    if (inner && hook->place.line == 0) {
        hook->connector = above->connector;
        hook->name = above->name;
        hook->also = above->also;
        hook->base = above->base;
        hook->place = above->place;
        hook->methods = above->methods;
    }

    if (inner && hook->forward.data == NULL) {
        hook->forward = above->forward;
        hook->timeout = above->timeout;
        hook->ordered = above->ordered;
        hook->forward_place = above->forward_place;
    }

    if (hook->status == NGX_CONF_UNSET_UINT) {
        hook->sync = above->sync;
        hook->sync_place = above->sync_place;
    }

    ngx_conf_init_uint_value(hook->methods,
                             NGX_HTTP_POST|NGX_HTTP_PUT|NGX_HTTP_PATCH
                             |NGX_HTTP_DELETE);
    ngx_conf_merge_ptr_value(hook->verify, above->verify, NULL);
    ngx_conf_merge_ptr_value(hook->dedupe, above->dedupe, NULL);
    ngx_conf_merge_uint_value(hook->status, above->status, 200);

    if (hook->retries == NGX_CONF_UNSET) {
        hook->retries = above->retries;
    }

    return ngx_http_durable_route_check(cf, conf);
}


static char *
ngx_http_durable_route_check(ngx_conf_t *cf,
    ngx_http_durable_loc_conf_t *conf)
{
    ngx_http_durable_hook_t       *hook, **forward;
    ngx_http_durable_main_conf_t  *dmcf;

    hook = &conf->hook;

    if (conf->surface != NGX_HTTP_DURABLE_ROUTE) {

        if (hook->forward.data == NULL) {
            return NGX_CONF_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"durable_forward\" needs \"durable_route\" in the "
                      "same location, in %V:%ui",
                      &hook->forward_place.file, hook->forward_place.line);
        return NGX_CONF_ERROR;
    }

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    if (hook->retries == NGX_CONF_UNSET) {
        hook->retries = dmcf->durable.dev ? 0 : NGX_HTTP_DURABLE_RETRIES;
    }

    if (hook->connector == NULL && hook->name.len == 0) {
        ngx_http_durable_route_name(cf, hook);
    }

    if (hook->forward.data == NULL) {

        if (hook->status != 0) {
            return NGX_CONF_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"durable_respond sync\" in %V:%ui needs "
                      "\"durable_forward\": it is that answer which is "
                      "waited for, in %V:%ui",
                      &hook->sync_place.file, hook->sync_place.line,
                      &hook->place.file, hook->place.line);
        return NGX_CONF_ERROR;
    }

    if (hook->name.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"durable_forward\" needs a \"durable_route\" that "
                      "names its connector: here it depends on the request, "
                      "in %V:%ui", &hook->place.file, hook->place.line);
        return NGX_CONF_ERROR;
    }

    forward = ngx_array_push(&dmcf->forwards);
    if (forward == NULL) {
        return NGX_CONF_ERROR;
    }

    *forward = hook;

    return NGX_CONF_OK;
}


/*
 * The connector of a location that names none, when its first segment is that
 * of every request; otherwise it stays empty.
 */

static void
ngx_http_durable_route_name(ngx_conf_t *cf, ngx_http_durable_hook_t *hook)
{
    ngx_str_t                  segment;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname || clcf->named) {
        return;
    }

#if (NGX_PCRE)
    if (clcf->regex) {
        return;
    }
#endif

    if (ngx_http_durable_route_segment(&clcf->name, clcf->exact_match,
                                       &segment)
        == NGX_OK)
    {
        hook->name = segment;
    }
}


/*
 * The first segment of a path, "api/" before it dropped.  When the path is not
 * whole the segment must end in it.  NGX_DECLINED: there is none, or it is no
 * name.
 */

ngx_int_t
ngx_http_durable_route_segment(ngx_str_t *path, ngx_uint_t whole,
    ngx_str_t *segment)
{
    u_char  *p, *last, *end;

    p = path->data;
    last = path->data + path->len;

    if (p < last && *p == '/') {
        p++;
    }

    if (last - p > 4 && ngx_strncmp(p, "api/", 4) == 0) {
        p += 4;
    }

    end = ngx_strlchr(p, last, '/');

    if (end == NULL) {

        if (!whole) {
            return NGX_DECLINED;
        }

        end = last;
    }

    segment->len = end - p;
    segment->data = p;

    return dur_webhook_is_connector(dur_str_make(p, end - p)) ? NGX_OK
                                                              : NGX_DECLINED;
}


/* Postconfiguration: the routes that forward, each once. */

ngx_int_t
ngx_http_durable_route_init(ngx_conf_t *cf)
{
    ngx_uint_t                      i;
    ngx_http_durable_hook_t       **hooks;
    ngx_http_durable_main_conf_t   *dmcf;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    hooks = dmcf->forwards.elts;

    ngx_sort(hooks, dmcf->forwards.nelts, sizeof(ngx_http_durable_hook_t *),
             ngx_http_durable_route_cmp);

    for (i = 0; i < dmcf->forwards.nelts; i++) {

        if (ngx_http_durable_route_upstream(cf, hooks[i]) != NGX_OK
            || ngx_http_durable_route_declare(cf, dmcf, hooks, i) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Locations may share a connector when they send it to the same place. */

static ngx_int_t
ngx_http_durable_route_declare(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_http_durable_hook_t **hooks,
    ngx_uint_t i)
{
    ngx_durable_route_t      *route;
    ngx_http_durable_hook_t  *hook, *other;

    hook = hooks[i];

    if (i > 0 && ngx_http_durable_route_cmp(&hooks[i - 1], &hooks[i]) == 0) {

        other = hooks[i - 1];

        if (other->forward.len == hook->forward.len
            && ngx_strncmp(other->forward.data, hook->forward.data,
                           hook->forward.len)
               == 0
            && other->retries == hook->retries
            && other->timeout == hook->timeout
            && other->ordered == hook->ordered)
        {
            return NGX_OK;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the webhooks of \"%V\" are sent on in another way "
                      "in %V:%ui: give one of the two another name with "
                      "\"durable_route\", in %V:%ui", &hook->name,
                      &other->forward_place.file, other->forward_place.line,
                      &hook->forward_place.file, hook->forward_place.line);
        return NGX_ERROR;
    }

    route = ngx_array_push(&dmcf->durable.routes);
    if (route == NULL) {
        return NGX_ERROR;
    }

    route->connector = hook->name;
    route->url = hook->forward;
    route->retries = hook->retries;
    route->timeout = hook->timeout;
    route->ordered = hook->ordered;

    return NGX_OK;
}


/* The sidecar resolves host names, it knows nothing of upstream blocks. */

static ngx_int_t
ngx_http_durable_route_upstream(ngx_conf_t *cf, ngx_http_durable_hook_t *hook)
{
    ngx_http_upstream_srv_conf_t  *uscf;

    uscf = ngx_http_durable_upstream(cf, &hook->forward);

    if (uscf == NULL) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"durable_forward\" cannot use the upstream block "
                  "\"%V\": the sidecar sends, not nginx; name a "
                  "server, or a location of this nginx that has "
                  "\"proxy_pass\", in %V:%ui", &uscf->host,
                  &hook->forward_place.file, hook->forward_place.line);

    return NGX_ERROR;
}


ngx_http_upstream_srv_conf_t *
ngx_http_durable_upstream(ngx_conf_t *cf, ngx_str_t *url)
{
    u_char                          *host, *last, *end;
    ngx_uint_t                       i;
    ngx_http_upstream_srv_conf_t   **uscf;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);

    last = url->data + url->len;
    host = ngx_strlchr(url->data, last, '/') + 2;

    for (end = host; end < last; end++) {
        if (*end == '/' || *end == ':' || *end == '?' || *end == '#') {
            break;
        }
    }

    uscf = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        if ((uscf[i]->flags & NGX_HTTP_UPSTREAM_CREATE)
            && uscf[i]->host.len == (size_t) (end - host)
            && ngx_strncasecmp(uscf[i]->host.data, host, end - host) == 0)
        {
            return uscf[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_durable_route_cmp(const void *one, const void *two)
{
    ngx_http_durable_hook_t *const *a = one;
    ngx_http_durable_hook_t *const *b = two;

    return dur_json_key_cmp(dur_str_make((*a)->name.data, (*a)->name.len),
                            dur_str_make((*b)->name.data, (*b)->name.len));
}
