/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The files of a store as files: what dur_store.c does before and after LMDB
 * has them.  Only it calls these; dur_store_check_format() is public and
 * stands in dur_store.h.
 */

#ifndef DUR_STORE_FILE_H
#define DUR_STORE_FILE_H

#include "engine/dur_base.h"

/* An error of LMDB or of the system; of dur_store.c. */
dur_rc_t dur_store_rc(int err);

/* Leaves <path>/format as it is when it is there.  On failure err holds a
 * sentence. */
dur_rc_t dur_store_write_format(const char *path, char *err, size_t size);

/*
 * The lock file is written through a mapping: on a full disk that would be a
 * SIGBUS and not an error, so its blocks are taken before: DUR_EFULL.  Not
 * while LMDB has it open, for closing it would drop LMDB's locks.
 */
dur_rc_t dur_store_reserve_lock(const char *path, char *err, size_t size);

#endif /* DUR_STORE_FILE_H */
