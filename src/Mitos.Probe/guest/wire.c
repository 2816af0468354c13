#include "wire.h"
#include "text.h"
#include "uart.h"

uint64_t wire_number(struct wire_reader *reader)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t part = *reader->at++;
        value |= (uint64_t)(part & 0x7F) << shift;
        if (part < 0x80)
            return value;
    }
    reader->failed = true;
    reader->at = reader->end;
    return 0;
}

void wire_put_raw(struct wire_writer *writer, const void *bytes, size_t length)
{
    if (length > writer->room - writer->length)
        fail("an answer does not fit a frame; a defect of the probe");
    memcpy(writer->bytes + writer->length, bytes, length);
    writer->length += length;
}

void wire_put(struct wire_writer *writer, uint64_t number)
{
    uint8_t bytes[10];
    size_t used = 0;
    for (; number >= 0x80; number >>= 7)
        bytes[used++] = (uint8_t)(number | 0x80);
    bytes[used++] = (uint8_t)number;
    wire_put_raw(writer, bytes, used);
}

void wire_put_text(struct wire_writer *writer, const char *text)
{
    size_t length = text_length(text);
    wire_put(writer, length);
    wire_put_raw(writer, text, length);
}
