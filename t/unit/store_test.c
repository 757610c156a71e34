/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_store.h"

#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char          path[64];
static dur_store_t  *store;


static dur_rc_t
open_store(bool create)
{
    char                 err[256];
    dur_store_options_t  opt;

    memset(&opt, 0, sizeof(opt));
    opt.path = path;
    opt.size = (uint64_t) 64 << 20;
    opt.create = create;
    opt.async = true;

    return dur_store_open(&store, &opt, err, sizeof(err));
}


static void
write_format(const char *text)
{
    int   fd;
    char  name[96];

    snprintf(name, sizeof(name), "%s/format", path);
    fd = open(name, O_WRONLY|O_CREAT|O_TRUNC, 0600);
    if (write(fd, text, strlen(text)) == -1) {
        ok(false, "the test can write");
    }
    close(fd);
}


static void
test_opening(void)
{
    char  err[256] = "";

    is_int(dur_store_check_format(path, err, sizeof(err)), DUR_OK,
           "a directory without a store passes the format check");
    ok(open_store(false) != DUR_OK,
       "who does not create cannot open what is not there");
    is_int(open_store(true), DUR_OK, "the leader creates the tables");
    dur_store_close(store);

    is_int(dur_store_check_format(path, err, sizeof(err)), DUR_OK,
           "a store of ours passes the format check");
    is_int(open_store(false), DUR_OK, "then a follower can open them");
    dur_store_close(store);

    write_format("2\n");
    is_int(dur_store_check_format(path, err, sizeof(err)), DUR_EFORMAT,
           "a newer format is refused");
    ok(strstr(err, "format 2") != NULL, "with a sentence that names it");
    is_int(open_store(true), DUR_EFORMAT, "also when it is opened");

    write_format("hello\n");
    is_int(dur_store_check_format(path, err, sizeof(err)), DUR_EFORMAT,
           "a foreign format file is refused");

    write_format("1\n");
}


static void
test_transactions(void)
{
    dur_str_t   v;
    dur_txn_t  *t;

    dur_txn_begin(store, true, &t);
    is_int(dur_txn_get(t, DUR_T_META, dur_str("a"), &v), DUR_ENOTFOUND,
           "a missing key is not found");
    is_int(dur_txn_put(t, DUR_T_META, dur_str("a"), dur_str("1")), DUR_OK,
           "that is not sticky: a put works afterwards");
    is_int(dur_txn_insert(t, DUR_T_META, dur_str("a"), dur_str("2"), &v),
           DUR_EEXIST, "an insert does not overwrite");
    is_str(v, "1", "it gives the value that is there");
    is_int(dur_txn_rc(t), DUR_OK, "nor is that sticky");
    is_int(dur_txn_commit(t), DUR_OK, "the transaction commits");

    dur_txn_begin(store, true, &t);
    dur_txn_put(t, DUR_T_META, dur_str("a"), dur_str("3"));
    dur_txn_abort(t);

    dur_txn_begin(store, false, &t);
    dur_txn_get(t, DUR_T_META, dur_str("a"), &v);
    is_str(v, "1", "an aborted put did not happen");
    is_int(dur_txn_count(t, DUR_T_META), 1, "a table knows its size");
    dur_txn_abort(t);

    dur_txn_begin(store, true, &t);
    dur_txn_put(t, DUR_T_META, dur_str("b"), dur_str("1"));
    ok(dur_txn_put(t, DUR_T_META, dur_str_null, dur_str("1")) != DUR_OK,
       "an empty key is refused");
    ok(dur_txn_put(t, DUR_T_META, dur_str("c"), dur_str("1")) != DUR_OK,
       "after a failure every call fails");
    ok(dur_txn_get(t, DUR_T_META, dur_str("a"), &v) != DUR_OK
       && dur_txn_del(t, DUR_T_META, dur_str("a")) != DUR_OK,
       "reads and deletes as well");
    ok(dur_txn_commit(t) != DUR_OK, "and so does the commit");

    dur_txn_begin(store, false, &t);
    is_int(dur_txn_get(t, DUR_T_META, dur_str("b"), &v), DUR_ENOTFOUND,
           "of which nothing happened");
    dur_txn_abort(t);
}


static void
test_append(void)
{
    dur_str_t   v;
    dur_txn_t  *t;

    dur_txn_begin(store, true, &t);
    is_int(dur_txn_append(t, DUR_T_TASK, dur_str("k2"), dur_str("2")),
           DUR_OK, "the highest key is appended");
    is_int(dur_txn_append(t, DUR_T_TASK, dur_str("k1"), dur_str("1")),
           DUR_OK, "a lower one is put where it belongs");
    dur_txn_get(t, DUR_T_TASK, dur_str("k1"), &v);
    is_str(v, "1", "and found there");
    dur_txn_commit(t);
}


static void
test_cursors(void)
{
    char           key[8];
    unsigned       i;
    dur_str_t      k, v;
    dur_txn_t     *t;
    dur_cursor_t  *c;

    dur_txn_begin(store, true, &t);

    for (i = 0; i < 5; i++) {
        snprintf(key, sizeof(key), "c%u", i * 2);
        dur_txn_put(t, DUR_T_TIMER, dur_str_c(key), dur_str("x"));
    }

    dur_cursor_open(t, DUR_T_TIMER, &c);

    dur_cursor_seek(c, dur_str_null, &k, &v);
    is_str(k, "c0", "an empty key seeks the first row");
    dur_cursor_seek(c, dur_str("c3"), &k, NULL);
    is_str(k, "c4", "a seek finds the first key that is not below");
    dur_cursor_next(c, &k, NULL);
    is_str(k, "c6", "the next one follows");
    dur_cursor_prev(c, &k, NULL);
    is_str(k, "c4", "the one before comes before");
    dur_cursor_last(c, &k, NULL);
    is_str(k, "c8", "the last one is last");
    is_int(dur_cursor_next(c, &k, NULL), DUR_ENOTFOUND,
           "nothing follows it");
    is_int(dur_cursor_seek(c, dur_str("d"), &k, NULL), DUR_ENOTFOUND,
           "nothing is above all");
    is_int(dur_txn_rc(t), DUR_OK, "none of which is an error");

    dur_cursor_seek(c, dur_str("c4"), &k, NULL);
    is_int(dur_cursor_del(c), DUR_OK, "the row under the cursor is deleted");
    dur_cursor_seek(c, dur_str("c4"), &k, NULL);
    is_str(k, "c6", "and gone");

    dur_cursor_close(c);
    dur_txn_commit(t);
}


static void
test_full(void)
{
    char               key[16];
    unsigned           i;
    uint8_t            value[4000] = { 0 };
    dur_rc_t           rc;
    dur_txn_t         *t;
    dur_store_stat_t   st;

    rc = DUR_OK;

    for (i = 0; i < 40000 && rc == DUR_OK; i++) {
        dur_txn_begin(store, true, &t);
        snprintf(key, sizeof(key), "%08u", i);
        dur_txn_put(t, DUR_T_PAYLOAD, dur_str_c(key),
                    dur_str_make(value, sizeof(value)));
        rc = dur_txn_commit(t);
    }

    is_int(rc, DUR_EFULL, "a map that is full says so");
    is_int(dur_store_stat(store, &st), DUR_OK, "its figures can be read");
    ok(st.pages_used <= st.pages_total
       && st.pages_used > st.pages_total / 10 * 9,
       "and say that it is full");

    for (i = 0; i < 1000; i++) {
        dur_txn_begin(store, true, &t);
        snprintf(key, sizeof(key), "%08u", i);
        dur_txn_del(t, DUR_T_PAYLOAD, dur_str_c(key));
        rc = dur_txn_commit(t);
        if (rc != DUR_OK) {
            break;
        }
    }

    is_int(rc, DUR_OK, "rows of a full store can be deleted");

    dur_txn_begin(store, true, &t);
    dur_txn_put(t, DUR_T_PAYLOAD, dur_str("new"), dur_str("1"));
    is_int(dur_txn_commit(t), DUR_OK, "and then there is room again");
}


static off_t
file_size(void)
{
    char         name[96];
    struct stat  st;

    snprintf(name, sizeof(name), "%s/data.mdb", path);

    return stat(name, &st) == 0 ? st.st_size : -1;
}


static void
cut(off_t size)
{
    char  name[96];

    snprintf(name, sizeof(name), "%s/data.mdb", path);
    ok(truncate(name, size) == 0, "the file is cut");
}


static void
fill(char from, char to, bool put)
{
    char        key[16], c;
    uint8_t     value[4000];
    unsigned    i;
    dur_txn_t  *t;

    memset(value, 'v', sizeof(value));

    for (c = from; c <= to; c++) {
        dur_txn_begin(store, true, &t);

        for (i = 0; i < 100; i++) {
            snprintf(key, sizeof(key), "%c%08u", c, i);

            if (put) {
                dur_txn_put(t, DUR_T_PAYLOAD, dur_str_c(key),
                            dur_str_make(value, sizeof(value)));
            } else {
                dur_txn_del(t, DUR_T_PAYLOAD, dur_str_c(key));
            }
        }

        dur_txn_commit(t);
    }
}


static void
test_cut(void)
{
    int         i;
    off_t       size;
    dur_str_t   value;
    dur_txn_t  *t;

    is_int(open_store(true), DUR_OK, "a store opens");
    fill('a', 'd', true);
    fill('b', 'd', false);

    for (i = 0; i < 20; i++) {
        fill('a', 'a', true);           /* moves to pages that are free */
    }

    dur_store_close(store);

    size = file_size();
    cut(size - 64 * 4096);
    is_int(open_store(true), DUR_OK,
           "an end without pages in use may be missing");
    is_int(file_size(), size, "it is a hole then");

    dur_txn_begin(store, false, &t);
    is_int(dur_txn_get(t, DUR_T_PAYLOAD, dur_str("a00000099"), &value),
           DUR_OK, "all rows are there");
    is_int(value.len, 4000, "and whole");
    dur_txn_abort(t);
    fill('b', 'd', true);
    dur_store_close(store);

    is_int(open_store(true), DUR_OK, "it can be written to its old size");
    dur_store_close(store);

    cut(size / 2);
    is_int(open_store(true), DUR_ECORRUPT, "a file that was cut is damaged");
    is_int(open_store(true), DUR_ECORRUPT, "also when it is tried again");
    is_int(file_size(), size / 2, "and is left as it was");

    cut(0);
    is_int(open_store(true), DUR_OK, "an empty file is a new store");
    dur_store_close(store);
}


int
main(void)
{
    char  name[96];

    snprintf(path, sizeof(path), "%s/dur-store-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(path) == NULL) {
        return 2;
    }

    test_opening();
    test_cut();

    is_int(open_store(true), DUR_OK, "the store opens again");
    test_transactions();
    test_append();
    test_cursors();
    test_full();
    dur_store_close(store);

    snprintf(name, sizeof(name), "%s/data.mdb", path);
    unlink(name);
    snprintf(name, sizeof(name), "%s/lock.mdb", path);
    unlink(name);
    snprintf(name, sizeof(name), "%s/format", path);
    unlink(name);
    rmdir(path);

    return done_testing();
}
