/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_store.h"
#include "engine/dur_store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>


#define DUR_STORE_LOCK_SIZE  (64 * 1024)


dur_rc_t
dur_store_check_format(const char *path, char *err, size_t size)
{
    char      name[4096], text[64], *end;
    FILE     *f;
    size_t    n;
    long      format;

    snprintf(name, sizeof(name), "%s/format", path);

    f = fopen(name, "re");
    if (f == NULL) {
        if (errno == ENOENT || errno == ENOTDIR || errno == EACCES) {
            return DUR_OK;
        }

        snprintf(err, size, "cannot read \"%s\": %s", name, strerror(errno));
        return DUR_EIO;
    }

    n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';

    format = strtol(text, &end, 10);
    if (end == text || (*end != '\n' && *end != '\0')) {
        snprintf(err, size, "\"%s\" does not hold a store format: is \"%s\" "
                 "really a durable store?", name, path);
        return DUR_EFORMAT;
    }

    if (format > DUR_STORE_FORMAT) {
        snprintf(err, size, "the store \"%s\" has format %ld, this version "
                 "knows %d: start the version that wrote it, or use another "
                 "path", path, format, DUR_STORE_FORMAT);
        return DUR_EFORMAT;
    }

    if (format < DUR_STORE_FORMAT) {
        snprintf(err, size, "the store \"%s\" has format %ld, which this "
                 "version (format %d) does not migrate", path, format,
                 DUR_STORE_FORMAT);
        return DUR_EFORMAT;
    }

    return DUR_OK;
}


/* Written under a temporary name, so that it is whole or absent. */
dur_rc_t
dur_store_write_format(const char *path, char *err, size_t size)
{
    int       fd, n;
    char      name[4096], temp[4096], text[16];
    ssize_t   written;

    snprintf(name, sizeof(name), "%s/format", path);

    if (access(name, F_OK) == 0) {
        return DUR_OK;
    }

    snprintf(temp, sizeof(temp), "%s/format.new", path);
    n = snprintf(text, sizeof(text), "%d\n", DUR_STORE_FORMAT);

    fd = open(temp, O_WRONLY|O_CREAT|O_TRUNC|O_CLOEXEC, 0600);
    if (fd == -1) {
        goto failed;
    }

    written = write(fd, text, (size_t) n);

    if (written != n || fsync(fd) == -1) {
        close(fd);
        goto failed;
    }

    close(fd);

    if (rename(temp, name) == -1) {
        goto failed;
    }

    return DUR_OK;

failed:

    snprintf(err, size, "cannot write \"%s\": %s", name, strerror(errno));
    return dur_store_rc(errno);
}


dur_rc_t
dur_store_reserve_lock(const char *path, char *err, size_t size)
{
    int   fd, rc;
    char  name[4096];

    snprintf(name, sizeof(name), "%s/lock.mdb", path);

    fd = open(name, O_RDWR|O_CREAT|O_CLOEXEC, 0600);
    if (fd == -1) {
        rc = errno;

    } else {
        rc = fallocate(fd, 0, 0, DUR_STORE_LOCK_SIZE) == -1 ? errno : 0;
        close(fd);
    }

    if (rc == 0 || rc == EOPNOTSUPP || rc == ENOSYS || rc == EINTR) {
        return DUR_OK;
    }

    snprintf(err, size, "cannot reserve \"%s\": %s", name, strerror(rc));

    return dur_store_rc(rc);
}


const char *
dur_store_table_name(dur_table_t table)
{
    static const char  *names[DUR_T_MAX] = {
        [DUR_T_META] = "meta",
        [DUR_T_APP] = "app",
        [DUR_T_FUNCTION] = "function",
        [DUR_T_NAME] = "name",
        [DUR_T_EVENT] = "event",
        [DUR_T_EVENT_RUN] = "event_run",
        [DUR_T_RUN] = "run",
        [DUR_T_STEP] = "step",
        [DUR_T_PAYLOAD] = "payload",
        [DUR_T_TIMER] = "timer",
        [DUR_T_READY] = "ready",
        [DUR_T_LEASE] = "lease",
        [DUR_T_IDEM] = "idem",
        [DUR_T_ENDED] = "ended",
        [DUR_T_TASK] = "task",
        [DUR_T_HISTORY] = "history",
        [DUR_T_WAIT] = "wait",
        [DUR_T_FLOW] = "flow",
        [DUR_T_TARGET] = "target",
        [DUR_T_UPLOAD] = "upload",
        [DUR_T_CANCELLATION] = "cancellation",
        [DUR_T_REDELIVERY] = "redelivery",
        [DUR_T_BLOCKED] = "blocked",
        [DUR_T_PLACE] = "place",
        [DUR_T_SERVED] = "served",
        [DUR_T_DEFINITION] = "definition",
        [DUR_T_BULK] = "bulk",
    };

    return names[table];
}
