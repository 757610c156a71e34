/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The log of the program: one line to stderr per fact, where systemd or the
 * terminal picks it up.  A line is one write, so that the lines of the
 * sidecar, nginx and `durable dev` on one terminal do not mix.
 */

#include "durable.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>


#define DURABLE_LOG_LINE  2048


static const char  *durable_log_subcommand = "";
static int          durable_log_level = DURABLE_LOG_NOTICE;

static const char  *durable_log_names[] = {
    "error", "warning", "notice", "info", "debug"
};


void
durable_log_init(const char *subcommand)
{
    durable_log_subcommand = subcommand;
}


int
durable_log_set_level(const char *name)
{
    for (int i = 0; i <= DURABLE_LOG_DEBUG; i++) {
        if (strcmp(name, durable_log_names[i]) == 0) {
            durable_log_level = i;
            return 0;
        }
    }

    return -1;
}


int
durable_log_enabled(durable_log_level_t level)
{
    return (int) level <= durable_log_level;
}


void
durable_log(durable_log_level_t level, const char *fmt, ...)
{
    int      n, m;
    char     line[DURABLE_LOG_LINE];
    va_list  ap;

    if (!durable_log_enabled(level)) {
        return;
    }

    n = snprintf(line, sizeof(line), "durable %s: %s",
                 durable_log_subcommand,
                 level == DURABLE_LOG_ERROR ? "error: "
                 : level == DURABLE_LOG_WARNING ? "warning: " : "");

    va_start(ap, fmt);
    m = vsnprintf(line + n, sizeof(line) - (size_t) n - 1, fmt, ap);
    va_end(ap);

    n += m < 0 ? 0 : m;
    if (n > DURABLE_LOG_LINE - 2) {
        n = DURABLE_LOG_LINE - 2;
    }

    /* what a peer said may be part of it: keep it one line */
    for (int i = 0; i < n; i++) {
        if ((unsigned char) line[i] < 0x20) {
            line[i] = ' ';
        }
    }

    line[n++] = '\n';

    if (write(STDERR_FILENO, line, (size_t) n) < 0) {
        return;                 /* nobody reads: nothing to be done */
    }
}
