/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_ulid.h"
#include "engine/dur_sign.h"


#define DUR_SEED_ENTROPY  10
#define DUR_ULID_MS_MAX   (((uint64_t) 1 << 48) - 1)


static const char  dur_crockford[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
static const char  dur_hex_digits[] = "0123456789abcdef";

/*
 * The namespace of the project's UUIDs, a random UUID made once.  Changing it
 * changes the id of every app and function.
 */
static const uint8_t  dur_uuid_namespace[16] = {
    0x6f, 0x1c, 0x0e, 0x52, 0x9b, 0x7d, 0x4a, 0x36,
    0x8e, 0x21, 0x5d, 0xc4, 0x0a, 0x93, 0x77, 0xf8
};


void
dur_ulid_make(dur_ulid_t *u, uint64_t ms, const uint8_t entropy[10])
{
    uint8_t  p[8];

    dur_put64(p, ms);

    memcpy(u->b, p + 2, 6);
    memcpy(u->b + 6, entropy, 10);
}


uint64_t
dur_ulid_ms(const dur_ulid_t *u)
{
    return dur_get64(u->b) >> 16;
}


/* 130 bits of text for 128 bits: the first character holds three of them. */

void
dur_ulid_text(const dur_ulid_t *u, char text[DUR_ULID_TEXT_LEN + 1])
{
    uint64_t  hi, lo;

    hi = dur_get64(u->b);
    lo = dur_get64(u->b + 8);

    for (int i = DUR_ULID_TEXT_LEN - 1; i >= 0; i--) {
        text[i] = dur_crockford[lo & 31];
        lo = (lo >> 5) | (hi << 59);
        hi >>= 5;
    }

    text[DUR_ULID_TEXT_LEN] = '\0';
}


/* The value of a Crockford digit, -1 for other characters. */

static int
dur_crockford_value(uint8_t c)
{
    static const int8_t  letters[26] = {
        /*  a   b   c   d   e   f   g   h   i   j   k   l   m */
           10, 11, 12, 13, 14, 15, 16, 17, -1, 18, 19, -1, 20,
        /*  n   o   p   q   r   s   t   u   v   w   x   y   z */
           21, -1, 22, 23, 24, 25, 26, -1, 27, 28, 29, 30, 31
    };

    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    if (c >= 'a' && c <= 'z') {
        return letters[c - 'a'];
    }

    return -1;
}


dur_rc_t
dur_ulid_parse(dur_str_t text, dur_ulid_t *u)
{
    int       v;
    uint64_t  hi, lo;

    if (text.len != DUR_ULID_TEXT_LEN || text.data[0] > '7') {
        return DUR_EINVAL;
    }

    hi = 0;
    lo = 0;

    for (size_t i = 0; i < DUR_ULID_TEXT_LEN; i++) {
        v = dur_crockford_value(text.data[i]);
        if (v < 0) {
            return DUR_EINVAL;
        }

        hi = (hi << 5) | (lo >> 59);
        lo = (lo << 5) | (uint64_t) v;
    }

    dur_put64(u->b, hi);
    dur_put64(u->b + 8, lo);

    return DUR_OK;
}


dur_rc_t
dur_ulid_seed_parse(dur_str_t header, uint64_t *ms, uint8_t entropy[10])
{
    size_t     i, n;
    uint64_t   v;
    uint8_t    out[DUR_SEED_ENTROPY];
    dur_str_t  rest;

    v = 0;

    for (i = 0; i < header.len && header.data[i] != ','; i++) {
        if (header.data[i] < '0' || header.data[i] > '9') {
            return DUR_EINVAL;
        }

        v = v * 10 + (header.data[i] - '0');

        if (v > DUR_ULID_MS_MAX) {
            return DUR_EINVAL;
        }
    }

    if (i == 0 || i == header.len) {
        return DUR_EINVAL;
    }

    rest = dur_str_make(header.data + i + 1, header.len - i - 1);

    if (dur_unbase64(rest, out, sizeof(out), &n) != DUR_OK
        || n != sizeof(out))
    {
        return DUR_EINVAL;
    }

    *ms = v;
    memcpy(entropy, out, sizeof(out));

    return DUR_OK;
}


void
dur_ulid_from_seed(dur_ulid_t *u, uint64_t ms, const uint8_t entropy[10],
    uint32_t index)
{
    uint8_t  e[DUR_SEED_ENTROPY];

    memcpy(e, entropy, sizeof(e));
    dur_put32(e + 6, dur_get32(e + 6) + index);     /* wraps, as upstream */

    dur_ulid_make(u, ms, e);
}


void
dur_hex(const uint8_t *p, size_t n, char *text)
{
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = dur_hex_digits[p[i] >> 4];
        text[2 * i + 1] = dur_hex_digits[p[i] & 15];
    }

    text[2 * n] = '\0';
}


static int
dur_hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    c |= 0x20;

    return (c >= 'a' && c <= 'f') ? c - 'a' + 10 : -1;
}


dur_rc_t
dur_unhex(dur_str_t text, uint8_t *p, size_t n)
{
    int  hi, lo;

    if (text.len % 2 != 0 || text.len / 2 != n) {
        return DUR_EINVAL;
    }

    for (size_t i = 0; i < n; i++) {
        hi = dur_hex_value(text.data[2 * i]);
        lo = dur_hex_value(text.data[2 * i + 1]);

        if (hi < 0 || lo < 0) {
            return DUR_EINVAL;
        }

        p[i] = (uint8_t) (hi << 4 | lo);
    }

    return DUR_OK;
}


void
dur_ulid_derive(dur_ulid_t *u, int64_t ms, const dur_ulid_t *run,
    const dur_hash_t *step)
{
    uint8_t  text[DUR_ULID_LEN + DUR_HASH_LEN], digest[20];

    memcpy(text, run->b, DUR_ULID_LEN);
    memcpy(text + DUR_ULID_LEN, step->b, DUR_HASH_LEN);

    dur_sha1(dur_str_make(text, sizeof(text)), digest);
    dur_ulid_make(u, (uint64_t) ms, digest);
}


void
dur_hash_text(const dur_hash_t *h, char text[DUR_HASH_TEXT_LEN + 1])
{
    dur_hex(h->b, DUR_HASH_LEN, text);
}


dur_rc_t
dur_hash_parse(dur_str_t text, dur_hash_t *h)
{
    dur_hash_t  out;

    if (dur_unhex(text, out.b, DUR_HASH_LEN) != DUR_OK) {
        return DUR_EINVAL;
    }

    /* upper case would be read as another key of the SDK's map */

    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] >= 'A' && text.data[i] <= 'F') {
            return DUR_EINVAL;
        }
    }

    *h = out;

    return DUR_OK;
}


void
dur_uuid5(const char *kind, dur_str_t name, char text[DUR_UUID_TEXT_LEN + 1])
{
    size_t     n;
    char      *p;
    uint8_t    d[20];
    dur_str_t  parts[4];

    parts[0] = dur_str_make(dur_uuid_namespace, sizeof(dur_uuid_namespace));
    parts[1] = dur_str_c(kind);
    parts[2] = dur_str(":");
    parts[3] = name;

    dur_sha1_parts(parts, 4, d);

    d[6] = (uint8_t) ((d[6] & 0x0f) | 0x50);        /* version 5 */
    d[8] = (uint8_t) ((d[8] & 0x3f) | 0x80);        /* variant of RFC 4122 */

    p = text;

    for (size_t i = 0; i < 16; i += n) {
        n = (i == 0) ? 4 : (i < 10) ? 2 : 6;

        if (i) {
            *p++ = '-';
        }

        dur_hex(d + i, n, p);
        p += 2 * n;
    }
}
