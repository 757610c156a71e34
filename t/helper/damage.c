/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * damage STORE TABLE [PREFIX]: overwrites the rows of a table whose keys begin
 * with the bytes PREFIX (hex) with what no encoder writes, and prints how many
 * there were.  For a store that nobody has open.
 */

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>


static void
check(int rc)
{
    if (rc != 0) {
        fprintf(stderr, "damage: %s\n", mdb_strerror(rc));
        exit(1);
    }
}


int
main(int argc, char **argv)
{
    int          rc;
    char         prefix[64];
    size_t       n, i, rows;
    MDB_env     *env;
    MDB_dbi      dbi;
    MDB_txn     *txn;
    MDB_val      k, v, bad;
    unsigned     byte;
    MDB_cursor  *c;

    if (argc < 3) {
        fprintf(stderr, "usage: damage STORE TABLE [PREFIX]\n");
        return 2;
    }

    n = argc > 3 ? strlen(argv[3]) / 2 : 0;
    n = n < sizeof(prefix) ? n : sizeof(prefix);

    for (i = 0; i < n; i++) {
        if (sscanf(argv[3] + 2 * i, "%2x", &byte) != 1) {
            return 2;
        }
        prefix[i] = (char) byte;
    }

    check(mdb_env_create(&env));
    check(mdb_env_set_maxdbs(env, 64));
    check(mdb_env_set_mapsize(env, (size_t) 1 << 30));
    check(mdb_env_open(env, argv[1], MDB_NOTLS, 0600));
    check(mdb_txn_begin(env, NULL, 0, &txn));
    check(mdb_dbi_open(txn, argv[2], 0, &dbi));
    check(mdb_cursor_open(txn, dbi, &c));

    rows = 0;

    while ((rc = mdb_cursor_get(c, &k, &v, MDB_NEXT)) == 0) {
        if (k.mv_size >= n && memcmp(k.mv_data, prefix, n) == 0) {
            bad.mv_data = "?";
            bad.mv_size = 1;
            check(mdb_cursor_put(c, &k, &bad, MDB_CURRENT));
            rows++;
        }
    }

    mdb_cursor_close(c);
    check(mdb_txn_commit(txn));
    mdb_env_close(env);

    printf("%zu\n", rows);

    return 0;
}
