/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The `durable` program: its subcommands and the log they share.
 *
 * A subcommand's main gets the arguments after the program's name, so argv[0]
 * is the subcommand itself ("dev"), and returns the exit status.
 */

#ifndef DURABLE_H
#define DURABLE_H

#define DURABLE_VERSION  "0.1.0"

int durable_sidecar_main(int argc, char **argv);
int durable_dev_main(int argc, char **argv);
int durable_start_main(int argc, char **argv);


/* The levels of DUR_TAG_LEVEL, and one that never leaves the program. */
typedef enum {
    DURABLE_LOG_ERROR = 0,
    DURABLE_LOG_WARNING,
    DURABLE_LOG_NOTICE,
    DURABLE_LOG_INFO,
    DURABLE_LOG_DEBUG
} durable_log_level_t;

/* The word after "durable" in each line; "sidecar" gives
 * "durable sidecar: ...". */
void durable_log_init(const char *subcommand);

/* By name: error, warning, notice, info, debug.  -1: no such level. */
int durable_log_set_level(const char *name);

/* True when a line of this level would be written. */
int durable_log_enabled(durable_log_level_t level);

/* One line to stderr, in one write.  Never secrets, never bodies. */
void durable_log(durable_log_level_t level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* DURABLE_H */
