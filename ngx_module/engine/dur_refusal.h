/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Registrations that are refused, for the log.  SDKs ask again and again with
 * the same payload, so a sentence is said once for each app until it changes;
 * which were said is known to this process only, no decision hangs on it.
 */

#ifndef DUR_REFUSAL_H
#define DUR_REFUSAL_H

#include "engine/dur_base.h"

typedef struct dur_engine_s  dur_engine_t;

/* Apps whose last refusal is remembered; a further one takes the place of the
 * oldest. */
#define DUR_REFUSAL_APPS  64

typedef struct {
    uint64_t  app[DUR_REFUSAL_APPS];    /* hash of the name; 0: free */
    uint64_t  text[DUR_REFUSAL_APPS];   /* of the sentence */
    unsigned  next;
} dur_refusals_t;

/* The payload was refused with this sentence: a line in the log, unless it
 * was the last one of its app.  The app is named as far as it can be read. */
void dur_refusal_say(dur_engine_t *e, dur_str_t payload, const char *text);

/* The app was accepted: its next refusal is said, whatever it is. */
void dur_refusal_forget(dur_engine_t *e, dur_str_t app);

#endif /* DUR_REFUSAL_H */
