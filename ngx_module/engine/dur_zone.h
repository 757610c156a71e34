/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Time zones: what the clocks on the wall say at an instant.  A zone is the
 * bytes of a TZif file (RFC 8536 and 9636, versions 1 to 4) or the text of a
 * POSIX rule ("CET-1CEST,M3.5.0,M10.5.0/3"); whoever calls reads the file.
 * Pure, and strict: a file is as foreign as a request.
 */

#ifndef DUR_ZONE_H
#define DUR_ZONE_H

#include "engine/dur_base.h"

#define DUR_ZONE_MAX  (32 * 1024)       /* bytes of a file */

/* The longest name, and what it is made of: letters, digits, "_+-/"; no part
 * is empty or begins with a dot. */
#define DUR_ZONE_NAME_MAX  64

/* When a rule changes the clocks, each year. */
typedef struct {
    uint8_t   form;             /* 'M': month, week, weekday; 'J': day from 1,
                                   leap days not counted; 'D': day from 0 */
    uint8_t   month;
    uint8_t   week;             /* 5: the last */
    uint8_t   weekday;
    uint16_t  day;
    int32_t   time;             /* seconds from midnight, +-167 hours */
} dur_zone_date_t;

typedef struct {
    int32_t          standard;  /* seconds east of UTC */
    int32_t          summer;
    bool             changes;   /* false: standard is all there is */
    dur_zone_date_t  begins;
    dur_zone_date_t  ends;
} dur_zone_rule_t;

/* Borrows from the bytes it was read from. */
typedef struct {
    uint32_t         ntimes;
    unsigned         width;     /* of a time, 4 or 8 bytes */
    const uint8_t   *times;
    const uint8_t   *indices;
    const uint8_t   *types;
    bool             ruled;     /* what follows the last time, or all */
    dur_zone_rule_t  rule;
} dur_zone_t;

/* A zone without changes and without an offset. */
void dur_zone_utc(dur_zone_t *zone);

/* DUR_EINVAL and a few words that end a sentence about the zone. */
dur_rc_t dur_zone_parse(dur_str_t bytes, dur_zone_t *zone, char err[80]);

/* Whether a text may be the name of a zone. */
bool dur_zone_name(dur_str_t name);

/* Those that need no data: UTC, Etc/UTC and the like. */
bool dur_zone_is_utc(dur_str_t name);

/* Seconds east of UTC at an instant (seconds), which hold until *until, or
 * longer; INT64_MAX: for ever. */
int32_t dur_zone_offset(const dur_zone_t *zone, int64_t at, int64_t *until);

#endif /* DUR_ZONE_H */
