/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Registrations as ops: an app names itself and its functions, an app is
 * removed, a function paused.  What is not valid is refused as a
 * whole and the registration before it stays.
 */

#ifndef DUR_REGISTER_H
#define DUR_REGISTER_H

#include "engine/dur_base.h"
#include "engine/dur_op.h"
#include "engine/dur_registry.h"

/* POST /fn/register (protocol 3.5); the reply has the body for the SDK. */
dur_rc_t dur_register(dur_engine_t *e, dur_str_t payload, dur_reply_t *reply);

/* The app at a normalised URL: one that is there before one that was removed;
 * routes are none, nor are durable endpoints.  NULL. */
dur_registered_app_t *dur_register_app_by_url(const dur_registry_t *r,
    dur_str_t url);

/* DELETE /fn/remove: its functions are archived, runs in flight go on. */
dur_rc_t dur_register_remove(dur_engine_t *e, dur_str_t url,
    dur_reply_t *reply);

/* The op PAUSE: a paused function starts no runs, those that live wait.  404
 * without such a function; one that is archived may only go on. */
dur_rc_t dur_register_pause(dur_engine_t *e, dur_str_t slug, bool pause,
    dur_reply_t *reply);

/* The rows have changed: the cache is read anew, and whoever polls told. */
dur_rc_t dur_register_reload(dur_engine_t *e);

/* One piece of the task that follows a resume. */
dur_rc_t dur_register_resume(dur_engine_t *e, dur_str_t cursor, bool *done);

#endif /* DUR_REGISTER_H */
