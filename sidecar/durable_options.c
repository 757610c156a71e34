/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Types and checks of the options.  See durable_options.h.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "durable_options.h"


#define DURABLE_KEY_MAX          1024
#define DURABLE_INTERVAL_MAX     (24 * 3600)    /* seconds */
#define DURABLE_STORE_PERSIST    ".durable"


static const char *
durable_option_text(const durable_flags_t *f, durable_flag_t row)
{
    const durable_value_t  *v = &f->value[row];

    return v->n > 0 && *v->item[0] != '\0' ? v->item[0] : NULL;
}


static bool
durable_option_bool(const durable_flags_t *f, durable_flag_t row)
{
    const char  *text = durable_option_text(f, row);

    return text != NULL && durable_flags_bool(text) == 1;
}


static bool
durable_option_number(durable_flags_t *f, durable_flag_t row, unsigned min,
    unsigned max, unsigned *number)
{
    char           *end;
    const char     *text;
    unsigned long   n;

    text = durable_option_text(f, row);
    if (text == NULL) {
        return true;
    }

    errno = 0;
    n = strtoul(text, &end, 10);

    if (!isdigit((unsigned char) *text) || *end != '\0' || errno != 0
        || n < min || n > max)
    {
        return durable_flags_fail(f, "%s is \"%.80s\": it must be a number "
                                  "from %u to %u.", f->value[row].where, text,
                                  min, max);
    }

    *number = (unsigned) n;

    return true;
}


/* Seconds, also with a fraction or an "s" behind, to milliseconds. */
static bool
durable_option_seconds(durable_flags_t *f, durable_flag_t row, int64_t *ms)
{
    char        *end;
    double       d;
    const char  *text;

    text = durable_option_text(f, row);
    if (text == NULL) {
        return true;
    }

    d = strtod(text, &end);

    if (!isdigit((unsigned char) *text)
        || (*end != '\0' && strcmp(end, "s") != 0)
        || !(d >= 0 && d <= DURABLE_INTERVAL_MAX))
    {
        return durable_flags_fail(f, "%s is \"%.80s\": it must be a number "
                                  "of seconds, at most %d.",
                                  f->value[row].where, text,
                                  DURABLE_INTERVAL_MAX);
    }

    *ms = (int64_t) (d * 1000 + 0.5);

    return true;
}


/* Completes a URL in place of the text: the scheme defaults to http. */
static bool
durable_option_url(durable_flags_t *f, const char *where, char **url)
{
    char        *full;
    const char  *p, *host;

    host = strstr(*url, "://");

    if (host == NULL) {
        full = malloc(strlen(*url) + sizeof("http://"));
        if (full == NULL) {
            return durable_flags_fail(f, "There is not enough memory.");
        }

        sprintf(full, "http://%s", *url);
        free(*url);
        *url = full;
        host = full + strlen("http");

    } else if (strncasecmp(*url, "http://", 7) != 0
               && strncasecmp(*url, "https://", 8) != 0)
    {
        return durable_flags_fail(f, "%s is \"%.200s\": an app is called with "
                                  "http or https.", where, *url);
    }

    host += strlen("://");

    if (*host == '\0' || *host == '/' || *host == ':' || *host == '?') {
        return durable_flags_fail(f, "%s is \"%.200s\": the URL of an app "
                                  "looks like http://127.0.0.1:3000"
                                  "/api/inngest.", where, *url);
    }

    for (p = *url; *p != '\0'; p++) {
        if ((unsigned char) *p <= ' ' || *p == 0x7f
            || strchr("\"'\\;{}$#", *p) != NULL)
        {
            return durable_flags_fail(f, "%s is \"%.200s\": a URL holds no "
                                      "spaces, quotes, braces or fragments.",
                                      where, *url);
        }
    }

    return true;
}


/*
 * The text behind env:NAME or file:PATH, to be checked early; nginx reads it
 * again by itself.  The texts of files end before their last newline.
 */
static bool
durable_option_key_text(durable_flags_t *f, const char *where,
    const char *value, char *text, size_t size)
{
    FILE        *file;
    size_t       n;
    const char  *p;

    if (strncmp(value, "env:", 4) == 0) {
        p = getenv(value + 4);

        if (p == NULL || *p == '\0') {
            return durable_flags_fail(f, "%s is %s, but there is no such "
                                      "variable in the environment.", where,
                                      value);
        }

        snprintf(text, size, "%s", p);

        return true;
    }

    if (strncmp(value, "file:", 5) != 0) {
        snprintf(text, size, "%s", value);
        return true;
    }

    file = fopen(value + 5, "re");
    if (file == NULL) {
        return durable_flags_fail(f, "%s is %s, which cannot be read: %s.",
                                  where, value, strerror(errno));
    }

    n = fread(text, 1, size - 1, file);
    fclose(file);

    while (n > 0 && isspace((unsigned char) text[n - 1])) {
        n--;
    }

    text[n] = '\0';

    return true;
}


/* signkey-<name>- may stand in front (protocol 7.1). */
static const char *
durable_option_key_bare(const char *key)
{
    const char  *p;

    if (strncmp(key, "signkey-", 8) != 0) {
        return key;
    }

    for (p = key + 8; isalnum((unsigned char) *p) || *p == '_'; p++) {
        /* void */
    }

    return *p == '-' && p > key + 8 ? p + 1 : key;
}


static bool
durable_option_signing_key(durable_flags_t *f, durable_flag_t row, char **key)
{
    bool              ok;
    char              text[DURABLE_KEY_MAX + 2];
    size_t            len;
    const char       *bare;
    durable_value_t  *v = &f->value[row];

    if (durable_option_text(f, row) == NULL) {
        return true;
    }

    if (!durable_option_key_text(f, v->where, v->item[0], text, sizeof(text)))
    {
        return false;
    }

    bare = durable_option_key_bare(text);
    len = strlen(bare);

    ok = len > 0 && len % 2 == 0 && len <= DURABLE_KEY_MAX
         && strspn(bare, "0123456789abcdefABCDEF") == len;

    explicit_bzero(text, sizeof(text));

    if (!ok) {
        return durable_flags_fail(f, "The signing key (%s) must be "
                                  "hexadecimal, two digits for each byte: "
                                  "make one with `openssl rand -hex 32`.",
                                  v->where);
    }

    *key = v->item[0];

    return true;
}


static bool
durable_option_event_keys(durable_flags_t *f)
{
    char              text[DURABLE_KEY_MAX + 2];
    size_t            i;
    const char       *p;
    durable_value_t  *v = &f->value[DURABLE_EVENT_KEY];

    for (i = 0; i < v->n; i++) {
        if (!durable_option_key_text(f, v->where, v->item[i], text,
                                     sizeof(text)))
        {
            return false;
        }

        if (*text == '\0' || strlen(text) > DURABLE_KEY_MAX) {
            return durable_flags_fail(f, "An event key (%s) is empty or "
                                      "longer than %d characters.", v->where,
                                      DURABLE_KEY_MAX);
        }

        for (p = text; *p != '\0'; p++) {
            if ((unsigned char) *p <= ' ' || (unsigned char) *p >= 0x7f
                || strchr("/?#%\"\\", *p))
            {
                return durable_flags_fail(f, "An event key (%s) stands in a "
                                          "URL: letters, digits, \"-\" and "
                                          "\"_\" are safe, this one holds "
                                          "something else.", v->where);
            }
        }
    }

    explicit_bzero(text, sizeof(text));

    return true;
}


static bool
durable_options_keys(durable_flags_t *f, durable_settings_t *o)
{
    size_t  i;

    static const durable_flag_t  keys[] = { DURABLE_EVENT_KEY,
                                            DURABLE_SIGNING_KEY,
                                            DURABLE_SIGNING_KEY_FALLBACK };

    if (f->command == DURABLE_CMD_DEV) {

        /* Variables are shared with the apps, so they are passed over. */
        for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
            if (f->value[keys[i]].source == DURABLE_FROM_FLAG) {
                fprintf(stderr, "durable: %s has no meaning in dev mode: "
                        "keys are neither asked for nor used.\n",
                        f->value[keys[i]].where);
            }
        }

        return true;
    }

    if (f->value[DURABLE_SIGNING_KEY].n == 0) {
        return durable_flags_fail(f, "`durable start` needs --signing-key (or "
                                  "INNGEST_SIGNING_KEY), the same that the "
                                  "apps have: make one with `openssl rand "
                                  "-hex 32`.");
    }

    if (f->value[DURABLE_EVENT_KEY].n == 0) {
        return durable_flags_fail(f, "`durable start` needs at least one "
                                  "--event-key (or INNGEST_EVENT_KEY), the "
                                  "text that senders of events show.");
    }

    if (!durable_option_signing_key(f, DURABLE_SIGNING_KEY, &o->signing_key)
        || !durable_option_signing_key(f, DURABLE_SIGNING_KEY_FALLBACK,
                                       &o->signing_key_fallback)
        || !durable_option_event_keys(f))
    {
        return false;
    }

    o->event_keys = f->value[DURABLE_EVENT_KEY].item;
    o->nevent_keys = f->value[DURABLE_EVENT_KEY].n;

    return true;
}


static bool
durable_options_host(durable_flags_t *f, durable_settings_t *o)
{
    size_t       len;
    const char  *text;

    text = durable_option_text(f, DURABLE_HOST);

    if (text == NULL) {
        text = "127.0.0.1";

    } else if (strcmp(text, "*") == 0 || strcmp(text, "any") == 0) {
        text = "0.0.0.0";
    }

    len = strlen(text);

    if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    }

    if (strspn(text, "0123456789abcdefghijklmnopqrstuvwxyz"
                     "ABCDEFGHIJKLMNOPQRSTUVWXYZ.:-_%") < len
        || len >= DURABLE_HOST_LEN - 2)
    {
        return durable_flags_fail(f, "%s is \"%.80s\": it must be an address "
                                  "or name of this machine, such as 0.0.0.0.",
                                  f->value[DURABLE_HOST].where, text);
    }

    snprintf(o->address, sizeof(o->address), "%.*s", (int) len, text);
    snprintf(o->host, sizeof(o->host),
             strchr(o->address, ':') != NULL ? "[%s]" : "%s", o->address);

    return true;
}


static const char *
durable_options_store(const durable_flags_t *f)
{
    const char             *text;
    const durable_value_t  *store, *sqlite;

    store = &f->value[DURABLE_STORE];
    sqlite = &f->value[DURABLE_SQLITE_DIR];

    text = durable_option_text(f, sqlite->source > store->source
                                  ? DURABLE_SQLITE_DIR : DURABLE_STORE);
    if (text != NULL) {
        return text;
    }

    if (f->command == DURABLE_CMD_START
        || durable_option_bool(f, DURABLE_PERSIST))
    {
        return DURABLE_STORE_PERSIST;
    }

    return NULL;
}


bool
durable_options_make(durable_flags_t *f, durable_settings_t *o)
{
    size_t            i;
    durable_value_t  *v;

    memset(o, 0, sizeof(*o));

    o->command = f->command;
    o->poll_interval = -1;
    o->workers = f->command == DURABLE_CMD_DEV ? 1 : 0;
    o->port = f->command == DURABLE_CMD_DEV ? 0 : DURABLE_PORT_DEFAULT;
    o->port_where = "the default port";

    v = &f->value[DURABLE_SDK_URL];

    for (i = 0; i < v->n; i++) {
        if (!durable_option_url(f, v->where, &v->item[i])) {
            return false;
        }
    }

    o->urls = v->item;
    o->nurls = v->n;

    if (!durable_options_keys(f, o)
        || !durable_options_host(f, o)
        || !durable_option_number(f, DURABLE_PORT, 1, 65535, &o->port)
        || !durable_option_number(f, DURABLE_WORKERS, 1, 512, &o->workers)
        || !durable_option_seconds(f, DURABLE_POLL_INTERVAL,
                                   &o->poll_interval)
        || !durable_option_seconds(f, DURABLE_RETRY_INTERVAL,
                                   &o->retry_interval))
    {
        return false;
    }

    if (f->value[DURABLE_PORT].n > 0) {
        o->port_where = f->value[DURABLE_PORT].where;
    }

    o->discovery = f->command == DURABLE_CMD_DEV
                   && !durable_option_bool(f, DURABLE_NO_DISCOVERY);
    o->poll = !durable_option_bool(f, DURABLE_NO_POLL);
    o->persist = f->command == DURABLE_CMD_START
                 || durable_option_bool(f, DURABLE_PERSIST)
                 || durable_options_store(f) != NULL;
    o->store = durable_options_store(f);
    o->nginx = durable_option_text(f, DURABLE_NGINX);
    o->module = durable_option_text(f, DURABLE_MODULE);
    o->print_config = durable_option_bool(f, DURABLE_PRINT_CONFIG);
    o->json = durable_option_bool(f, DURABLE_JSON);
    o->verbose = (unsigned) f->value[DURABLE_VERBOSE].n;

    return true;
}
