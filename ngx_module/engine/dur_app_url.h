/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Absolute URLs of apps, cut into their parts.  Only what a registration
 * needs: nothing is decoded, resolved or fetched.
 *
 * Used by dur_app.c, which also offers dur_app_url_normalize() to others.
 */

#ifndef DUR_APP_URL_H
#define DUR_APP_URL_H

#include "engine/dur_base.h"

#define DUR_APP_URL_MAX  2048

/* The parts as they stand in the text; absent ones are empty. */
typedef struct {
    dur_str_t  scheme;
    dur_str_t  user;            /* with its '@' */
    dur_str_t  host;
    dur_str_t  port;            /* digits */
    dur_str_t  path;
    dur_str_t  query;           /* without its '?' */
} dur_app_url_t;

/* False when it is no absolute URL with a host, or too long. */
bool dur_app_url_split(dur_str_t url, dur_app_url_t *u);

/* Any case. */
bool dur_app_url_scheme(const dur_app_url_t *u, const char *scheme);

/* Everything up to the first byte of `set`, which is taken from the front. */
dur_str_t dur_app_until(dur_str_t *s, const char *set);

#endif /* DUR_APP_URL_H */
