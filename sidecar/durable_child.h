/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * One program that runs beside this one: started in a process group of its
 * own (so that a Ctrl-C at the terminal reaches only us), its stderr read
 * line by line, ended when we end, however that happens.
 */

#ifndef DURABLE_CHILD_H
#define DURABLE_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DURABLE_LINE_MAX  4096


/* A line without its newline; it may be changed. */
typedef void (*durable_child_line_pt)(void *data, char *line);

typedef struct {
    const char             *name;           /* in messages: "nginx" */
    const char             *program;
    char *const            *argv;
    bool                    drop;           /* become uid:gid */
    uid_t                   uid;
    gid_t                   gid;
    durable_child_line_pt   line;
    void                   *data;

    pid_t                   pid;            /* 0: does not run */
    int                     fd;             /* its stderr, or -1 */
    int                     status;         /* of waitpid, when it ended */
    int64_t                 started;
    int64_t                 again;          /* when to start it, 0: not due */
    unsigned                failures;       /* short lives in a row */
    size_t                  len;
    char                    text[DURABLE_LINE_MAX];
} durable_child_t;


/* False when no process or pipe could be made; errno tells. */
bool durable_child_start(durable_child_t *c, int64_t now);

/* Reads what the child wrote; closes fd at its end. */
void durable_child_read(durable_child_t *c);

/* True when it has ended: the rest of its lines is read, what is left of its
 * process group is killed, c->status is set and c->pid is 0. */
bool durable_child_reap(durable_child_t *c);

/* A signal to the process, or to all of its group. */
void durable_child_kill(const durable_child_t *c, int signo, bool group);

/* "ended with status 1", "was killed by signal 9 (Killed)". */
void durable_child_how(const durable_child_t *c, char *text, size_t size);

#endif /* DURABLE_CHILD_H */
