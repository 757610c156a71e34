
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * "durable_verify custom": a row of the table of providers that the
 * configuration fills in.
 */


#include "ngx_http_durable.h"


#define NGX_HTTP_DURABLE_CUSTOM_TOLERANCE  300


typedef enum {
    NGX_HTTP_DURABLE_CUSTOM_TEXT = 0,
    NGX_HTTP_DURABLE_CUSTOM_WORD,
    NGX_HTTP_DURABLE_CUSTOM_CHAR
} ngx_http_durable_custom_e;


typedef struct {
    const char                 *name;
    ngx_uint_t                  kind;
    size_t                      offset;
    ngx_conf_enum_t            *words;
} ngx_http_durable_custom_t;


static ngx_int_t ngx_http_durable_custom_word(ngx_conf_t *cf,
    ngx_http_durable_custom_t *o, ngx_str_t *value, ngx_uint_t *number);


static ngx_conf_enum_t  ngx_http_durable_custom_algorithms[] = {
    { ngx_string("hmac-sha256"), DUR_VERIFY_HMAC_SHA256 },
    { ngx_string("hmac-sha1"), DUR_VERIFY_HMAC_SHA1 },
    { ngx_string("sha256"), DUR_VERIFY_SHA256 },
    { ngx_string("ed25519"), DUR_VERIFY_ED25519 },
    { ngx_string("ecdsa-p256"), DUR_VERIFY_ECDSA },
    { ngx_string("token"), DUR_VERIFY_TOKEN },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_durable_custom_encodings[] = {
    { ngx_string("text"), DUR_VERIFY_TEXT },
    { ngx_string("hex"), DUR_VERIFY_HEX },
    { ngx_string("base64"), DUR_VERIFY_BASE64 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_durable_custom_units[] = {
    { ngx_string("s"), DUR_VERIFY_SECONDS },
    { ngx_string("ms"), DUR_VERIFY_MILLISECONDS },
    { ngx_string("rfc3339"), DUR_VERIFY_RFC3339 },
    { ngx_null_string, 0 }
};


static ngx_http_durable_custom_t  ngx_http_durable_custom_options[] = {

    { "algorithm", NGX_HTTP_DURABLE_CUSTOM_WORD,
      offsetof(dur_verify_scheme_t, algorithm),
      ngx_http_durable_custom_algorithms },

    { "signature", NGX_HTTP_DURABLE_CUSTOM_TEXT,
      offsetof(dur_verify_scheme_t, source), NULL },

    { "encoding", NGX_HTTP_DURABLE_CUSTOM_WORD,
      offsetof(dur_verify_scheme_t, encoding),
      ngx_http_durable_custom_encodings },

    { "prefix", NGX_HTTP_DURABLE_CUSTOM_TEXT,
      offsetof(dur_verify_scheme_t, prefix), NULL },

    { "item", NGX_HTTP_DURABLE_CUSTOM_TEXT,
      offsetof(dur_verify_scheme_t, item), NULL },

    { "separator", NGX_HTTP_DURABLE_CUSTOM_CHAR,
      offsetof(dur_verify_scheme_t, separator), NULL },

    { "assign", NGX_HTTP_DURABLE_CUSTOM_CHAR,
      offsetof(dur_verify_scheme_t, assign), NULL },

    { "signs", NGX_HTTP_DURABLE_CUSTOM_TEXT,
      offsetof(dur_verify_scheme_t, signs), NULL },

    { "key", NGX_HTTP_DURABLE_CUSTOM_WORD,
      offsetof(dur_verify_scheme_t, key),
      ngx_http_durable_custom_encodings },

    { "key_prefix", NGX_HTTP_DURABLE_CUSTOM_TEXT,
      offsetof(dur_verify_scheme_t, key_prefix), NULL },

    { "timestamp", NGX_HTTP_DURABLE_CUSTOM_TEXT,
      offsetof(dur_verify_scheme_t, timestamp), NULL },

    { "unit", NGX_HTTP_DURABLE_CUSTOM_WORD,
      offsetof(dur_verify_scheme_t, unit), ngx_http_durable_custom_units },

    { "id", NGX_HTTP_DURABLE_CUSTOM_TEXT,
      offsetof(dur_verify_scheme_t, id), NULL },

    { "dedupe", NGX_HTTP_DURABLE_CUSTOM_TEXT,
      offsetof(dur_verify_scheme_t, dedupe), NULL },

    { NULL, 0, 0, NULL }
};


dur_verify_scheme_t *
ngx_http_durable_custom(ngx_conf_t *cf)
{
    dur_verify_scheme_t  *scheme;

    scheme = ngx_pcalloc(cf->pool, sizeof(dur_verify_scheme_t));
    if (scheme == NULL) {
        return NULL;
    }

    scheme->name = "custom";
    scheme->encoding = DUR_VERIFY_HEX;
    scheme->separator = ',';
    scheme->assign = '=';
    scheme->signs = "%b";
    scheme->tolerance = NGX_HTTP_DURABLE_CUSTOM_TOLERANCE;

    return scheme;
}


/* One "name=value"; what is behind "=" is shown only where it is a word. */

ngx_int_t
ngx_http_durable_custom_option(ngx_conf_t *cf, dur_verify_scheme_t *scheme,
    ngx_str_t *option)
{
    char                       *p;
    size_t                      n;
    ngx_str_t                   name, value;
    ngx_uint_t                  number;
    ngx_http_durable_custom_t  *o;

    n = ngx_strlchr(option->data, option->data + option->len, '=')
        - option->data;

    name.len = n;
    name.data = option->data;
    value.len = option->len - n - 1;
    value.data = option->data + n + 1;

    for (o = ngx_http_durable_custom_options; o->name; o++) {
        if (ngx_strlen(o->name) == n
            && ngx_strncmp(o->name, name.data, n) == 0)
        {
            break;
        }
    }

    p = (char *) scheme + o->offset;

    switch (o->name ? o->kind : NGX_CONF_UNSET_UINT) {

    case NGX_HTTP_DURABLE_CUSTOM_TEXT:
        *(const char **) p = (char *) value.data;
        return NGX_OK;

    case NGX_HTTP_DURABLE_CUSTOM_CHAR:
        if (value.len != 1) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V=\" is one character", &name);
            return NGX_ERROR;
        }

        *p = value.data[0];
        return NGX_OK;

    case NGX_HTTP_DURABLE_CUSTOM_WORD:
        if (ngx_http_durable_custom_word(cf, o, &value, &number) != NGX_OK) {
            return NGX_ERROR;
        }

        /* enumerations are as wide as an int */

        *(int *) p = (int) number;
        return NGX_OK;

    default:
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown option \"%V=\": \"durable_verify custom\" "
                           "knows algorithm, signature, encoding, prefix, "
                           "item, separator, assign, signs, key, key_prefix, "
                           "timestamp, unit, tolerance, id and dedupe",
                           &name);
        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_http_durable_custom_word(ngx_conf_t *cf, ngx_http_durable_custom_t *o,
    ngx_str_t *value, ngx_uint_t *number)
{
    u_char            buf[NGX_HTTP_DURABLE_ERROR_LEN], *p, *last;
    ngx_conf_enum_t  *e;

    p = buf;
    last = buf + sizeof(buf);

    for (e = o->words; e->name.len; e++) {

        if (e->name.len == value->len
            && ngx_strncmp(e->name.data, value->data, value->len) == 0)
        {
            *number = e->value;
            return NGX_OK;
        }

        p = ngx_slprintf(p, last, "%s%V", p == buf ? "" : ", ", &e->name);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%s=%V\": it is one of %*s", o->name, value,
                       (size_t) (p - buf), buf);

    return NGX_ERROR;
}


ngx_int_t
ngx_http_durable_custom_check(ngx_conf_t *cf, dur_verify_scheme_t *scheme)
{
    const char  *wrong;

    wrong = NULL;

    if (scheme->source == NULL) {
        wrong = "needs signature=, the header that has it";

    } else if (scheme->algorithm == DUR_VERIFY_SHA256
               && ngx_strstr(scheme->signs, "%k") == NULL)
    {
        wrong = "needs \"%k\" in signs=: a digest proves nothing without the "
                "secret";

    } else if (ngx_strstr(scheme->signs, "%t") && scheme->timestamp == NULL) {
        wrong = "has \"%t\" in signs=, so it needs timestamp=";

    } else if (ngx_strstr(scheme->signs, "%i") && scheme->id == NULL) {
        wrong = "has \"%i\" in signs=, so it needs id=";

    } else if (scheme->algorithm != DUR_VERIFY_TOKEN
               && scheme->encoding == DUR_VERIFY_TEXT)
    {
        wrong = "needs encoding=hex or base64: signatures are bytes";

    } else if ((scheme->algorithm == DUR_VERIFY_ED25519
                || scheme->algorithm == DUR_VERIFY_ECDSA)
               && scheme->key == DUR_VERIFY_TEXT)
    {
        wrong = "needs key=hex or base64: public keys are bytes";
    }

    if (wrong == NULL) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"durable_verify custom\" %s",
                       wrong);
    return NGX_ERROR;
}
