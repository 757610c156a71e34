
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * The files of time zones, for the engine, which reads none.  Called by the
 * commit thread: no pools, no log.
 */


#include "ngx_durable_process.h"

#include "engine/dur_zone.h"

#include <stdlib.h>


#define NGX_DURABLE_ZONE_DIR    "/usr/share/zoneinfo/"
#define NGX_DURABLE_ZONE_LOCAL  "/etc/localtime"


static dur_rc_t ngx_durable_zone_local(dur_buf_t *bytes);
static dur_rc_t ngx_durable_zone_named(dur_str_t name, dur_buf_t *bytes);
static dur_rc_t ngx_durable_zone_file(const char *path, dur_buf_t *bytes);


/* The empty name is the zone of the machine. */

dur_rc_t
ngx_durable_zone_read(void *data, dur_str_t name, dur_buf_t *bytes)
{
    (void) data;

    return name.len ? ngx_durable_zone_named(name, bytes)
                    : ngx_durable_zone_local(bytes);
}


/*
 * As the C library has it: TZ is a name, the path of a file or a rule, with
 * or without a colon before it.
 */

static dur_rc_t
ngx_durable_zone_local(dur_buf_t *bytes)
{
    char      *tz;
    dur_rc_t   rc;

    tz = getenv("TZ");

    if (tz == NULL) {
        return ngx_durable_zone_file(NGX_DURABLE_ZONE_LOCAL, bytes);
    }

    tz += (*tz == ':');

    if (*tz == '/') {
        return ngx_durable_zone_file(tz, bytes);
    }

    rc = ngx_durable_zone_named(dur_str_c(tz), bytes);

    return (rc == DUR_ENOTFOUND && *tz) ? dur_buf_addz(bytes, tz) : rc;
}


static dur_rc_t
ngx_durable_zone_named(dur_str_t name, dur_buf_t *bytes)
{
    char  path[sizeof(NGX_DURABLE_ZONE_DIR) + DUR_ZONE_NAME_MAX];

    if (!dur_zone_name(name)) {
        return DUR_ENOTFOUND;
    }

    (void) ngx_sprintf((u_char *) path, NGX_DURABLE_ZONE_DIR "%*s%Z",
                       name.len, name.data);

    return ngx_durable_zone_file(path, bytes);
}


static dur_rc_t
ngx_durable_zone_file(const char *path, dur_buf_t *bytes)
{
    ssize_t          n;
    dur_rc_t         rc;
    ngx_fd_t         fd;
    ngx_file_info_t  fi;

    /* O_NONBLOCK: it may be a pipe that nobody writes to */

    fd = open(path, O_RDONLY|O_CLOEXEC|O_NONBLOCK);

    if (fd == NGX_INVALID_FILE) {
        return DUR_ENOTFOUND;
    }

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        (void) ngx_close_file(fd);
        return DUR_ENOTFOUND;
    }

    rc = ngx_file_size(&fi) > DUR_ZONE_MAX
         ? DUR_ETOOBIG : dur_buf_reserve(bytes, DUR_ZONE_MAX);

    if (rc == DUR_OK) {
        n = read(fd, bytes->data + bytes->len, DUR_ZONE_MAX);

        if (n > 0) {
            bytes->len += n;

        } else {
            rc = DUR_ENOTFOUND;
        }
    }

    (void) ngx_close_file(fd);

    return rc;
}
