/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * A disk that fails on request, for LD_PRELOAD.  While the file named by
 * DURABLE_FAULT exists, its two words say what the store's data.mdb suffers:
 *
 *     sync EIO      fdatasync() and fsync() fail
 *     sync HANG     they return when the file is gone
 *     write ENOSPC  writing fails
 *     write EIO
 *     meta EIO      only the last write of a commit, that of its meta page
 *
 * Every other file is left alone.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FAULT_META  8192        /* both meta pages */

static char  fault_path[4096];


__attribute__((constructor))
static void
fault_init(void)
{
    const char  *path;

    path = getenv("DURABLE_FAULT");

    if (path != NULL) {
        snprintf(fault_path, sizeof(fault_path), "%s", path);
    }
}


/* 0, an errno, or -1: hang.  Nothing here may change errno otherwise. */

static int
fault_read(const char *what)
{
    int      fd, rc;
    char     text[32], word[16], how[16];
    ssize_t  n;

    fd = open(fault_path, O_RDONLY|O_CLOEXEC);
    if (fd == -1) {
        return 0;
    }

    n = read(fd, text, sizeof(text) - 1);
    close(fd);

    if (n <= 0) {
        return 0;
    }

    text[n] = '\0';

    if (sscanf(text, "%15s %15s", word, how) != 2
        || strcmp(word, what) != 0)
    {
        return 0;
    }

    rc = strcmp(how, "HANG") == 0 ? -1
         : strcmp(how, "ENOSPC") == 0 ? ENOSPC : EIO;

    return rc;
}


static int
fault_of(int fd, const char *what)
{
    int      rc, saved;
    char     link[64], name[4096];
    ssize_t  n;

    saved = errno;
    rc = 0;

    if (fault_path[0] != '\0' && access(fault_path, F_OK) == 0) {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, name, sizeof(name) - 1);

        if (n > 9 && memcmp(name + n - 9, "/data.mdb", 9) == 0) {
            rc = fault_read(what);
        }
    }

    errno = saved;

    return rc;
}


static int
fault_sync(int fd)
{
    int              rc;
    struct timespec  ts = { 0, 5000000 };

    while ((rc = fault_of(fd, "sync")) == -1) {
        nanosleep(&ts, NULL);
    }

    return rc;
}


#define fault_real(name)                                                     \
    static __typeof__(&name)  real;                                          \
    if (real == NULL) {                                                      \
        *(void **) &real = dlsym(RTLD_NEXT, #name);                          \
    }


int
fdatasync(int fd)
{
    fault_real(fdatasync);

    errno = fault_sync(fd);

    return errno ? -1 : real(fd);
}


int
fsync(int fd)
{
    fault_real(fsync);

    errno = fault_sync(fd);

    return errno ? -1 : real(fd);
}


static ssize_t
fault_pwrite(int fd, const void *p, size_t n, off_t offset)
{
    fault_real(pwrite);

    errno = fault_of(fd, offset < FAULT_META ? "meta" : "write");

    return errno ? -1 : real(fd, p, n, offset);
}


ssize_t
pwrite(int fd, const void *p, size_t n, off_t offset)
{
    return fault_pwrite(fd, p, n, offset);
}


ssize_t
pwrite64(int fd, const void *p, size_t n, off_t offset)
{
    return fault_pwrite(fd, p, n, offset);
}


ssize_t
writev(int fd, const struct iovec *iov, int n)
{
    fault_real(writev);

    errno = fault_of(fd, "write");

    return errno ? -1 : real(fd, iov, n);
}
