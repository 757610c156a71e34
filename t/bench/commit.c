/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The floor under every durable answer: what LMDB alone takes to commit the
 * rows of N events (event, event -> run, run, ready) with one sync, one
 * commit after the other.  Prints "commits=.. us=.. rows_s=..".
 *
 *     commit DIRECTORY SECONDS EVENTS_PER_COMMIT
 */

#include "net.h"

#include <endian.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_TABLES  4

static const size_t  commit_value_size[COMMIT_TABLES] = { 360, 8, 160, 32 };


static void
commit_check(int rc, const char *what)
{
    if (rc != 0) {
        net_die("%s: %s", what, mdb_strerror(rc));
    }
}


static MDB_env *
commit_open(const char *path, MDB_dbi dbi[COMMIT_TABLES])
{
    int       i;
    char      name[16];
    MDB_env  *env;
    MDB_txn  *txn;

    commit_check(mdb_env_create(&env), "mdb_env_create");
    commit_check(mdb_env_set_maxdbs(env, COMMIT_TABLES), "maxdbs");
    commit_check(mdb_env_set_mapsize(env, (size_t) 8 << 30), "mapsize");
    commit_check(mdb_env_open(env, path, MDB_NOTLS, 0600), path);
    commit_check(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");

    for (i = 0; i < COMMIT_TABLES; i++) {
        snprintf(name, sizeof(name), "t%d", i);
        commit_check(mdb_dbi_open(txn, name, MDB_CREATE, &dbi[i]), name);
    }

    commit_check(mdb_txn_commit(txn), "mdb_txn_commit");

    return env;
}


static void
commit_one(MDB_env *env, const MDB_dbi dbi[COMMIT_TABLES], uint64_t *key,
    unsigned events)
{
    int         i;
    char        value[512] = { 0 };
    unsigned    n;
    uint64_t    be[2] = { 0 };
    MDB_txn    *txn;
    MDB_val     k, v;

    commit_check(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");

    for (n = 0; n < events; n++) {
        be[0] = htobe64(++*key);

        for (i = 0; i < COMMIT_TABLES; i++) {
            k = (MDB_val) { .mv_size = sizeof(be), .mv_data = be };
            v = (MDB_val) { .mv_size = commit_value_size[i],
                            .mv_data = value };
            commit_check(mdb_put(txn, dbi[i], &k, &v, 0), "mdb_put");
        }
    }

    commit_check(mdb_txn_commit(txn), "mdb_txn_commit");
}


int
main(int argc, char **argv)
{
    double              seconds;
    MDB_dbi             dbi[COMMIT_TABLES];
    MDB_env            *env;
    unsigned            events;
    uint64_t            key, start, before, now, end;
    static net_hist_t   hist;

    if (argc != 4) {
        net_die("usage: commit DIRECTORY SECONDS EVENTS_PER_COMMIT");
    }

    env = commit_open(argv[1], dbi);
    events = (unsigned) atoi(argv[3]);
    key = 0;

    start = now = net_now_us();
    end = start + (uint64_t) (atof(argv[2]) * 1e6);

    while (now < end) {
        before = now;
        commit_one(env, dbi, &key, events);
        now = net_now_us();
        net_hist_add(&hist, now - before);
    }

    seconds = (double) (now - start) / 1e6;

    printf("commits=%.0f p50_us=%llu p99_us=%llu events_s=%.0f\n",
           (double) hist.count / seconds,
           (unsigned long long) net_hist_at(&hist, 50),
           (unsigned long long) net_hist_at(&hist, 99),
           (double) key / seconds);

    mdb_env_close(env);

    return 0;
}
