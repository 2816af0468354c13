// Fields of messages: LEB128 numbers, length-prefixed bytes. A reader never fails loudly: after the first field that is not
// there `failed` is set and all reads as zero.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire_reader {
    const uint8_t *at, *end;
    bool failed;
};

uint64_t wire_number(struct wire_reader *reader);

struct wire_writer {
    uint8_t *bytes;
    size_t length, room;
};

void wire_put(struct wire_writer *writer, uint64_t number);
void wire_put_raw(struct wire_writer *writer, const void *bytes, size_t length);
void wire_put_text(struct wire_writer *writer, const char *text);
