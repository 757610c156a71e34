/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The configuration as bytes: { u8 tag, u8 8, u64 value } in ascending order
 * of tags, every field each time, so equal settings are equal bytes.  The apps
 * follow as { u8 tag, u8 24, hash, u32 max_calls }, by hash.  A tag that is
 * not known here was written by a newer engine and is passed over.
 */

#include "engine/dur_config.h"
#include "engine/dur_sign.h"


#define DUR_CONFIG_FIELD      10

#define DUR_CONFIG_APP        64        /* tag of the first app */
#define DUR_CONFIG_APP_LEN    (DUR_HASH_LEN + 4)
#define DUR_CONFIG_APP_FIELD  (2 + DUR_CONFIG_APP_LEN)


typedef enum {
    DUR_CONFIG_DEV = 1,
    DUR_CONFIG_RETRY_INTERVAL,
    DUR_CONFIG_RETENTION,
    DUR_CONFIG_MAX_STEPS,
    DUR_CONFIG_MAX_CALLS,
    DUR_CONFIG_MAX_OUTPUT,
    DUR_CONFIG_MAX_STATE,
    DUR_CONFIG_CALL_TIMEOUT,
    DUR_CONFIG_MAX_CONCURRENCY,
    DUR_CONFIG_LAST
} dur_config_tag_t;


void
dur_config_init(dur_config_t *conf)
{
    memset(conf, 0, sizeof(*conf));

    conf->dev = false;
    conf->retry_interval = -1;
    conf->retention = 30 * 86400 * (int64_t) 1000;
    conf->max_steps = 1000;
    conf->max_calls = 128;
    conf->max_concurrency = 1000;
    conf->max_output = 4 * 1024 * 1024;
    conf->max_state = 32 * 1024 * 1024;
    conf->call_timeout = 2 * 3600 * (int64_t) 1000;
}


static uint64_t
dur_config_get(const dur_config_t *conf, unsigned tag)
{
    switch (tag) {
    case DUR_CONFIG_DEV:
        return conf->dev;
    case DUR_CONFIG_RETRY_INTERVAL:
        return (uint64_t) conf->retry_interval;
    case DUR_CONFIG_RETENTION:
        return (uint64_t) conf->retention;
    case DUR_CONFIG_MAX_STEPS:
        return conf->max_steps;
    case DUR_CONFIG_MAX_CALLS:
        return conf->max_calls;
    case DUR_CONFIG_MAX_OUTPUT:
        return conf->max_output;
    case DUR_CONFIG_MAX_STATE:
        return conf->max_state;
    case DUR_CONFIG_CALL_TIMEOUT:
        return (uint64_t) conf->call_timeout;
    case DUR_CONFIG_MAX_CONCURRENCY:
        return conf->max_concurrency;
    }

    return 0;
}


/* False when the value does not fit its field. */

static bool
dur_config_set(dur_config_t *conf, unsigned tag, uint64_t v)
{
    switch (tag) {
    case DUR_CONFIG_DEV:
        conf->dev = (v != 0);
        return v <= 1;
    case DUR_CONFIG_RETRY_INTERVAL:
        conf->retry_interval = (int64_t) v;
        return conf->retry_interval >= -1;
    case DUR_CONFIG_RETENTION:
        conf->retention = (int64_t) v;
        return conf->retention >= 0;
    case DUR_CONFIG_MAX_STEPS:
        conf->max_steps = (uint32_t) v;
        return v <= UINT32_MAX;
    case DUR_CONFIG_MAX_CALLS:
        conf->max_calls = (uint32_t) v;
        return v <= UINT32_MAX;
    case DUR_CONFIG_MAX_OUTPUT:
        conf->max_output = v;
        return true;
    case DUR_CONFIG_MAX_STATE:
        conf->max_state = v;
        return true;
    case DUR_CONFIG_CALL_TIMEOUT:
        conf->call_timeout = (int64_t) v;
        return conf->call_timeout >= 0;
    case DUR_CONFIG_MAX_CONCURRENCY:
        conf->max_concurrency = (uint32_t) v;
        return v > 0 && v <= UINT32_MAX;
    }

    return true;
}


/* -- apps ----------------------------------------------------------------- */

/* Where the app is, or where it would be. */
static uint32_t
dur_config_app_find(const dur_config_t *conf, const dur_hash_t *url,
    bool *found)
{
    int       rc;
    uint32_t  left, right, i;

    left = 0;
    right = conf->napps;
    *found = false;

    while (left < right) {
        i = (left + right) / 2;
        rc = memcmp(conf->apps[i].url.b, url->b, DUR_HASH_LEN);

        if (rc == 0) {
            *found = true;
            return i;
        }

        if (rc < 0) {
            left = i + 1;
        } else {
            right = i;
        }
    }

    return left;
}


dur_rc_t
dur_config_app_add(dur_config_t *conf, dur_str_t url, uint32_t max_calls)
{
    bool        found;
    uint32_t    i;
    dur_hash_t  hash;

    dur_sha1(url, hash.b);

    i = dur_config_app_find(conf, &hash, &found);

    if (!found) {

        if (conf->napps == DUR_CONFIG_APPS) {
            return DUR_EFULL;
        }

        memmove(&conf->apps[i + 1], &conf->apps[i],
                (conf->napps - i) * sizeof(conf->apps[0]));
        conf->apps[i].url = hash;
        conf->napps++;
    }

    conf->apps[i].max_calls = max_calls;

    return DUR_OK;
}


uint32_t
dur_config_app_calls(const dur_config_t *conf, dur_str_t url)
{
    bool        found;
    uint32_t    i;
    dur_hash_t  hash;

    if (conf->napps == 0) {
        return conf->max_calls;
    }

    dur_sha1(url, hash.b);

    i = dur_config_app_find(conf, &hash, &found);

    return found ? conf->apps[i].max_calls : conf->max_calls;
}


static void
dur_config_app_encode(const dur_config_app_t *app, unsigned tag,
    dur_buf_t *out)
{
    uint8_t  field[DUR_CONFIG_APP_FIELD];

    field[0] = (uint8_t) tag;
    field[1] = DUR_CONFIG_APP_LEN;
    memcpy(field + 2, app->url.b, DUR_HASH_LEN);
    dur_put32(field + 2 + DUR_HASH_LEN, app->max_calls);

    dur_buf_add(out, field, sizeof(field));
}


/* One after the other, by hash. */
static bool
dur_config_app_decode(dur_config_t *conf, const uint8_t *p, size_t n)
{
    dur_config_app_t  *app;

    if (n != DUR_CONFIG_APP_LEN) {
        return false;
    }

    app = &conf->apps[conf->napps];

    memcpy(app->url.b, p, DUR_HASH_LEN);
    app->max_calls = dur_get32(p + DUR_HASH_LEN);

    if (conf->napps > 0
        && memcmp(app[-1].url.b, app->url.b, DUR_HASH_LEN) >= 0)
    {
        return false;
    }

    conf->napps++;

    return true;
}


/* -- all of it ------------------------------------------------------------ */

dur_rc_t
dur_config_encode(const dur_config_t *conf, dur_buf_t *out)
{
    uint8_t   field[DUR_CONFIG_FIELD];
    dur_rc_t  rc;

    rc = dur_buf_reserve(out, DUR_CONFIG_FIELD * (DUR_CONFIG_LAST - 1)
                              + DUR_CONFIG_APP_FIELD * conf->napps);
    if (rc != DUR_OK) {
        return rc;
    }

    for (unsigned tag = 1; tag < DUR_CONFIG_LAST; tag++) {
        field[0] = (uint8_t) tag;
        field[1] = 8;
        dur_put64(field + 2, dur_config_get(conf, tag));

        dur_buf_add(out, field, sizeof(field));
    }

    for (unsigned i = 0; i < conf->napps; i++) {
        dur_config_app_encode(&conf->apps[i], DUR_CONFIG_APP + i, out);
    }

    return DUR_OK;
}


dur_rc_t
dur_config_decode(dur_str_t in, dur_config_t *conf)
{
    size_t          n;
    unsigned        seen;
    const uint8_t  *p, *last;

    dur_config_init(conf);

    p = in.data;
    last = in.data + in.len;
    seen = 0;

    while (p < last) {

        if (last - p < 2) {
            return DUR_EINVAL;
        }

        n = p[1];

        if (p[0] <= seen || n > (size_t) (last - p) - 2) {
            return DUR_EINVAL;
        }

        seen = p[0];

        if (seen < DUR_CONFIG_LAST) {
            if (n != 8 || !dur_config_set(conf, seen, dur_get64(p + 2))) {
                return DUR_EINVAL;
            }

        } else if (seen >= DUR_CONFIG_APP
                   && seen < DUR_CONFIG_APP + DUR_CONFIG_APPS)
        {
            if (!dur_config_app_decode(conf, p + 2, n)) {
                return DUR_EINVAL;
            }
        }

        p += 2 + n;
    }

    return DUR_OK;
}
