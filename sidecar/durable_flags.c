/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The table of names and its three sources.  See durable_flags.h.
 */

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "durable_flags.h"


#define DEV    DURABLE_CMD_DEV
#define START  DURABLE_CMD_START
#define BOTH   (DURABLE_CMD_DEV | DURABLE_CMD_START)

#define NO_QUEUE    "work starts when it is due, there is no queue to poll"
#define NO_CONNECT  "there is no connect gateway"
#define NO_SQL      "the state is in the store, see --store"
#define NO_TRACE    "nothing is traced to another service"


const durable_flag_def_t  durable_flag_defs[] = {

    { "sdk-url", 'u', DURABLE_FLAG_LIST, BOTH, "URL",
      "serve URL of an app to sync (repeat for more)" },
    { "host", 0, DURABLE_FLAG_TEXT, BOTH, "ADDRESS",
      "address to listen on (127.0.0.1)" },
    { "port", 'p', DURABLE_FLAG_TEXT, BOTH, "PORT",
      "port to listen on (dev: the first free one from 8288)" },
    { "no-discovery", 0, DURABLE_FLAG_BOOL, BOTH, "",
      "do not look for apps on this machine's ports" },
    { "no-poll", 0, DURABLE_FLAG_BOOL, BOTH, "",
      "do not ask apps regularly whether they changed" },
    { "poll-interval", 0, DURABLE_FLAG_TEXT, BOTH, "SECONDS",
      "how often apps are asked (dev: 5)" },
    { "retry-interval", 0, DURABLE_FLAG_TEXT, BOTH, "SECONDS",
      "wait this long before each retry, not longer and longer" },
    { "event-key", 0, DURABLE_FLAG_LIST, BOTH, "KEY",
      "key that senders of events use (repeat for more)" },
    { "signing-key", 0, DURABLE_FLAG_TEXT, BOTH, "KEY",
      "key shared with the apps, hexadecimal" },
    { "signing-key-fallback", 0, DURABLE_FLAG_TEXT, BOTH, "KEY",
      "the key before the last rotation" },
    { "persist", 0, DURABLE_FLAG_BOOL, BOTH, "",
      "keep the state in ./.durable (start: always)" },
    { "store", 0, DURABLE_FLAG_TEXT, BOTH, "DIR",
      "keep the state in DIR" },
    { "sqlite-dir", 0, DURABLE_FLAG_TEXT, BOTH, "DIR",
      "the same as --store" },
    { "workers", 0, DURABLE_FLAG_TEXT, BOTH, "N",
      "nginx workers (dev: 1, start: one per processor)" },
    { "nginx", 0, DURABLE_FLAG_TEXT, BOTH, "FILE",
      "the nginx to run (PATH, /usr/sbin, /usr/local/sbin)" },
    { "module", 0, DURABLE_FLAG_TEXT, BOTH, "FILE",
      "ngx_http_durable_module.so (beside this program)" },
    { "config", 0, DURABLE_FLAG_TEXT, BOTH, "FILE",
      "settings (./inngest.json, ./inngest.yaml, ./inngest.yml)" },
    { "print-config", 0, DURABLE_FLAG_BOOL, BOTH, "",
      "print the nginx.conf that would be used, and end" },
    { "json", 0, DURABLE_FLAG_BOOL, BOTH, "",
      "print what happens as one JSON object per line" },
    { "verbose", 'v', DURABLE_FLAG_COUNT, BOTH, "",
      "also print what nginx and the sidecar log (repeat for more)" },
    { "help", 'h', DURABLE_FLAG_BOOL, BOTH, "",
      "print this" },

    { "queue-workers", 0, DURABLE_FLAG_TEXT, BOTH, NULL,
      "the number of calls is bounded per app, not by queue workers" },
    { "tick", 0, DURABLE_FLAG_TEXT, BOTH, NULL, NO_QUEUE },
    { "no-ui", 0, DURABLE_FLAG_BOOL, START, NULL, "nothing needs it" },
    { "log-level", 'l', DURABLE_FLAG_TEXT, BOTH, NULL, "see --verbose" },
    { "connect-gateway-host", 0, DURABLE_FLAG_TEXT, BOTH, NULL, NO_CONNECT },
    { "connect-gateway-port", 0, DURABLE_FLAG_TEXT, BOTH, NULL, NO_CONNECT },
    { "connect-gateway-grpc-ip", 0, DURABLE_FLAG_TEXT, BOTH, NULL,
      NO_CONNECT },
    { "connect-gateway-grpc-port", 0, DURABLE_FLAG_TEXT, BOTH, NULL,
      NO_CONNECT },
    { "connect-executor-grpc-ip", 0, DURABLE_FLAG_TEXT, BOTH, NULL,
      NO_CONNECT },
    { "connect-executor-grpc-port", 0, DURABLE_FLAG_TEXT, BOTH, NULL,
      NO_CONNECT },
    { "redis-uri", 0, DURABLE_FLAG_TEXT, BOTH, NULL, NO_SQL },
    { "postgres-uri", 0, DURABLE_FLAG_TEXT, BOTH, NULL, NO_SQL },
    { "postgres-max-idle-conns", 0, DURABLE_FLAG_TEXT, BOTH, NULL, NO_SQL },
    { "postgres-max-open-conns", 0, DURABLE_FLAG_TEXT, BOTH, NULL, NO_SQL },
    { "postgres-conn-max-idle-time", 0, DURABLE_FLAG_TEXT, BOTH, NULL,
      NO_SQL },
    { "postgres-conn-max-lifetime", 0, DURABLE_FLAG_TEXT, BOTH, NULL,
      NO_SQL },
    { "debug-api-port", 0, DURABLE_FLAG_TEXT, BOTH, NULL,
      "there is no debug API" },
    { "system-trace-exporter", 0, DURABLE_FLAG_TEXT, BOTH, NULL, NO_TRACE },
    { "system-trace-endpoint", 0, DURABLE_FLAG_TEXT, BOTH, NULL, NO_TRACE }
};

const size_t  durable_flag_count = sizeof(durable_flag_defs)
                                   / sizeof(durable_flag_defs[0]);

_Static_assert(sizeof(durable_flag_defs) / sizeof(durable_flag_defs[0])
               > DURABLE_USED_MAX, "the table and its enum have parted");


bool
durable_flags_init(durable_flags_t *f, durable_mode_t command)
{
    memset(f, 0, sizeof(*f));
    f->command = command;
    f->value = calloc(durable_flag_count, sizeof(durable_value_t));

    return f->value != NULL
           || durable_flags_fail(f, "There is not enough memory.");
}


static void
durable_value_clear(durable_value_t *v)
{
    size_t  i;

    for (i = 0; i < v->n; i++) {
        explicit_bzero(v->item[i], strlen(v->item[i]));
        free(v->item[i]);
    }

    free(v->item);
    v->item = NULL;
    v->n = 0;
}


void
durable_flags_deinit(durable_flags_t *f)
{
    size_t  i;

    for (i = 0; f->value != NULL && i < durable_flag_count; i++) {
        durable_value_clear(&f->value[i]);
    }

    free(f->value);
    f->value = NULL;
}


bool
durable_flags_fail(durable_flags_t *f, const char *fmt, ...)
{
    va_list  ap;

    va_start(ap, fmt);
    vsnprintf(f->error, sizeof(f->error), fmt, ap);
    va_end(ap);

    return false;
}


int
durable_flags_find(const char *name, size_t len)
{
    size_t  i;

    for (i = 0; i < durable_flag_count; i++) {
        if (strlen(durable_flag_defs[i].name) == len
            && memcmp(durable_flag_defs[i].name, name, len) == 0)
        {
            return (int) i;
        }
    }

    return -1;
}


int
durable_flags_bool(const char *text)
{
    static const char *const  yes[] = { "1", "t", "true", "yes", "on" };
    static const char *const  no[] = { "0", "f", "false", "no", "off" };

    size_t  i;

    for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcasecmp(text, yes[i]) == 0) {
            return 1;
        }
        if (strcasecmp(text, no[i]) == 0) {
            return 0;
        }
    }

    return -1;
}


static bool
durable_value_add(durable_flags_t *f, durable_value_t *v, const char *text,
    size_t len)
{
    char  **item;

    if (v->n == DURABLE_LIST_MAX) {
        return durable_flags_fail(f, "%s is given more than %d times.",
                                  v->where, DURABLE_LIST_MAX);
    }

    item = realloc(v->item, (v->n + 1) * sizeof(char *));
    if (item == NULL) {
        return durable_flags_fail(f, "There is not enough memory.");
    }

    v->item = item;
    v->item[v->n] = strndup(text, len);
    if (v->item[v->n] == NULL) {
        return durable_flags_fail(f, "There is not enough memory.");
    }

    v->n++;

    return true;
}


/* A list may come as one text with commas; empty parts do not count. */
static bool
durable_value_split(durable_flags_t *f, durable_value_t *v, const char *text)
{
    size_t  len;

    for ( ;; ) {
        text += strspn(text, ", \t");
        if (*text == '\0') {
            return true;
        }

        len = strcspn(text, ",");
        while (text[len - 1] == ' ' || text[len - 1] == '\t') {
            len--;
        }

        if (!durable_value_add(f, v, text, len)) {
            return false;
        }

        text += strcspn(text, ",");
    }
}


bool
durable_flags_set(durable_flags_t *f, int row, durable_source_t source,
    const char *where, const char *text)
{
    const durable_flag_def_t  *def = &durable_flag_defs[row];
    durable_value_t           *v = &f->value[row];

    if (source < v->source) {
        return true;
    }

    if (def->kind == DURABLE_FLAG_BOOL && durable_flags_bool(text) == -1) {
        return durable_flags_fail(f, "%s is \"%.80s\": it must be true or "
                                  "false.", where, text);
    }

    if (source > v->source
        || def->kind == DURABLE_FLAG_TEXT || def->kind == DURABLE_FLAG_BOOL)
    {
        durable_value_clear(v);
    }

    v->source = source;
    snprintf(v->where, sizeof(v->where), "%s", where);

    if (def->kind == DURABLE_FLAG_LIST) {
        return durable_value_split(f, v, text);
    }

    return durable_value_add(f, v, text, strlen(text));
}


/* Keys given as arguments would stand in the process list. */
static void
durable_argv_blank(int row, char *text)
{
    switch (row) {
    case DURABLE_EVENT_KEY:
    case DURABLE_SIGNING_KEY:
    case DURABLE_SIGNING_KEY_FALLBACK:
        if (strncmp(text, "env:", 4) != 0 && strncmp(text, "file:", 5) != 0) {
            memset(text, 'x', strlen(text));
        }
        break;

    default:
        break;
    }
}


static int
durable_flags_find_letter(char letter)
{
    size_t  i;

    for (i = 0; i < durable_flag_count; i++) {
        if (durable_flag_defs[i].letter == letter) {
            return (int) i;
        }
    }

    return -1;
}


/*
 * One argument that starts with a dash: its row, and in *value the text that
 * stands behind it in the same argument.
 */
static int
durable_argv_split(char *arg, char *where, size_t size, char **value)
{
    int     row;
    size_t  len;

    *value = NULL;

    if (arg[1] == '-') {
        len = strcspn(arg, "=");
        row = durable_flags_find(arg + 2, len - 2);
        if (arg[len] == '=') {
            *value = arg + len + 1;
        }

        snprintf(where, size, "%.*s", (int) len, arg);

        return row;
    }

    row = arg[1] == '\0' ? -1 : durable_flags_find_letter(arg[1]);
    if (row == -1) {
        snprintf(where, size, "%s", arg);
        return -1;
    }

    if (arg[2] == '=') {
        *value = arg + 3;
    } else if (arg[2] != '\0') {
        *value = arg + 2;
    }

    snprintf(where, size, "-%c", arg[1]);

    return row;
}


static bool
durable_argv_one(durable_flags_t *f, int argc, char **argv, int *i)
{
    int                        row;
    bool                       ok;
    char                      *value, *p, where[64], yes[] = "true";
    const char                *cmd;
    const durable_flag_def_t  *def;

    cmd = f->command == DURABLE_CMD_DEV ? "dev" : "start";

    if (argv[*i][0] != '-' || strcmp(argv[*i], "--") == 0) {
        return durable_flags_fail(f, "\"%.80s\" is not an option: `durable %s "
                                  "--help` lists them (an app's URL is given "
                                  "with -u).", argv[*i], cmd);
    }

    row = durable_argv_split(argv[*i], where, sizeof(where), &value);
    if (row == -1) {
        return durable_flags_fail(f, "There is no option %s: `durable %s "
                                  "--help` lists them.", where, cmd);
    }

    def = &durable_flag_defs[row];

    if (def->kind == DURABLE_FLAG_COUNT && value != NULL
        && argv[*i][1] != '-')
    {
        /* -vv */
        for (p = value; *p != '\0'; p++) {
            if (*p != def->letter) {
                return durable_flags_fail(f, "There is no option %s: "
                                          "`durable %s --help` lists them.",
                                          argv[*i], cmd);
            }

            if (!durable_flags_set(f, row, DURABLE_FROM_FLAG, where, "true"))
            {
                return false;
            }
        }

        value = NULL;
    }

    if (value == NULL) {
        if (def->kind == DURABLE_FLAG_BOOL || def->kind == DURABLE_FLAG_COUNT)
        {
            value = yes;

        } else if (*i + 1 < argc) {
            value = argv[++*i];

        } else {
            return durable_flags_fail(f, "%s needs a value: `durable %s "
                                      "--help` tells which.", where, cmd);
        }
    }

    ok = durable_flags_set(f, row, DURABLE_FROM_FLAG, where, value);
    durable_argv_blank(row, value);

    return ok;
}


bool
durable_flags_argv(durable_flags_t *f, int argc, char **argv)
{
    int  i;

    for (i = 0; i < argc; i++) {
        if (!durable_argv_one(f, argc, argv, &i)) {
            return false;
        }
    }

    return true;
}


bool
durable_flags_env(durable_flags_t *f)
{
    char         name[96], *p;
    size_t       i;
    const char  *text;

    for (i = 0; i < durable_flag_count; i++) {
        if (i == DURABLE_HELP || i == DURABLE_PRINT_CONFIG) {
            continue;
        }

        snprintf(name, sizeof(name), "INNGEST_%s", durable_flag_defs[i].name);

        for (p = name; *p != '\0'; p++) {
            *p = (char) (*p == '-' ? '_' : toupper((unsigned char) *p));
        }

        text = getenv(name);
        if (text == NULL || *text == '\0') {
            continue;
        }

        if (!durable_flags_set(f, (int) i, DURABLE_FROM_ENV, name, text)) {
            return false;
        }
    }

    return true;
}


void
durable_flags_say_unused(const durable_flags_t *f)
{
    size_t                  i;
    const durable_value_t  *v;

    for (i = DURABLE_USED_MAX; i < durable_flag_count; i++) {
        v = &f->value[i];

        if (v->source != DURABLE_FROM_NOWHERE) {
            fprintf(stderr, "durable: %s has no meaning here: %s.\n",
                    v->where, durable_flag_defs[i].text);
        }
    }
}


void
durable_flags_help(durable_mode_t command)
{
    size_t                     i;
    char                       name[64];
    const durable_flag_def_t  *def;

    if (command == DURABLE_CMD_DEV) {
        printf("Usage: durable dev [-u URL]... [option]...\n\n"
               "Runs a durable workflow server for development: no keys, and "
               "a state that is\ngone at the end.  Ctrl-C ends it.\n\n");
    } else {
        printf("Usage: durable start --event-key KEY --signing-key KEY "
               "[option]...\n\n"
               "Runs a durable workflow server that keeps its state.  Keys "
               "are given as text or,\nbetter, as env:NAME or file:PATH.\n\n");
    }

    for (i = 0; i < DURABLE_USED_MAX; i++) {
        def = &durable_flag_defs[i];

        if ((def->commands & command) == 0) {
            continue;
        }

        snprintf(name, sizeof(name), "--%s%s%s", def->name,
                 *def->arg == '\0' ? "" : " ", def->arg);

        printf("  %c%c%s %-29s %s\n", def->letter ? '-' : ' ',
               def->letter ? def->letter : ' ', def->letter ? "," : " ",
               name, def->text);
    }

    printf("\nEvery option may also be a variable (INNGEST_SDK_URL, "
           "INNGEST_PORT, ...) or a key of\ninngest.json, inngest.yaml or "
           "inngest.yml: sdk-url, port, ...\n");
}
