/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What must be there before anything is started: the store's directory and
 * the lock on it, a directory for sockets and temporary files, a free port,
 * nginx, the module, and the user that nginx's workers will be.  Everything
 * that can be wrong is said in one sentence that tells what to do.
 */

#ifndef DURABLE_SETUP_H
#define DURABLE_SETUP_H

#include <limits.h>
#include <sys/types.h>

#include "durable_options.h"

/* A socket's path ends at 107 bytes, and names are added to this one. */
#define DURABLE_STORE_PATH_MAX  80
#define DURABLE_TEMP_MAX        5


typedef struct {
    const durable_settings_t  *options;

    char       store[DURABLE_STORE_PATH_MAX + 1];
    char       run[DURABLE_STORE_PATH_MAX + 8];     /* <store>/run */
    bool       temporary;       /* the store goes at the end */
    bool       made;            /* the run directory is ours to remove */
    int        lock;            /* <store>/instance.lock, or -1 */

    bool       root;
    uid_t      uid;             /* of the store's owner */
    gid_t      gid;
    char       user[64];
    char       group[64];

    unsigned   port;
    char       token[40];       /* by which our server is known */
    char       nginx[PATH_MAX];
    char       version[64];     /* nginx/1.22.1 */
    bool       temp[DURABLE_TEMP_MAX];      /* <name>_temp_path is there */
    char       module[PATH_MAX];
    char       dashboard[PATH_MAX];     /* its files, empty: there are none */

    char       error[DURABLE_ERROR_LEN];
} durable_setup_t;


/*
 * Makes and takes all of it, in an order that leaves nothing behind when it
 * fails.  With o->print_config only names are worked out.  False with a
 * sentence in s->error; durable_setup_deinit() is due in any case.
 */
bool durable_setup_init(durable_setup_t *s, const durable_settings_t *o);
void durable_setup_deinit(durable_setup_t *s);

/*
 * s->port: the one that is asked for, or the first free one.  Called again
 * when another program was faster.
 */
bool durable_setup_port(durable_setup_t *s);

/* s->error = the sentence; always false. */
bool durable_setup_fail(durable_setup_t *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Removes a directory and what is in it, never following a link. */
void durable_remove_tree(const char *path);

#endif /* DURABLE_SETUP_H */
