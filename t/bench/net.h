/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * What the bench programs share: a growable buffer, loopback sockets, the
 * monotonic clock, a histogram of microseconds, and just enough HTTP/1.1 to
 * cut a stream into messages that carry a Content-Length.  Everything ends
 * the program on a failure of the system: a bench has nothing to recover.
 */

#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_MESSAGE_MAX  (32 * 1024 * 1024)

typedef struct {
    char    *data;
    size_t   len;
    size_t   size;
} net_buf_t;

/* Room for n more bytes behind len. */
void net_buf_reserve(net_buf_t *b, size_t n);
void net_buf_add(net_buf_t *b, const void *p, size_t n);
void net_buf_addf(net_buf_t *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void net_buf_consume(net_buf_t *b, size_t n);
void net_buf_free(net_buf_t *b);

/* One HTTP message in a buffer; borrows from it. */
typedef struct {
    const char  *start_line;    /* up to start_len, without CR LF */
    size_t       start_len;
    const char  *body;
    size_t       body_len;
    size_t       total;         /* head and body */
    unsigned     status;        /* 0 in a request */
    bool         close;         /* Connection: close */
} net_message_t;

/* 1: m is complete, 0: more bytes are needed, -1: no HTTP we understand. */
int net_message_parse(const net_buf_t *b, net_message_t *m);

/* "127.0.0.1:8288"; the sockets are non-blocking with TCP_NODELAY. */
int net_listen(const char *address);
int net_connect(const char *address);

/* A blocking socket that gives up after five seconds. */
int net_connect_blocking(const char *address);

/* Appends what the socket holds: false at its end. */
bool net_read(int fd, net_buf_t *b);

/* Writes from *off on; false when the peer is gone. */
bool net_write(int fd, const net_buf_t *b, size_t *off);

/* Sends one request and waits for its whole answer; the buffer owns it. */
bool net_exchange(int fd, const net_buf_t *request, net_buf_t *in,
    net_message_t *m);

uint64_t net_now_us(void);

void net_die(const char *fmt, ...)
    __attribute__((noreturn, format(printf, 1, 2)));


/* Microseconds in buckets of at most 1.6 % width. */
#define NET_HIST_SUB      64
#define NET_HIST_BUCKETS  (NET_HIST_SUB * 40)

typedef struct {
    uint64_t  count;
    uint64_t  max;
    uint64_t  bucket[NET_HIST_BUCKETS];
} net_hist_t;

void net_hist_add(net_hist_t *h, uint64_t us);
uint64_t net_hist_at(const net_hist_t *h, double percent);

#endif /* BENCH_NET_H */
