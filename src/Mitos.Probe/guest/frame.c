#include "frame.h"
#include "crc32c.h"
#include "text.h"

static bool decode_cobs(uint8_t *bytes, size_t length, size_t *decoded)
{
    size_t to = 0;
    for (size_t at = 0; at < length;) {
        size_t code = bytes[at++];
        if (code == 0 || at + code - 1 > length)
            return false;
        memmove(bytes + to, bytes + at, code - 1);
        to += code - 1;
        at += code - 1;
        if (code < 255 && at < length)
            bytes[to++] = 0;
    }
    *decoded = to;
    return true;
}

static bool parse(uint8_t *bytes, size_t length, struct frame *frame)
{
    uint32_t crc;
    if (!decode_cobs(bytes, length, &length) || length < FRAME_HEADER + FRAME_TRAILER || length > MAX_FRAME)
        return false;
    length -= FRAME_TRAILER;
    memcpy(&crc, bytes + length, 4);
    if (crc != crc32c(bytes, length))
        return false;
    memcpy(&frame->session, bytes, 8);
    memcpy(&frame->id, bytes + 8, 4);
    frame->type = bytes[12];
    frame->payload = bytes + FRAME_HEADER;
    frame->length = length - FRAME_HEADER;
    return true;
}

bool frame_push(struct frame_reader *reader, uint8_t byte, struct frame *frame)
{
    if (byte != 0) {
        if (reader->length == MAX_ENCODED)
            reader->skipping = true;
        else
            reader->bytes[reader->length++] = byte;
        return false;
    }
    bool good = !reader->skipping && reader->length > 0 && parse(reader->bytes, reader->length, frame);
    reader->length = 0;
    reader->skipping = false;
    return good;
}

static size_t encode_cobs(const uint8_t *from, size_t length, uint8_t *to)
{
    size_t code_at = 0, at = 1;
    for (size_t i = 0; i < length; i++) {
        if (from[i] != 0)
            to[at++] = from[i];
        // A run ends at a zero, or full at 254 bytes if more follow.
        if (from[i] == 0 || (at - code_at == 255 && i + 1 < length)) {
            to[code_at] = (uint8_t)(at - code_at);
            code_at = at++;
        }
    }
    to[code_at] = (uint8_t)(at - code_at);
    return at;
}

size_t frame_encode(const struct frame *frame, const uint8_t **encoded)
{
    static uint8_t plain[MAX_FRAME], coded[1 + MAX_ENCODED + 1];
    size_t length = FRAME_HEADER + frame->length;
    memcpy(plain, &frame->session, 8);
    memcpy(plain + 8, &frame->id, 4);
    plain[12] = frame->type;
    memcpy(plain + FRAME_HEADER, frame->payload, frame->length);
    uint32_t crc = crc32c(plain, length);
    memcpy(plain + length, &crc, 4);
    length = 1 + encode_cobs(plain, length + 4, coded + 1);
    coded[length++] = 0;
    *encoded = coded;
    return length;
}
