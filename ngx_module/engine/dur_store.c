/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_store.h"
#include "engine/dur_store_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lmdb.h>


#define DUR_STORE_MAP_SIZE     ((uint64_t) 64 << 30)
#define DUR_STORE_READERS      512

/* The free list is only walked when the file is nearly as large as the map:
 * until then the high-water mark alone proves that there is room. */
#define DUR_STORE_NEARLY_FULL  90


struct dur_store_s {
    MDB_env   *env;
    MDB_dbi    dbi[DUR_T_MAX];
    uint64_t   map_size;

    const struct dur_redact_s  *redact;
};


struct dur_txn_s {
    dur_store_t  *store;
    MDB_txn      *txn;
    uint64_t      writes;
    dur_rc_t      rc;
};


struct dur_cursor_s {
    dur_txn_t   *txn;
    MDB_cursor  *cursor;
};


dur_rc_t
dur_store_rc(int err)
{
    switch (err) {
    case 0:
        return DUR_OK;
    case MDB_NOTFOUND:
        return DUR_ENOTFOUND;
    case MDB_KEYEXIST:
        return DUR_EEXIST;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
        return DUR_EFULL;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_PANIC:
        return DUR_ECORRUPT;
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
        return DUR_EFORMAT;
    case MDB_READERS_FULL:
        return DUR_EBUSY;
    case MDB_BAD_VALSIZE:
    case MDB_BAD_TXN:
    case MDB_BAD_DBI:
    case EINVAL:
        return DUR_EINTERNAL;
    case ENOMEM:
        return DUR_ENOMEM;
    case ENOENT:
        return DUR_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return DUR_EACCES;
    default:
        return DUR_EIO;
    }
}


static dur_rc_t
dur_store_fail(int err, char *text, size_t size, const char *what,
    const char *path)
{
    snprintf(text, size, "%s \"%s\" failed: %s", what, path,
             mdb_strerror(err));

    return dur_store_rc(err);
}


static int
dur_store_open_tables(dur_store_t *s, bool create)
{
    int           rc;
    MDB_txn      *txn;
    dur_table_t   t;

    rc = mdb_txn_begin(s->env, NULL, create ? 0 : MDB_RDONLY, &txn);
    if (rc != 0) {
        return rc;
    }

    for (t = 0; t < DUR_T_MAX; t++) {
        rc = mdb_dbi_open(txn, dur_store_table_name(t),
                          create ? MDB_CREATE : 0, &s->dbi[t]);
        if (rc != 0) {
            mdb_txn_abort(txn);
            return rc;
        }
    }

    return mdb_txn_commit(txn);
}


/* Whether all rows of a table lie before `end`. */
static int
dur_store_check_table(MDB_txn *txn, MDB_dbi dbi, const char *end)
{
    int          rc;
    MDB_val      k, v;
    MDB_cursor  *c;

    rc = mdb_cursor_open(txn, dbi, &c);
    if (rc != 0) {
        return rc;
    }

    while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        if ((const char *) k.mv_data + k.mv_size > end
            || (const char *) v.mv_data + v.mv_size > end)
        {
            rc = MDB_CORRUPTED;
            break;
        }
    }

    mdb_cursor_close(c);

    return rc == MDB_NOTFOUND ? 0 : rc;
}


/* Where the file begins in memory: every page begins with its number. */
static int
dur_store_base(MDB_txn *txn, size_t page_size, const char **base)
{
    int          rc;
    size_t       page, number;
    MDB_dbi      dbi;
    MDB_val      k, v;
    MDB_cursor  *c;

    rc = mdb_dbi_open(txn, NULL, 0, &dbi);
    if (rc == 0) {
        rc = mdb_cursor_open(txn, dbi, &c);
    }
    if (rc != 0) {
        return rc;
    }

    rc = mdb_cursor_get(c, &k, &v, MDB_FIRST);
    mdb_cursor_close(c);

    if (rc == 0) {
        page = (size_t) k.mv_data / page_size * page_size;
        memcpy(&number, (void *) page, sizeof(number));
        *base = (char *) page - number * page_size;
    }

    return rc;
}


static int
dur_store_check_tables(MDB_env *env, size_t size, size_t page_size)
{
    int          rc;
    MDB_dbi      dbi;
    MDB_txn     *txn;
    const char  *end;
    dur_table_t  t;

    rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) {
        return rc;
    }

    rc = dur_store_base(txn, page_size, &end);

    if (rc == 0) {
        end += size;
        rc = dur_store_check_table(txn, 0, end);        /* free pages */
    }

    for (t = 0; t < DUR_T_MAX && rc == 0; t++) {
        rc = mdb_dbi_open(txn, dur_store_table_name(t), 0, &dbi);

        if (rc == 0) {
            rc = dur_store_check_table(txn, dbi, end);

        } else if (rc == MDB_NOTFOUND) {
            rc = 0;
        }
    }

    mdb_txn_abort(txn);

    return rc;
}


/*
 * A file that ends before its last page: either that page was never written,
 * as it was free again in the same transaction, or the file was cut.  Reading
 * what is missing would be a SIGBUS, so the end is filled with a hole and then
 * nothing may lie in it.
 */
static dur_rc_t
dur_store_check_length(MDB_env *env, const char *path, char *err,
    size_t size)
{
    int           rc;
    uint64_t      wanted;
    MDB_stat      ms;
    struct stat   st;
    MDB_envinfo   info;
    mdb_filehandle_t  fd;

    if (mdb_env_info(env, &info) != 0 || mdb_env_stat(env, &ms) != 0
        || mdb_env_get_fd(env, &fd) != 0 || fstat(fd, &st) == -1)
    {
        snprintf(err, size, "cannot look at \"%s/data.mdb\"", path);
        return DUR_EIO;
    }

    wanted = (uint64_t) (info.me_last_pgno + 1) * ms.ms_psize;

    if ((uint64_t) st.st_size >= wanted) {
        return DUR_OK;
    }

    if (wanted > info.me_mapsize || ftruncate(fd, (off_t) wanted) == -1) {
        rc = MDB_CORRUPTED;

    } else {
        rc = dur_store_check_tables(env, (size_t) st.st_size, ms.ms_psize);

        if (rc != 0 && ftruncate(fd, st.st_size) == -1) {
            rc = errno;
        }
    }

    if (rc == 0) {
        return DUR_OK;
    }

    snprintf(err, size, "\"%s/data.mdb\" is damaged: it has %llu bytes of "
             "%llu (%s)", path, (unsigned long long) st.st_size,
             (unsigned long long) wanted, mdb_strerror(rc));

    return dur_store_rc(rc);
}


dur_rc_t
dur_store_open(dur_store_t **store, const dur_store_options_t *opt, char *err,
    size_t size)
{
    int           rc;
    unsigned      flags;
    dur_rc_t      drc;
    dur_store_t  *s;

    drc = dur_store_check_format(opt->path, err, size);
    if (drc != DUR_OK) {
        return drc;
    }

    if (opt->create) {
        drc = dur_store_reserve_lock(opt->path, err, size);
        if (drc != DUR_OK) {
            return drc;
        }
    }

    s = calloc(1, sizeof(*s));
    if (s == NULL) {
        snprintf(err, size, "no memory to open \"%s\"", opt->path);
        return DUR_ENOMEM;
    }

    s->map_size = opt->size ? opt->size : DUR_STORE_MAP_SIZE;

    rc = mdb_env_create(&s->env);
    if (rc != 0) {
        drc = dur_store_fail(rc, err, size, "creating the environment of",
                             opt->path);
        free(s);
        return drc;
    }

    flags = MDB_NOTLS | (opt->async ? MDB_NOSYNC : 0);

    rc = mdb_env_set_mapsize(s->env, s->map_size);
    if (rc == 0) {
        rc = mdb_env_set_maxreaders(s->env, DUR_STORE_READERS);
    }
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(s->env, DUR_T_MAX);
    }
    if (rc == 0) {
        rc = mdb_env_open(s->env, opt->path, flags, 0600);
    }
    if (rc == 0) {
        drc = DUR_OK;

        if (opt->create) {
            drc = dur_store_check_length(s->env, opt->path, err, size);
        }

        if (drc != DUR_OK) {
            dur_store_close(s);
            return drc;
        }

        rc = dur_store_open_tables(s, opt->create);
    }

    if (rc != 0) {
        drc = dur_store_fail(rc, err, size, "opening the store", opt->path);
        dur_store_close(s);
        return drc;
    }

    if (opt->create) {
        drc = dur_store_write_format(opt->path, err, size);
        if (drc != DUR_OK) {
            dur_store_close(s);
            return drc;
        }
    }

    *store = s;

    return DUR_OK;
}


void
dur_store_close(dur_store_t *s)
{
    if (s != NULL) {
        mdb_env_close(s->env);
        free(s);
    }
}


void
dur_store_reader_check(dur_store_t *s)
{
    int  dead;

    (void) mdb_reader_check(s->env, &dead);
}


/* Sums the page lists of the free database (main database 0). */
static uint64_t
dur_store_free_pages(MDB_txn *txn)
{
    size_t       n;
    uint64_t     pages;
    MDB_val      key, value;
    MDB_cursor  *c;

    pages = 0;

    if (mdb_cursor_open(txn, 0, &c) != 0) {
        return 0;
    }

    while (mdb_cursor_get(c, &key, &value, MDB_NEXT) == 0) {
        memcpy(&n, value.mv_data, sizeof(n));
        pages += n;
    }

    mdb_cursor_close(c);

    return pages;
}


const char *
dur_store_version(void)
{
    return mdb_version(NULL, NULL, NULL);
}


void
dur_store_set_redact(dur_store_t *s, const struct dur_redact_s *redact)
{
    s->redact = redact;
}


const struct dur_redact_s *
dur_store_redact(const dur_store_t *s)
{
    return s->redact;
}


const struct dur_redact_s *
dur_txn_redact(const dur_txn_t *t)
{
    return t->store->redact;
}


dur_rc_t
dur_store_stat(dur_store_t *s, dur_store_stat_t *st)
{
    int           rc;
    MDB_stat      ms;
    MDB_txn      *txn;
    MDB_envinfo   info;

    rc = mdb_env_info(s->env, &info);
    if (rc == 0) {
        rc = mdb_env_stat(s->env, &ms);
    }
    if (rc != 0) {
        return dur_store_rc(rc);
    }

    st->page_size = ms.ms_psize;
    st->pages_total = info.me_mapsize / ms.ms_psize;
    st->pages_last = info.me_last_pgno + 1;
    st->pages_used = st->pages_last;
    st->readers = info.me_numreaders;

    if (st->pages_last < st->pages_total / 100 * DUR_STORE_NEARLY_FULL) {
        return DUR_OK;
    }

    rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);
    if (rc != 0) {
        return dur_store_rc(rc);
    }

    st->pages_used -= dur_store_free_pages(txn);
    mdb_txn_abort(txn);

    return DUR_OK;
}


dur_rc_t
dur_txn_begin(dur_store_t *s, bool write, dur_txn_t **txn)
{
    int         rc;
    dur_txn_t  *t;

    t = malloc(sizeof(*t));
    if (t == NULL) {
        return DUR_ENOMEM;
    }

    t->store = s;
    t->rc = DUR_OK;

    rc = mdb_txn_begin(s->env, NULL, write ? 0 : MDB_RDONLY, &t->txn);

    if (rc == MDB_READERS_FULL) {
        dur_store_reader_check(s);
        rc = mdb_txn_begin(s->env, NULL, write ? 0 : MDB_RDONLY, &t->txn);
    }

    if (rc != 0) {
        free(t);
        return dur_store_rc(rc);
    }

    *txn = t;

    return DUR_OK;
}


dur_rc_t
dur_txn_commit(dur_txn_t *t)
{
    dur_rc_t  rc;

    rc = t->rc;

    if (rc != DUR_OK) {
        mdb_txn_abort(t->txn);
    } else {
        rc = dur_store_rc(mdb_txn_commit(t->txn));
    }

    free(t);

    return rc;
}


void
dur_txn_abort(dur_txn_t *t)
{
    if (t != NULL) {
        mdb_txn_abort(t->txn);
        free(t);
    }
}


dur_rc_t
dur_txn_rc(const dur_txn_t *t)
{
    return t->rc;
}


static inline dur_rc_t
dur_txn_sticky(dur_txn_t *t, int err)
{
    dur_rc_t  rc;

    rc = dur_store_rc(err);

    if (dur_unlikely(rc != DUR_OK && rc != DUR_ENOTFOUND
                     && rc != DUR_EEXIST))
    {
        t->rc = rc;
    }

    return rc;
}


static inline MDB_val
dur_store_val(dur_str_t s)
{
    return (MDB_val) { s.len, (void *) s.data };
}


dur_rc_t
dur_txn_get(dur_txn_t *t, dur_table_t table, dur_str_t key, dur_str_t *value)
{
    int      rc;
    MDB_val  k, v;

    if (dur_unlikely(t->rc != DUR_OK)) {
        return t->rc;
    }

    k = dur_store_val(key);

    rc = mdb_get(t->txn, t->store->dbi[table], &k, &v);
    if (rc != 0) {
        return dur_txn_sticky(t, rc);
    }

    *value = dur_str_make(v.mv_data, v.mv_size);

    return DUR_OK;
}


static dur_rc_t
dur_txn_put_flags(dur_txn_t *t, dur_table_t table, dur_str_t key, MDB_val *v,
    unsigned flags)
{
    MDB_val  k;

    if (dur_unlikely(t->rc != DUR_OK)) {
        return t->rc;
    }

    k = dur_store_val(key);
    t->writes++;

    return dur_txn_sticky(t, mdb_put(t->txn, t->store->dbi[table], &k, v,
                                     flags));
}


dur_rc_t
dur_txn_put(dur_txn_t *t, dur_table_t table, dur_str_t key, dur_str_t value)
{
    MDB_val  v = dur_store_val(value);

    return dur_txn_put_flags(t, table, key, &v, 0);
}


dur_rc_t
dur_txn_append(dur_txn_t *t, dur_table_t table, dur_str_t key,
    dur_str_t value)
{
    dur_rc_t  rc;
    MDB_val   v = dur_store_val(value);

    rc = dur_txn_put_flags(t, table, key, &v, MDB_APPEND);

    if (dur_unlikely(rc == DUR_EEXIST)) {
        /* not the highest key after all: a clock that went back */
        return dur_txn_put(t, table, key, value);
    }

    return rc;
}


dur_rc_t
dur_txn_insert(dur_txn_t *t, dur_table_t table, dur_str_t key,
    dur_str_t value, dur_str_t *present)
{
    dur_rc_t  rc;
    MDB_val   v = dur_store_val(value);

    rc = dur_txn_put_flags(t, table, key, &v, MDB_NOOVERWRITE);

    if (rc == DUR_EEXIST && present != NULL) {
        *present = dur_str_make(v.mv_data, v.mv_size);
    }

    return rc;
}


dur_rc_t
dur_txn_del(dur_txn_t *t, dur_table_t table, dur_str_t key)
{
    MDB_val  k;

    if (dur_unlikely(t->rc != DUR_OK)) {
        return t->rc;
    }

    k = dur_store_val(key);
    t->writes++;

    return dur_txn_sticky(t, mdb_del(t->txn, t->store->dbi[table], &k, NULL));
}


uint64_t
dur_txn_writes(const dur_txn_t *t)
{
    return t->writes;
}


uint64_t
dur_txn_count(dur_txn_t *t, dur_table_t table)
{
    MDB_stat  st;

    if (t->rc != DUR_OK
        || mdb_stat(t->txn, t->store->dbi[table], &st) != 0)
    {
        return 0;
    }

    return st.ms_entries;
}


dur_rc_t
dur_cursor_open(dur_txn_t *t, dur_table_t table, dur_cursor_t **cursor)
{
    int            rc;
    dur_cursor_t  *c;

    if (t->rc != DUR_OK) {
        return t->rc;
    }

    c = malloc(sizeof(*c));
    if (c == NULL) {
        return DUR_ENOMEM;
    }

    rc = mdb_cursor_open(t->txn, t->store->dbi[table], &c->cursor);
    if (rc != 0) {
        free(c);
        return dur_txn_sticky(t, rc);
    }

    c->txn = t;
    *cursor = c;

    return DUR_OK;
}


void
dur_cursor_close(dur_cursor_t *c)
{
    if (c != NULL) {
        mdb_cursor_close(c->cursor);
        free(c);
    }
}


static dur_rc_t
dur_cursor_get(dur_cursor_t *c, MDB_cursor_op op, MDB_val *key, dur_str_t *k,
    dur_str_t *v)
{
    int      rc;
    MDB_val  value;

    if (dur_unlikely(c->txn->rc != DUR_OK)) {
        return c->txn->rc;
    }

    rc = mdb_cursor_get(c->cursor, key, &value, op);
    if (rc != 0) {
        return dur_txn_sticky(c->txn, rc);
    }

    *k = dur_str_make(key->mv_data, key->mv_size);

    if (v != NULL) {
        *v = dur_str_make(value.mv_data, value.mv_size);
    }

    return DUR_OK;
}


dur_rc_t
dur_cursor_seek(dur_cursor_t *c, dur_str_t key, dur_str_t *k, dur_str_t *v)
{
    MDB_val  mk = dur_store_val(key);

    return dur_cursor_get(c, key.len ? MDB_SET_RANGE : MDB_FIRST, &mk, k, v);
}


dur_rc_t
dur_cursor_next(dur_cursor_t *c, dur_str_t *k, dur_str_t *v)
{
    MDB_val  mk = { 0, NULL };

    return dur_cursor_get(c, MDB_NEXT, &mk, k, v);
}


dur_rc_t
dur_cursor_prev(dur_cursor_t *c, dur_str_t *k, dur_str_t *v)
{
    MDB_val  mk = { 0, NULL };

    return dur_cursor_get(c, MDB_PREV, &mk, k, v);
}


dur_rc_t
dur_cursor_last(dur_cursor_t *c, dur_str_t *k, dur_str_t *v)
{
    MDB_val  mk = { 0, NULL };

    return dur_cursor_get(c, MDB_LAST, &mk, k, v);
}


dur_rc_t
dur_cursor_del(dur_cursor_t *c)
{
    if (c->txn->rc != DUR_OK) {
        return c->txn->rc;
    }

    c->txn->writes++;

    return dur_txn_sticky(c->txn, mdb_cursor_del(c->cursor, 0));
}
