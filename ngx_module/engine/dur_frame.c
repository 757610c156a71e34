/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * The codec of both links, see dur_frame.h.  A frame is checked as a whole
 * when it is decoded, its fields included, so that what the getters walk is
 * known to be well-formed: a peer that sends anything else has lost its place
 * in the stream, and only closing the link helps.
 */

#include "engine/dur_frame.h"


#define DUR_FRAME_FIELD  4              /* tag and length of a field */


/* True when the header is a sequence of whole fields. */
static bool
dur_frame_header_valid(const uint8_t *p, size_t len)
{
    size_t  n;

    while (len) {
        if (len < DUR_FRAME_FIELD) {
            return false;
        }

        n = DUR_FRAME_FIELD + (size_t) dur_get16(p + 2);
        if (n > len) {
            return false;
        }

        p += n;
        len -= n;
    }

    return true;
}


dur_rc_t
dur_frame_decode(dur_str_t in, dur_frame_t *f, size_t *used, size_t *need)
{
    size_t  length, header;

    *used = 0;
    *need = 0;

    if (in.len < 4) {
        return DUR_ENOTFOUND;
    }

    length = dur_get32(in.data);
    if (length < DUR_FRAME_PREFIX - 4 || length > DUR_FRAME_MAX) {
        return DUR_EINVAL;
    }

    *need = 4 + length;

    if (in.len < DUR_FRAME_PREFIX) {
        return DUR_ENOTFOUND;
    }

    header = dur_get16(in.data + 6);
    length -= DUR_FRAME_PREFIX - 4;

    if (in.data[4] == 0
        || header > DUR_FRAME_HEADER_MAX
        || header > length
        || length - header > DUR_FRAME_DATA_MAX)
    {
        return DUR_EINVAL;
    }

    if (in.len < *need) {
        return DUR_ENOTFOUND;
    }

    f->type = in.data[4];
    f->flags = in.data[5];
    f->header = dur_str_make(in.data + DUR_FRAME_PREFIX, header);
    f->data = dur_str_make(in.data + DUR_FRAME_PREFIX + header,
                           length - header);

    if (!dur_frame_header_valid(f->header.data, header)) {
        return DUR_EINVAL;
    }

    *used = *need;

    return DUR_OK;
}


dur_rc_t
dur_frame_get(const dur_frame_t *f, dur_tag_t tag, dur_str_t *v)
{
    size_t          n;
    const uint8_t  *p, *last;

    p = f->header.data;
    last = p + f->header.len;

    while (last - p >= DUR_FRAME_FIELD) {
        n = dur_get16(p + 2);
        if (n > (size_t) (last - p) - DUR_FRAME_FIELD) {
            return DUR_EINVAL;
        }

        if (dur_get16(p) == tag) {
            *v = dur_str_make(p + DUR_FRAME_FIELD, n);
            return DUR_OK;
        }

        p += DUR_FRAME_FIELD + n;
    }

    return DUR_ENOTFOUND;
}


dur_rc_t
dur_frame_get_u64(const dur_frame_t *f, dur_tag_t tag, uint64_t *v)
{
    dur_rc_t   rc;
    dur_str_t  s;

    rc = dur_frame_get(f, tag, &s);
    if (rc != DUR_OK) {
        return rc;
    }

    switch (s.len) {
    case 1:
        *v = s.data[0];
        return DUR_OK;
    case 2:
        *v = dur_get16(s.data);
        return DUR_OK;
    case 4:
        *v = dur_get32(s.data);
        return DUR_OK;
    case 8:
        *v = dur_get64(s.data);
        return DUR_OK;
    default:
        return DUR_EINVAL;
    }
}


void
dur_frame_begin(dur_frame_writer_t *w, dur_buf_t *out, uint8_t type,
    uint8_t flags)
{
    uint8_t  prefix[DUR_FRAME_PREFIX] = { 0, 0, 0, 0, type, flags, 0, 0 };

    w->out = out;
    w->start = out->len;

    dur_buf_add(out, prefix, sizeof(prefix));
}


void
dur_frame_put(dur_frame_writer_t *w, dur_tag_t tag, dur_str_t v)
{
    size_t      header;
    uint8_t     field[DUR_FRAME_FIELD];
    dur_buf_t  *out = w->out;

    if (out->failed) {
        return;
    }

    header = out->len - w->start - DUR_FRAME_PREFIX;

    if (v.len > DUR_FRAME_HEADER_MAX
        || header + DUR_FRAME_FIELD + v.len > DUR_FRAME_HEADER_MAX)
    {
        out->failed = true;
        return;
    }

    dur_put16(field, (uint16_t) tag);
    dur_put16(field + 2, (uint16_t) v.len);

    dur_buf_add(out, field, sizeof(field));
    dur_buf_adds(out, v);
}


void
dur_frame_put_u8(dur_frame_writer_t *w, dur_tag_t tag, uint8_t v)
{
    dur_frame_put(w, tag, dur_str_make(&v, 1));
}


void
dur_frame_put_u16(dur_frame_writer_t *w, dur_tag_t tag, uint16_t v)
{
    uint8_t  p[2];

    dur_put16(p, v);
    dur_frame_put(w, tag, dur_str_make(p, 2));
}


void
dur_frame_put_u32(dur_frame_writer_t *w, dur_tag_t tag, uint32_t v)
{
    uint8_t  p[4];

    dur_put32(p, v);
    dur_frame_put(w, tag, dur_str_make(p, 4));
}


void
dur_frame_put_u64(dur_frame_writer_t *w, dur_tag_t tag, uint64_t v)
{
    uint8_t  p[8];

    dur_put64(p, v);
    dur_frame_put(w, tag, dur_str_make(p, 8));
}


/*
 * On failure the half-built frame is taken away again: the frames before it
 * stay whole, and out->failed stays set.
 */
dur_rc_t
dur_frame_end(dur_frame_writer_t *w, dur_str_t data)
{
    size_t      header;
    uint8_t    *p;
    dur_buf_t  *out = w->out;

    header = out->len - w->start - DUR_FRAME_PREFIX;

    if (data.len > DUR_FRAME_DATA_MAX) {
        out->failed = true;
    }

    if (!out->failed) {
        dur_buf_adds(out, data);
    }

    if (out->failed) {
        if (out->len > w->start) {
            out->len = w->start;
        }

        return DUR_ETOOBIG;
    }

    p = out->data + w->start;
    dur_put32(p, (uint32_t) (out->len - w->start - 4));
    dur_put16(p + 6, (uint16_t) header);

    return DUR_OK;
}


dur_rc_t
dur_frame_end_body(dur_frame_writer_t *w, dur_str_t body, dur_tag_t tag,
    dur_str_t id)
{
    size_t      start, n;
    dur_rc_t    rc;
    dur_buf_t  *out = w->out;

    start = w->start;
    dur_frame_put_u64(w, DUR_TAG_LENGTH, body.len);

    n = body.len < DUR_FRAME_DATA_MAX ? body.len : DUR_FRAME_DATA_MAX;

    if (n == body.len && !out->failed) {
        out->data[start + 5] |= DUR_FRAME_F_END;
    }

    rc = dur_frame_end(w, dur_str_make(body.data, n));

    while (rc == DUR_OK && n < body.len) {
        body.data += n;
        body.len -= n;
        n = body.len < DUR_FRAME_DATA_MAX ? body.len : DUR_FRAME_DATA_MAX;

        dur_frame_begin(w, out, DUR_FRAME_DATA,
                        n == body.len ? DUR_FRAME_F_END : 0);
        dur_frame_put(w, tag, id);
        rc = dur_frame_end(w, dur_str_make(body.data, n));
    }

    if (rc != DUR_OK && out->len > start) {
        out->len = start;
    }

    return rc;
}
