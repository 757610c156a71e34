
/*
 * Copyright (C) the nginx-durable authors
 */


/*
 * Messages on their way to subscribers: each is made once, as a whole frame of
 * WebSocket, and shared by all who get it.
 */


#include "ngx_http_durable_subscriber.h"

#include <wslay/wslay.h>


#define NGX_HTTP_DURABLE_FRAME_HEAD   10


static ssize_t ngx_http_durable_frame_send(const uint8_t *data, size_t len,
    int flags, void *user_data);
static ngx_http_durable_note_t *ngx_http_durable_note_make(uint8_t opcode,
    dur_str_t head, dur_str_t text, size_t before);


/* What libwslay writes frames with, and the one that is being made. */
static struct {
    wslay_frame_context_ptr         frames;
    ngx_http_durable_note_t        *note;
} ngx_http_durable_notes;


static ngx_int_t
ngx_http_durable_notes_start(void)
{
    static struct wslay_frame_callbacks  callbacks = {
        ngx_http_durable_frame_send, NULL, NULL
    };

    if (ngx_http_durable_notes.frames) {
        return NGX_OK;
    }

    return wslay_frame_context_init(&ngx_http_durable_notes.frames,
                                    &callbacks, NULL)
           == 0 ? NGX_OK : NGX_ERROR;
}


void
ngx_http_durable_notes_stop(void)
{
    if (ngx_http_durable_notes.frames) {
        wslay_frame_context_free(ngx_http_durable_notes.frames);
        ngx_http_durable_notes.frames = NULL;
    }
}


static ssize_t
ngx_http_durable_frame_send(const uint8_t *data, size_t len, int flags,
    void *user_data)
{
    ngx_http_durable_note_t  *note;

    note = ngx_http_durable_notes.note;

    ngx_memcpy((u_char *) note->frame.data + note->frame.len, data, len);
    note->frame.len += len;

    return len;
}


/* `before` bytes are left free in front of the frame, for names. */

static ngx_http_durable_note_t *
ngx_http_durable_note_make(uint8_t opcode, dur_str_t head, dur_str_t text,
    size_t before)
{
    size_t                     size;
    struct wslay_frame_iocb    io;
    ngx_http_durable_note_t   *note;

    if (ngx_http_durable_notes_start() != NGX_OK) {
        return NULL;
    }

    size = before + NGX_HTTP_DURABLE_FRAME_HEAD + head.len + text.len;

    note = ngx_alloc(sizeof(ngx_http_durable_note_t) + size, ngx_cycle->log);
    if (note == NULL) {
        return NULL;
    }

    ngx_memzero(note, sizeof(ngx_http_durable_note_t));

    note->refs = 1;
    note->size = size;
    note->frame = dur_str_make(note->data + before, 0);

    ngx_memzero(&io, sizeof(struct wslay_frame_iocb));
    io.fin = 1;
    io.opcode = opcode;
    io.payload_length = head.len + text.len;

    ngx_http_durable_notes.note = note;

    io.data = head.data;
    io.data_length = head.len;

    if (head.len == 0) {
        io.data = text.data;
        io.data_length = text.len;
    }

    if (wslay_frame_send(ngx_http_durable_notes.frames, &io)
        != (ssize_t) io.data_length)
    {
        ngx_free(note);
        return NULL;
    }

    if (head.len && text.len) {
        io.data = text.data;
        io.data_length = text.len;

        if (wslay_frame_send(ngx_http_durable_notes.frames, &io)
            != (ssize_t) io.data_length)
        {
            ngx_free(note);
            return NULL;
        }
    }

    note->text = dur_str_make(note->frame.data + note->frame.len
                              - io.payload_length, io.payload_length);

    return note;
}


ngx_http_durable_note_t *
ngx_http_durable_note(uint8_t opcode, dur_str_t head, dur_str_t text)
{
    return ngx_http_durable_note_make(opcode, head, text, 0);
}


/* A frame that is made already. */

ngx_http_durable_note_t *
ngx_http_durable_note_raw(dur_str_t frame)
{
    ngx_http_durable_note_t  *note;

    note = ngx_alloc(sizeof(ngx_http_durable_note_t) + frame.len,
                     ngx_cycle->log);

    if (note) {
        ngx_memzero(note, sizeof(ngx_http_durable_note_t));
        note->refs = 1;
        note->size = frame.len;
        note->frame = dur_str_make(note->data, frame.len);
        ngx_memcpy(note->data, frame.data, frame.len);
    }

    return note;
}


/* With channel and topic at its start. */

ngx_http_durable_note_t *
ngx_http_durable_note_of(dur_ring_message_t *m)
{
    u_char                   *p;
    uint8_t                   opcode;
    dur_str_t                 head, rest;
    ngx_http_durable_note_t  *note;

    opcode = WSLAY_TEXT_FRAME;

    if (m->kind == DUR_REALTIME_BYTES && !dur_utf8_valid(m->text)) {
        opcode = WSLAY_BINARY_FRAME;
    }

    note = ngx_http_durable_note_make(opcode, dur_str_null, m->text,
                                      m->channel.len + m->topic.len);
    if (note == NULL) {
        return NULL;
    }

    p = ngx_cpymem(note->data, m->channel.data, m->channel.len);
    ngx_memcpy(p, m->topic.data, m->topic.len);

    note->id = m->id;
    note->kind = (dur_realtime_kind_t) m->kind;

    if (note->kind == DUR_REALTIME_CHUNK_OF) {
        rest = m->text;
        head = dur_realtime_plain(&rest);

        note->plain = ngx_http_durable_note_make(opcode, head, rest, 0);

        if (note->plain == NULL) {
            ngx_http_durable_note_free(note);
            return NULL;
        }

        note->plain->id = note->id;
        note->plain->kind = DUR_REALTIME_DATA;
    }

    return note;
}


void
ngx_http_durable_note_free(ngx_http_durable_note_t *note)
{
    if (--note->refs) {
        return;
    }

    if (note->plain) {
        ngx_http_durable_note_free(note->plain);
    }

    ngx_free(note);
}
