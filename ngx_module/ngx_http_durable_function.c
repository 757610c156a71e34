
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * "durable_function": the block becomes a definition, the words as they were
 * written (dur_plan.h); what they mean, and what is wrong with them, is
 * decided by the engine, here as when a run is planned.
 *
 * nginx reads blocks in blocks only for directives: those of a workflow are
 * directives of a context of their own.
 */


#include "ngx_http_durable.h"

#include "engine/dur_cron.h"
#include "engine/dur_plan.h"
#include "engine/dur_zone.h"


#define NGX_HTTP_DURABLE_FAILURE  "-failure"


static char *ngx_http_durable_function_parse(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_str_t *name, ngx_str_t *of);
static char *ngx_http_durable_function_define(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_http_durable_function_t *fn);
static ngx_int_t ngx_http_durable_function_add(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_http_durable_function_t *fn);
static char *ngx_http_durable_function_failure(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf);
static void ngx_http_durable_function_open(ngx_conf_t *cf,
    ngx_http_durable_function_t *fn);
static ngx_int_t ngx_http_durable_function_secrets(ngx_conf_t *cf,
    ngx_durable_conf_t *conf, const dur_plan_def_t *def);
static ngx_int_t ngx_http_durable_function_zones(ngx_conf_t *cf,
    const dur_plan_def_t *def);
static ngx_int_t ngx_http_durable_function_targets(ngx_conf_t *cf,
    const dur_plan_def_t *def, ngx_http_durable_place_t *place);


/* durable_function name { ... } */

char *
ngx_http_durable_set_function(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_main_conf_t *dmcf = conf;

    ngx_str_t  *value;

    value = cf->args->elts;

    if (dmcf->function.line == 0) {
        ngx_http_durable_place(cf, &dmcf->function);
    }

    return ngx_http_durable_function_parse(cf, dmcf, &value[1], NULL);
}


/* Reads the block; `of` is the function whose failures start this one. */

static char *
ngx_http_durable_function_parse(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_str_t *name, ngx_str_t *of)
{
    char                         *rv;
    ngx_str_t                     copy;
    ngx_conf_t                    save;
    ngx_http_durable_function_t   fn, *outer;

    copy.len = name->len;
    copy.data = ngx_pstrdup(cf->pool, name);
    if (copy.data == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&fn, sizeof(ngx_http_durable_function_t));
    fn.name = copy;
    ngx_http_durable_place(cf, &fn.place);

    dur_buf_init(&fn.text, DUR_PLAN_TEXT);
    (void) dur_buf_addz(&fn.text, "{\"name\":");
    (void) dur_json_write_string(&fn.text, dur_str_make(copy.data, copy.len));
    (void) dur_buf_addz(&fn.text, ",\"file\":");
    (void) dur_json_write_string(&fn.text, dur_str_make(fn.place.file.data,
                                                        fn.place.file.len));
    (void) dur_buf_addf(&fn.text, ",\"line\":%lu",
                        (unsigned long) fn.place.line);

    if (of) {
        (void) dur_buf_addz(&fn.text, ",\"failure_of\":");
        (void) dur_json_write_string(&fn.text, dur_str_make(of->data,
                                                            of->len));
    }

    (void) dur_buf_addz(&fn.text, ",\"body\":[");

    outer = dmcf->current;
    dmcf->current = &fn;

    save = *cf;
    cf->cmd_type = NGX_HTTP_DURABLE_FUNCTION_CONF;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;
    dmcf->current = outer;

    (void) dur_buf_addz(&fn.text, "]}");

    if (rv == NGX_CONF_OK) {
        rv = ngx_http_durable_function_define(cf, dmcf, &fn);
    }

    dur_buf_deinit(&fn.text);

    return rv;
}


/* The whole of it is there: what is wrong names its own file and line. */

static char *
ngx_http_durable_function_define(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_http_durable_function_t *fn)
{
    dur_rc_t           rc;
    ngx_int_t          done;
    dur_plan_def_t    *def;
    dur_plan_error_t   err;

    if (fn->text.failed) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "durable_function \"%V\" is longer than %d bytes in "
                      "%V:%ui", &fn->name, DUR_PLAN_TEXT, &fn->place.file,
                      fn->place.line);
        return NGX_CONF_ERROR;
    }

    rc = dur_plan_load(dur_buf_str(&fn->text), &def, &err);

    if (rc == DUR_EINVAL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "durable_function \"%V\": %s in %s:%ui", &fn->name,
                      err.text, err.file, (ngx_uint_t) err.line);
        return NGX_CONF_ERROR;
    }

    if (rc != DUR_OK) {
        return NGX_CONF_ERROR;
    }

    done = ngx_http_durable_function_secrets(cf, &dmcf->durable, def) == NGX_OK
           && ngx_http_durable_function_zones(cf, def) == NGX_OK
           && ngx_http_durable_function_targets(cf, def, &fn->place) == NGX_OK
           && ngx_http_durable_function_add(cf, dmcf, fn) == NGX_OK;

    dur_plan_free(def);

    return done ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_durable_function_add(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf, ngx_http_durable_function_t *fn)
{
    ngx_uint_t                   i;
    ngx_durable_workflow_t      *workflow, *other;
    ngx_http_durable_place_t    *place;

    other = dmcf->durable.workflows.elts;
    place = dmcf->function_places.elts;

    for (i = 0; i < dmcf->durable.workflows.nelts; i++) {

        if (other[i].name.len == fn->name.len
            && ngx_strncmp(other[i].name.data, fn->name.data, fn->name.len)
               == 0)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "durable_function \"%V\" is there already, in "
                          "%V:%ui, in %V:%ui", &fn->name, &place[i].file,
                          place[i].line, &fn->place.file, fn->place.line);
            return NGX_ERROR;
        }
    }

    workflow = ngx_array_push(&dmcf->durable.workflows);
    place = ngx_array_push(&dmcf->function_places);

    if (workflow == NULL || place == NULL) {
        return NGX_ERROR;
    }

    workflow->name = fn->name;
    workflow->text.len = fn->text.len;
    workflow->text.data = ngx_pnalloc(cf->pool, fn->text.len);
    if (workflow->text.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(workflow->text.data, fn->text.data, fn->text.len);
    *place = fn->place;

    return NGX_OK;
}


/* The opening of a directive: its words and where it stands. */

static void
ngx_http_durable_function_open(ngx_conf_t *cf, ngx_http_durable_function_t *fn)
{
    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_durable_place_t   place;

    if (fn->text.len && fn->text.data[fn->text.len - 1] != '[') {
        (void) dur_buf_addc(&fn->text, ',');
    }

    value = cf->args->elts;
    (void) dur_buf_addz(&fn->text, "{\"w\":[");

    for (i = 0; i < cf->args->nelts; i++) {
        if (i) {
            (void) dur_buf_addc(&fn->text, ',');
        }

        (void) dur_json_write_string(&fn->text,
                                     dur_str_make(value[i].data,
                                                  value[i].len));
    }

    ngx_http_durable_place(cf, &place);

    (void) dur_buf_addf(&fn->text, "],\"l\":%lu", (unsigned long) place.line);

    if (place.file.len != fn->place.file.len
        || ngx_strncmp(place.file.data, fn->place.file.data, place.file.len)
           != 0)
    {
        (void) dur_buf_addz(&fn->text, ",\"f\":");
        (void) dur_json_write_string(&fn->text,
                                     dur_str_make(place.file.data,
                                                  place.file.len));
    }
}


/* A directive of a workflow. */

char *
ngx_http_durable_set_word(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_main_conf_t *dmcf = conf;

    ngx_http_durable_function_open(cf, dmcf->current);
    (void) dur_buf_addc(&dmcf->current->text, '}');

    return NGX_CONF_OK;
}


/* One with a block. */

char *
ngx_http_durable_set_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_durable_main_conf_t *dmcf = conf;

    char        *rv;
    ngx_str_t   *value;
    ngx_conf_t   save;

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "on_failure") == 0) {
        return ngx_http_durable_function_failure(cf, dmcf);
    }

    ngx_http_durable_function_open(cf, dmcf->current);
    (void) dur_buf_addz(&dmcf->current->text, ",\"b\":[");

    dmcf->current->depth++;
    save = *cf;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;
    dmcf->current->depth--;
    (void) dur_buf_addz(&dmcf->current->text, "]}");

    return rv;
}


/* on_failure { ... }: a function of its own, that the failure starts. */

static char *
ngx_http_durable_function_failure(ngx_conf_t *cf,
    ngx_http_durable_main_conf_t *dmcf)
{
    u_char                       *p;
    ngx_str_t                     name;
    ngx_http_durable_function_t  *fn;

    fn = dmcf->current;

    if (fn->depth || fn->failure) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, fn->failure
                           ? "\"on_failure\" is there twice"
                           : "\"on_failure\" stands in \"durable_function\" "
                             "only");
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts != 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"on_failure\" has no words");
        return NGX_CONF_ERROR;
    }

    fn->failure = 1;

    p = ngx_pnalloc(cf->pool, fn->name.len
                              + sizeof(NGX_HTTP_DURABLE_FAILURE));
    if (p == NULL) {
        return NGX_CONF_ERROR;
    }

    name.data = p;
    name.len = ngx_sprintf(p, "%V" NGX_HTTP_DURABLE_FAILURE "%Z", &fn->name)
               - p - 1;

    return ngx_http_durable_function_parse(cf, dmcf, &name, &fn->name);
}


/* What headers refer to is read now; the definition has its name alone. */

static ngx_int_t
ngx_http_durable_function_secrets(ngx_conf_t *cf, ngx_durable_conf_t *conf,
    const dur_plan_def_t *def)
{
    ngx_str_t              name;
    ngx_uint_t             i;
    ngx_durable_secret_t  *secret;

    for (i = 0; i < def->nsecrets; i++) {

        secret = ngx_array_push(&conf->secrets);
        if (secret == NULL) {
            return NGX_ERROR;
        }

        name.len = def->secrets[i].len;
        name.data = ngx_pnalloc(cf->pool, name.len + 1);
        if (name.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(name.data, def->secrets[i].data, name.len);
        name.data[name.len] = '\0';

        secret->name = name;

        if (ngx_http_durable_secret(cf, &name, &secret->value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* A schedule of a zone that is not there would never start anything. */

static ngx_int_t
ngx_http_durable_function_zones(ngx_conf_t *cf, const dur_plan_def_t *def)
{
    char                       err[160];
    dur_rc_t                   rc;
    dur_buf_t                  bytes;
    dur_cron_t                 cron;
    ngx_uint_t                 i;
    const dur_app_function_t  *fn;

    fn = &def->app.functions[0];

    for (i = 0; i < fn->ntriggers; i++) {

        if (fn->triggers[i].cron.len == 0
            || dur_cron_parse(fn->triggers[i].cron, &cron, err) != DUR_OK
            || cron.zone.len == 0
            || dur_zone_is_utc(cron.zone))
        {
            continue;
        }

        dur_buf_init(&bytes, 1024 * 1024);
        rc = ngx_durable_zone_read(NULL, cron.zone, &bytes);
        dur_buf_deinit(&bytes);

        if (rc != DUR_OK) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "durable_function \"%*s\": the time zone \"%*s\" is "
                          "not known on this machine (Debian: tzdata) in "
                          "%*s:%ui", def->name.len, def->name.data,
                          cron.zone.len, cron.zone.data, def->file.len,
                          def->file.data, (ngx_uint_t) def->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_durable_function_targets(ngx_conf_t *cf, const dur_plan_def_t *def,
    ngx_http_durable_place_t *place)
{
    ngx_uint_t                     i;
    const dur_plan_node_t         *node;
    ngx_http_durable_target_t     *target;
    ngx_http_durable_main_conf_t  *dmcf;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    for (i = 0; i < def->nnodes; i++) {
        node = def->nodes[i];

        if (node->kind != DUR_PLAN_STEP || node->exec) {
            continue;
        }

        target = ngx_array_push(&dmcf->targets);
        if (target == NULL) {
            return NGX_ERROR;
        }

        target->url.len = node->target.len;
        target->url.data = ngx_pnalloc(cf->pool, node->target.len);
        if (target->url.data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(target->url.data, node->target.data, node->target.len);

        target->place = *place;
        target->place.line = node->line;
    }

    return NGX_OK;
}


/* Postconfiguration: upstream blocks are known. */

ngx_int_t
ngx_http_durable_function_init(ngx_conf_t *cf)
{
    ngx_uint_t                      i;
    ngx_http_durable_target_t      *target;
    ngx_http_durable_main_conf_t   *dmcf;
    ngx_http_upstream_srv_conf_t   *uscf;

    dmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_durable_module);

    target = dmcf->targets.elts;

    for (i = 0; i < dmcf->targets.nelts; i++) {

        uscf = ngx_http_durable_upstream(cf, &target[i].url);

        if (uscf) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"step\" cannot use the upstream block \"%V\": the "
                          "sidecar sends, not nginx; name a server, or a "
                          "location of this nginx that has \"proxy_pass\", in "
                          "%V:%ui", &uscf->host, &target[i].place.file,
                          target[i].place.line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
