/* SPDX-License-Identifier: BSD-2-Clause */

#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>


void
net_die(const char *fmt, ...)
{
    va_list  ap;

    fflush(stdout);

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);

    exit(1);
}


void
net_buf_reserve(net_buf_t *b, size_t n)
{
    size_t  size;

    if (b->size - b->len >= n) {
        return;
    }

    size = b->size != 0 ? b->size : 4096;

    while (size - b->len < n) {
        size *= 2;
    }

    if (size > 2 * (size_t) NET_MESSAGE_MAX) {
        net_die("a message is over %d bytes", NET_MESSAGE_MAX);
    }

    b->data = realloc(b->data, size);
    if (b->data == NULL) {
        net_die("no memory for %zu bytes", size);
    }

    b->size = size;
}


void
net_buf_add(net_buf_t *b, const void *p, size_t n)
{
    net_buf_reserve(b, n);
    memcpy(b->data + b->len, p, n);
    b->len += n;
}


void
net_buf_addf(net_buf_t *b, const char *fmt, ...)
{
    int      n;
    va_list  ap;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);

    net_buf_reserve(b, (size_t) n + 1);

    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t) n + 1, fmt, ap);
    va_end(ap);

    b->len += (size_t) n;
}


void
net_buf_consume(net_buf_t *b, size_t n)
{
    b->len -= n;

    if (b->len != 0) {
        memmove(b->data, b->data + n, b->len);
    }
}


void
net_buf_free(net_buf_t *b)
{
    free(b->data);
    *b = (net_buf_t) { 0 };
}


/* True when the line is "name: ..."; *value is then behind the blanks. */
static bool
net_header_is(const char *line, const char *end, const char *name,
    const char **value)
{
    size_t  n;

    n = strlen(name);

    if ((size_t) (end - line) <= n || line[n] != ':'
        || strncasecmp(line, name, n) != 0)
    {
        return false;
    }

    line += n + 1;

    while (line < end && *line == ' ') {
        line++;
    }

    *value = line;

    return true;
}


int
net_message_parse(const net_buf_t *b, net_message_t *m)
{
    const char  *head, *line, *end, *value;

    *m = (net_message_t) { 0 };

    if (b->len == 0) {
        return 0;
    }

    head = memmem(b->data, b->len, "\r\n\r\n", 4);
    if (head == NULL) {
        return b->len > 65536 ? -1 : 0;
    }

    end = memchr(b->data, '\r', b->len);
    m->start_line = b->data;
    m->start_len = (size_t) (end - b->data);

    if (m->start_len > 12 && memcmp(b->data, "HTTP/1.", 7) == 0) {
        m->status = (unsigned) strtoul(b->data + 9, NULL, 10);
    }

    while (end < head) {
        line = end + 2;
        end = memchr(line, '\r', (size_t) (head + 1 - line));

        if (end == NULL) {
            return -1;
        }

        if (net_header_is(line, end, "content-length", &value)) {
            m->body_len = strtoul(value, NULL, 10);

        } else if (net_header_is(line, end, "transfer-encoding", &value)) {
            return -1;

        } else if (net_header_is(line, end, "connection", &value)) {
            m->close = strncasecmp(value, "close", 5) == 0;
        }
    }

    if (m->body_len > NET_MESSAGE_MAX) {
        return -1;
    }

    m->body = head + 4;
    m->total = (size_t) (m->body - b->data) + m->body_len;

    return m->total <= b->len;
}


static struct sockaddr_in
net_address(const char *address)
{
    char                 host[64];
    const char          *colon;
    struct sockaddr_in   sin;

    colon = strrchr(address, ':');

    if (colon == NULL || (size_t) (colon - address) >= sizeof(host)) {
        net_die("\"%s\" is not host:port", address);
    }

    memcpy(host, address, (size_t) (colon - address));
    host[colon - address] = '\0';

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_port = htons((uint16_t) atoi(colon + 1));

    if (inet_pton(AF_INET, host, &sin.sin_addr) != 1) {
        net_die("\"%s\" is not an IPv4 address", host);
    }

    return sin;
}


static int
net_socket(void)
{
    int  fd, one;

    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        net_die("socket: %s", strerror(errno));
    }

    one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));

    return fd;
}


int
net_listen(const char *address)
{
    int                 fd, one;
    struct sockaddr_in  sin;

    sin = net_address(address);
    fd = net_socket();

    one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));

    if (bind(fd, (struct sockaddr *) &sin, sizeof(sin)) != 0
        || listen(fd, 1024) != 0)
    {
        net_die("listen on %s: %s", address, strerror(errno));
    }

    fcntl(fd, F_SETFL, O_NONBLOCK);

    return fd;
}


int
net_connect_blocking(const char *address)
{
    int                 fd;
    struct timeval      limit;
    struct sockaddr_in  sin;

    sin = net_address(address);
    fd = net_socket();

    limit = (struct timeval) { .tv_sec = 5 };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));

    if (connect(fd, (struct sockaddr *) &sin, sizeof(sin)) != 0) {
        close(fd);
        return -1;
    }

    return fd;
}


int
net_connect(const char *address)
{
    int  fd;

    fd = net_connect_blocking(address);
    if (fd < 0) {
        net_die("connect to %s: %s", address, strerror(errno));
    }

    fcntl(fd, F_SETFL, O_NONBLOCK);

    return fd;
}


bool
net_read(int fd, net_buf_t *b)
{
    ssize_t  n;

    for ( ;; ) {
        net_buf_reserve(b, 16384);

        n = recv(fd, b->data + b->len, b->size - b->len, 0);

        if (n == 0) {
            return false;
        }

        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }

        b->len += (size_t) n;

        if (b->len < b->size) {
            return true;
        }
    }
}


bool
net_write(int fd, const net_buf_t *b, size_t *off)
{
    ssize_t  n;

    while (*off < b->len) {
        n = send(fd, b->data + *off, b->len - *off, MSG_NOSIGNAL);

        if (n < 0) {
            return errno == EAGAIN || errno == EINTR;
        }

        *off += (size_t) n;
    }

    return true;
}


bool
net_exchange(int fd, const net_buf_t *request, net_buf_t *in,
    net_message_t *m)
{
    int      rc;
    size_t   off;
    ssize_t  n;

    off = 0;
    in->len = 0;

    if (!net_write(fd, request, &off) || off != request->len) {
        return false;
    }

    for ( ;; ) {
        net_buf_reserve(in, 4096);

        n = recv(fd, in->data + in->len, in->size - in->len, 0);
        if (n <= 0) {
            return false;
        }

        in->len += (size_t) n;

        rc = net_message_parse(in, m);
        if (rc != 0) {
            return rc > 0;
        }
    }
}


uint64_t
net_now_us(void)
{
    struct timespec  ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + (uint64_t) ts.tv_nsec / 1000;
}


void
net_hist_add(net_hist_t *h, uint64_t us)
{
    unsigned  shift, i;

    shift = 0;

    while ((us >> shift) >= 2 * NET_HIST_SUB) {
        shift++;
    }

    i = shift * NET_HIST_SUB + (unsigned) (us >> shift);

    if (i >= NET_HIST_BUCKETS) {
        i = NET_HIST_BUCKETS - 1;
    }

    h->bucket[i]++;
    h->count++;

    if (us > h->max) {
        h->max = us;
    }
}


uint64_t
net_hist_at(const net_hist_t *h, double percent)
{
    unsigned  i, shift;
    uint64_t  seen, want;

    want = (uint64_t) ((double) h->count * percent / 100);
    seen = 0;

    for (i = 0; i < NET_HIST_BUCKETS; i++) {
        seen += h->bucket[i];

        if (seen > want) {
            if (i < 2 * NET_HIST_SUB) {
                return i;
            }

            shift = i / NET_HIST_SUB - 1;
            return (uint64_t) (i - shift * NET_HIST_SUB) << shift;
        }
    }

    return h->max;
}
