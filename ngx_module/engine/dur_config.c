/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The configuration as bytes: { u8 tag, u8 8, u64 value } in ascending order
 * of tags, every field each time, so equal settings are equal bytes.  A tag
 * that is not known here was written by a newer engine and is passed over.
 */

#include "engine/dur_config.h"


#define DUR_CONFIG_FIELD  10


typedef enum {
    DUR_CONFIG_DEV = 1,
    DUR_CONFIG_RETRY_INTERVAL,
    DUR_CONFIG_RETENTION,
    DUR_CONFIG_MAX_STEPS,
    DUR_CONFIG_MAX_CALLS,
    DUR_CONFIG_MAX_OUTPUT,
    DUR_CONFIG_MAX_STATE,
    DUR_CONFIG_CALL_TIMEOUT,
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
    }

    return true;
}


dur_rc_t
dur_config_encode(const dur_config_t *conf, dur_buf_t *out)
{
    uint8_t   field[DUR_CONFIG_FIELD];
    dur_rc_t  rc;

    rc = dur_buf_reserve(out, DUR_CONFIG_FIELD * (DUR_CONFIG_LAST - 1));
    if (rc != DUR_OK) {
        return rc;
    }

    for (unsigned tag = 1; tag < DUR_CONFIG_LAST; tag++) {
        field[0] = (uint8_t) tag;
        field[1] = 8;
        dur_put64(field + 2, dur_config_get(conf, tag));

        dur_buf_add(out, field, sizeof(field));
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
        }

        p += 2 + n;
    }

    return DUR_OK;
}
