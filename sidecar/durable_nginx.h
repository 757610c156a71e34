/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What `durable dev` and `durable start` know of nginx: where it and the
 * module are, the nginx.conf it gets, and what its messages mean to somebody
 * who never wrote one.
 */

#ifndef DURABLE_NGINX_H
#define DURABLE_NGINX_H

#include <stdio.h>

#include "engine/dur_base.h"

#include "durable_setup.h"

#define DURABLE_CONF_MAX  (256 * 1024)


/* s->nginx and s->version.  False with a sentence. */
bool durable_nginx_find(durable_setup_t *s);

/* s->module. */
bool durable_nginx_find_module(durable_setup_t *s);

/* s->dashboard, beside the module; without one there is no page. */
void durable_nginx_find_dashboard(durable_setup_t *s);

/*
 * Appends the nginx.conf.  Keys given as text are named by the file that
 * durable_nginx_write() puts them in.
 */
void durable_nginx_conf(const durable_setup_t *s, dur_buf_t *out);

/* Writes <run>/nginx.conf and the files of keys, all of them 0600. */
bool durable_nginx_write(durable_setup_t *s);

/*
 * s->error = what a message of nginx that kept it from starting means; the
 * message comes without time, level and process id.
 */
void durable_nginx_explain(durable_setup_t *s, const char *message);

/*
 * One line of nginx's error log, terminated: its level ("error", "notice")
 * and the message behind the process id, both in the line itself.  A line of
 * another shape is a message of level "".
 */
void durable_nginx_log_line(char *line, const char **level,
    const char **message);

#endif /* DURABLE_NGINX_H */
