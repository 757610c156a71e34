/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Two requests to our own server.  See durable_health.h.
 */

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <jansson.h>

#include "durable_health.h"


#define DURABLE_HEALTH_WAIT  300000     /* us */


static int
durable_health_connect(const char *address, unsigned port)
{
    int               fd;
    char              text[16];
    struct timeval    tv;
    struct addrinfo   hints, *list;

    /* A socket that listens everywhere is reached here. */
    if (strcmp(address, "0.0.0.0") == 0) {
        address = "127.0.0.1";

    } else if (strcmp(address, "::") == 0) {
        address = "::1";
    }

    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    snprintf(text, sizeof(text), "%u", port);

    if (getaddrinfo(address, text, &hints, &list) != 0) {
        return -1;
    }

    fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    tv.tv_sec = 0;
    tv.tv_usec = DURABLE_HEALTH_WAIT;

    if (fd != -1
        && (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == -1
            || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == -1
            || connect(fd, list->ai_addr, list->ai_addrlen) == -1))
    {
        close(fd);
        fd = -1;
    }

    freeaddrinfo(list);

    return fd;
}


static void
durable_health_error(const char *answer, char *unwell, size_t size)
{
    json_t      *body;
    const char  *p, *error;

    p = strstr(answer, "\r\n\r\n");
    body = p != NULL ? json_loads(p + 4, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    error = json_string_value(json_object_get(body, "error"));

    if (error != NULL) {
        snprintf(unwell, size, "%s", error);
    } else {
        snprintf(unwell, size, "it answers \"%.*s\".",
                 (int) strcspn(answer, "\r\n"), answer);
    }

    json_decref(body);
}


/* The whole answer, terminated; empty when there is none. */
static void
durable_health_get(const char *address, unsigned port, const char *path,
    char *answer, size_t size)
{
    int      fd, n;
    char     request[256];
    size_t   len;
    ssize_t  got;

    answer[0] = '\0';

    fd = durable_health_connect(address, port);
    if (fd == -1) {
        return;
    }

    n = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\n"
                 "Host: localhost\r\nConnection: close\r\n\r\n", path);
    len = 0;

    if (send(fd, request, (size_t) n, MSG_NOSIGNAL) == n) {
        do {
            got = recv(fd, answer + len, size - 1 - len, 0);
            len += got > 0 ? (size_t) got : 0;
        } while (got > 0 && len < size - 1);
    }

    close(fd);
    answer[len] = '\0';
}


bool
durable_health(const char *address, unsigned port, const char *token,
    char *unwell, size_t size)
{
    char  answer[4096];

    durable_health_get(address, port, DURABLE_HEALTH_TOKEN, answer,
                       sizeof(answer));

    if (strstr(answer, token) == NULL) {
        return false;
    }

    durable_health_get(address, port, "/health", answer, sizeof(answer));

    if (strncmp(answer, "HTTP/1.1 200", 12) == 0) {
        return true;
    }

    if (*answer != '\0') {
        durable_health_error(answer, unwell, size);
    }

    return false;
}
