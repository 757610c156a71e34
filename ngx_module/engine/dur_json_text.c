/* SPDX-License-Identifier: BSD-2-Clause */

#include "engine/dur_json_text.h"


size_t
dur_utf8_len(const uint8_t *p, const uint8_t *last)
{
    size_t   n;
    uint8_t  c, low, high;

    if (p == last) {
        return 0;
    }

    c = *p;

    if (c < 0x80) {
        return 1;
    }

    low = 0x80;
    high = 0xbf;

    if (c >= 0xc2 && c <= 0xdf) {
        n = 2;

    } else if (c >= 0xe0 && c <= 0xef) {
        n = 3;
        low = (c == 0xe0) ? 0xa0 : 0x80;        /* overlong */
        high = (c == 0xed) ? 0x9f : 0xbf;       /* surrogates */

    } else if (c >= 0xf0 && c <= 0xf4) {
        n = 4;
        low = (c == 0xf0) ? 0x90 : 0x80;
        high = (c == 0xf4) ? 0x8f : 0xbf;       /* U+10FFFF */

    } else {
        return 0;
    }

    if ((size_t) (last - p) < n || p[1] < low || p[1] > high) {
        return 0;
    }

    for (size_t i = 2; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return n;
}


bool
dur_utf8_valid(dur_str_t s)
{
    size_t          n;
    uint64_t        eight;
    const uint8_t  *p, *last;

    last = s.data + s.len;

    for (p = s.data; p < last; p += n) {

        if (last - p >= 8) {
            memcpy(&eight, p, 8);

            if ((eight & 0x8080808080808080) == 0) {
                n = 8;
                continue;
            }
        }

        n = dur_utf8_len(p, last);
        if (n == 0) {
            return false;
        }
    }

    return true;
}


static size_t
dur_utf8_put(uint32_t c, uint8_t out[4])
{
    if (c < 0x80) {
        out[0] = (uint8_t) c;
        return 1;
    }

    if (c < 0x800) {
        out[0] = (uint8_t) (0xc0 | c >> 6);
        out[1] = (uint8_t) (0x80 | (c & 0x3f));
        return 2;
    }

    if (c < 0x10000) {
        out[0] = (uint8_t) (0xe0 | c >> 12);
        out[1] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t) (0x80 | (c & 0x3f));
        return 3;
    }

    out[0] = (uint8_t) (0xf0 | c >> 18);
    out[1] = (uint8_t) (0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t) (0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t) (0x80 | (c & 0x3f));

    return 4;
}


/* The code unit of \uXXXX at p, -1 for anything else. */

static int32_t
dur_json_unit(const uint8_t *p, const uint8_t *last)
{
    int32_t  v;
    uint8_t  c;

    if (last - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return -1;
    }

    v = 0;

    for (int i = 2; i < 6; i++) {
        c = p[i];

        if (c >= '0' && c <= '9') {
            c = (uint8_t) (c - '0');

        } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f') {
            c = (uint8_t) ((c | 0x20) - 'a' + 10);

        } else {
            return -1;
        }

        v = v << 4 | c;
    }

    return v;
}


size_t
dur_json_unescape(const uint8_t **p, const uint8_t *last, uint8_t out[4])
{
    int32_t         c, low;
    const uint8_t  *s;

    s = *p;

    if (last - s < 2 || s[0] != '\\') {
        return 0;
    }

    if (s[1] == 'u') {
        c = dur_json_unit(s, last);
        if (c < 0) {
            return 0;
        }

        s += 6;

        if (c >= 0xd800 && c <= 0xdbff) {
            low = dur_json_unit(s, last);

            if (low >= 0xdc00 && low <= 0xdfff) {
                s += 6;
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);

            } else {
                c = 0xfffd;
            }

        } else if (c >= 0xdc00 && c <= 0xdfff) {
            c = 0xfffd;
        }

        *p = s;

        return dur_utf8_put((uint32_t) c, out);
    }

    switch (s[1]) {
    case '"':
    case '\\':
    case '/':
        out[0] = s[1];
        break;
    case 'b':
        out[0] = '\b';
        break;
    case 'f':
        out[0] = '\f';
        break;
    case 'n':
        out[0] = '\n';
        break;
    case 'r':
        out[0] = '\r';
        break;
    case 't':
        out[0] = '\t';
        break;
    default:
        return 0;
    }

    *p = s + 2;

    return 1;
}


/* Behind the string that starts at p, NULL when it does not end. */

static const uint8_t *
dur_json_skip_string(const uint8_t *p, const uint8_t *last)
{
    if (p == last || *p != '"') {
        return NULL;
    }

    for (p++; p < last; p++) {

        if (*p == '"') {
            return p + 1;
        }

        if (*p == '\\' && ++p == last) {
            break;
        }
    }

    return NULL;
}


/* Behind the value that starts at p, NULL when there is none. */

static const uint8_t *
dur_json_skip_value(const uint8_t *p, const uint8_t *last)
{
    size_t          depth;
    const uint8_t  *start;

    depth = 0;
    start = p;

    while (p < last) {

        switch (*p) {

        case '"':
            p = dur_json_skip_string(p, last);
            if (p == NULL || depth == 0) {
                return p;
            }
            continue;

        case '{':
        case '[':
            depth++;
            break;

        case '}':
        case ']':
            if (depth == 0) {
                return p == start ? NULL : p;
            }
            if (--depth == 0) {
                return p + 1;
            }
            break;

        case ',':
        case ':':
        case ' ':
        case '\t':
        case '\r':
        case '\n':
            if (depth == 0) {
                return p == start ? NULL : p;
            }
            break;
        }

        p++;
    }

    return (depth || p == start) ? NULL : p;
}


/* Whether the quoted text [p, end) means `key`. */

static bool
dur_json_key_eq(const uint8_t *p, const uint8_t *end, dur_str_t key)
{
    size_t          n;
    uint8_t         c[4];
    const uint8_t  *k, *last;

    p++;
    end--;

    if (memchr(p, '\\', (size_t) (end - p)) == NULL) {
        return dur_str_eq(dur_str_make(p, (size_t) (end - p)), key);
    }

    k = key.data;
    last = key.data + key.len;

    while (p < end) {

        if (*p == '\\') {
            n = dur_json_unescape(&p, end, c);
            if (n == 0) {
                return false;
            }

        } else {
            c[0] = *p++;
            n = 1;
        }

        if ((size_t) (last - k) < n || memcmp(k, c, n) != 0) {
            return false;
        }

        k += n;
    }

    return k == last;
}


static dur_rc_t
dur_json_member_of(const uint8_t *p, const uint8_t *last, dur_str_t key,
    dur_str_t *value)
{
    bool            found, eq;
    const uint8_t  *end;

    found = false;

    for (p++; /* void */ ; p++) {

        p = dur_json_skip_space(p, last);

        end = dur_json_skip_string(p, last);
        if (end == NULL) {
            break;                          /* "{}", or the last member */
        }

        eq = dur_json_key_eq(p, end, key);

        p = dur_json_skip_space(end, last);
        if (p == last || *p != ':') {
            break;
        }

        p = dur_json_skip_space(p + 1, last);

        end = dur_json_skip_value(p, last);
        if (end == NULL) {
            break;
        }

        if (eq) {
            *value = dur_str_make(p, (size_t) (end - p));
            found = true;
        }

        p = dur_json_skip_space(end, last);
        if (p == last || *p != ',') {
            break;
        }
    }

    return found ? DUR_OK : DUR_ENOTFOUND;
}


static dur_rc_t
dur_json_element(dur_str_t array, dur_str_t index, dur_str_t *value)
{
    size_t     n, pos;
    dur_rc_t   rc;
    dur_str_t  element;

    if (index.len == 0 || index.len > 9) {
        return DUR_ENOTFOUND;
    }

    n = 0;

    for (size_t i = 0; i < index.len; i++) {
        if (index.data[i] < '0' || index.data[i] > '9') {
            return DUR_ENOTFOUND;
        }
        n = n * 10 + (size_t) (index.data[i] - '0');
    }

    pos = 0;

    do {
        rc = dur_json_next(array, &pos, &element);
    } while (rc == DUR_OK && n-- > 0);

    if (rc == DUR_OK) {
        *value = element;
    }

    return rc;
}


dur_rc_t
dur_json_member(dur_str_t object, dur_str_t key, dur_str_t *value)
{
    const uint8_t  *p, *last;

    last = object.data + object.len;
    p = dur_json_skip_space(object.data, last);

    if (p < last && *p == '{') {
        return dur_json_member_of(p, last, key, value);
    }

    return dur_json_element(object, key, value);
}


dur_rc_t
dur_json_next(dur_str_t array, size_t *pos, dur_str_t *value)
{
    const uint8_t  *p, *end, *last;

    if (*pos > array.len) {
        return DUR_ENOTFOUND;
    }

    last = array.data + array.len;
    p = dur_json_skip_space(array.data + *pos, last);

    /* what stands before an element: the bracket, later a comma */

    if (p == last || *p != (*pos == 0 ? '[' : ',')) {
        return DUR_ENOTFOUND;
    }

    p = dur_json_skip_space(p + 1, last);

    end = dur_json_skip_value(p, last);
    if (end == NULL) {
        return DUR_ENOTFOUND;
    }

    *value = dur_str_make(p, (size_t) (end - p));
    *pos = (size_t) (end - array.data);

    return DUR_OK;
}
