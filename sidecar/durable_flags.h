/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the user asked of `durable dev` and `durable start`, before it means
 * anything: one table of names, and for each name the texts given to it by a
 * flag, an INNGEST_* variable or the configuration file, the highest source
 * winning.  durable_options.h gives the texts their types.
 *
 * The names are those of `inngest dev` and `inngest start`, so that a script
 * only changes the program's name; a name that has no meaning here is taken
 * and answered with one line.
 */

#ifndef DURABLE_FLAGS_H
#define DURABLE_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

#define DURABLE_LIST_MAX   256      /* texts given to one name */
#define DURABLE_ERROR_LEN  1024


typedef enum {
    DURABLE_CMD_DEV = 1,
    DURABLE_CMD_START = 2
} durable_mode_t;

typedef enum {
    DURABLE_FROM_NOWHERE = 0,
    DURABLE_FROM_FILE,
    DURABLE_FROM_ENV,
    DURABLE_FROM_FLAG
} durable_source_t;

typedef enum {
    DURABLE_FLAG_TEXT = 0,
    DURABLE_FLAG_LIST,
    DURABLE_FLAG_BOOL,
    DURABLE_FLAG_COUNT      /* a bool that counts: -v -v */
} durable_flag_kind_t;

/* The order of the table in durable_flags.c. */
typedef enum {
    DURABLE_SDK_URL = 0,
    DURABLE_HOST,
    DURABLE_PORT,
    DURABLE_NO_DISCOVERY,
    DURABLE_NO_POLL,
    DURABLE_POLL_INTERVAL,
    DURABLE_RETRY_INTERVAL,
    DURABLE_EVENT_KEY,
    DURABLE_SIGNING_KEY,
    DURABLE_SIGNING_KEY_FALLBACK,
    DURABLE_PERSIST,
    DURABLE_STORE,
    DURABLE_SQLITE_DIR,
    DURABLE_WORKERS,
    DURABLE_NGINX,
    DURABLE_MODULE,
    DURABLE_CONFIG,
    DURABLE_PRINT_CONFIG,
    DURABLE_JSON,
    DURABLE_VERBOSE,
    DURABLE_HELP,
    DURABLE_USED_MAX        /* names from here on have no meaning here */
} durable_flag_t;

typedef struct {
    const char           *name;
    char                  letter;
    durable_flag_kind_t   kind;
    unsigned              commands;     /* durable_mode_t bits */
    const char           *arg;          /* in the help; NULL: not shown */
    const char           *text;         /* help, or why it means nothing */
} durable_flag_def_t;

typedef struct {
    durable_source_t   source;
    char               where[96];       /* "--port", "INNGEST_PORT", ... */
    char             **item;
    size_t             n;
} durable_value_t;

typedef struct {
    durable_mode_t   command;
    durable_value_t    *value;          /* one per row of the table */
    char                error[DURABLE_ERROR_LEN];
} durable_flags_t;


extern const durable_flag_def_t  durable_flag_defs[];
extern const size_t              durable_flag_count;

bool durable_flags_init(durable_flags_t *f, durable_mode_t command);
void durable_flags_deinit(durable_flags_t *f);

/*
 * Reads the arguments behind the command's name.  The texts of keys are
 * copied and then blanked in argv, so that they leave the process list.
 * False with a sentence in f->error.
 */
bool durable_flags_argv(durable_flags_t *f, int argc, char **argv);

/* Reads INNGEST_* variables. */
bool durable_flags_env(durable_flags_t *f);

/*
 * Reads inngest.json, inngest.yaml or inngest.yml: the one that --config or
 * INNGEST_CONFIG names, else the first that stands in the current directory,
 * else none (which is no error).
 */
bool durable_flags_file(durable_flags_t *f);

/* The row of a name without dashes; -1 when there is none. */
int durable_flags_find(const char *name, size_t len);

/*
 * Gives a text to a row, unless a higher source spoke before.  A source that
 * speaks twice adds to a list and replaces anything else.
 */
bool durable_flags_set(durable_flags_t *f, int row, durable_source_t source,
    const char *where, const char *text);

/* A boolean text: 1 true yes on / 0 false no off; -1 for anything else. */
int durable_flags_bool(const char *text);

/* Prints one line for each given name that has no meaning here. */
void durable_flags_say_unused(const durable_flags_t *f);

void durable_flags_help(durable_mode_t command);

/* f->error = the sentence; always false. */
bool durable_flags_fail(durable_flags_t *f, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* DURABLE_FLAGS_H */
