/* SPDX-License-Identifier: BSD-2-Clause */

#include "durable_body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>


#define DURABLE_BODY_FIRST  1024


void
durable_body_init(durable_body_t *body)
{
    memset(body, 0, sizeof(*body));
    body->fd = -1;
}


void
durable_body_reset(durable_body_t *body, size_t keep)
{
    if (body->fd != -1) {
        if (body->data != NULL) {
            munmap(body->data, body->len);
        }

        close(body->fd);
        durable_body_init(body);
        return;
    }

    if (body->size > keep) {
        free(body->data);
        body->data = NULL;
        body->size = 0;
    }

    body->len = 0;
}


static int
durable_body_file(void)
{
    int          fd;
    char         path[4096];
    const char  *dir;

    dir = getenv("TMPDIR");
    if (dir == NULL || dir[0] == '\0') {
        dir = "/tmp";
    }

    fd = open(dir, O_TMPFILE|O_RDWR|O_CLOEXEC|O_EXCL, 0600);
    if (fd != -1) {
        return fd;
    }

    /* not every file system knows O_TMPFILE */

    if (snprintf(path, sizeof(path), "%s/durable-XXXXXX", dir)
        >= (int) sizeof(path))
    {
        return -1;
    }

    fd = mkostemp(path, O_CLOEXEC);
    if (fd != -1) {
        unlink(path);
    }

    return fd;
}


static dur_rc_t
durable_body_write(durable_body_t *body, const uint8_t *p, size_t n)
{
    ssize_t  done;

    while (n) {
        done = write(body->fd, p, n);

        if (done == -1) {
            if (errno == EINTR) {
                continue;
            }

            return DUR_EIO;
        }

        p += done;
        n -= (size_t) done;
        body->len += (size_t) done;
    }

    return DUR_OK;
}


/* Moves what is there to a file.  Without a file it stays in memory. */
static dur_rc_t
durable_body_spill(durable_body_t *body)
{
    size_t     len;
    uint8_t   *data;
    dur_rc_t   rc;

    body->fd = durable_body_file();
    if (body->fd == -1) {
        return DUR_ENOTFOUND;
    }

    data = body->data;
    len = body->len;

    body->data = NULL;
    body->len = 0;
    body->size = 0;

    rc = durable_body_write(body, data, len);
    free(data);

    return rc;
}


dur_rc_t
durable_body_add(durable_body_t *body, const void *p, size_t n)
{
    size_t    size;
    uint8_t  *data;
    dur_rc_t  rc;

    if (body->fd == -1 && body->len + n > DURABLE_BODY_SPOOL) {
        rc = durable_body_spill(body);
        if (rc != DUR_OK && rc != DUR_ENOTFOUND) {
            return rc;
        }
    }

    if (body->fd != -1) {
        return durable_body_write(body, p, n);
    }

    if (n > body->size - body->len) {
        size = body->size ? body->size : DURABLE_BODY_FIRST;
        while (size < body->len + n) {
            size *= 2;
        }

        data = realloc(body->data, size);
        if (data == NULL) {
            return DUR_ENOMEM;
        }

        body->data = data;
        body->size = size;
    }

    if (n) {
        memcpy(body->data + body->len, p, n);
        body->len += n;
    }

    return DUR_OK;
}


dur_rc_t
durable_body_seal(durable_body_t *body)
{
    void  *p;

    if (body->fd == -1 || body->data != NULL) {
        return DUR_OK;
    }

    p = mmap(NULL, body->len, PROT_READ, MAP_SHARED, body->fd, 0);
    if (p == MAP_FAILED) {
        return DUR_EIO;
    }

    body->data = p;

    return DUR_OK;
}
