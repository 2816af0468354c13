// Frames of docs/protocol.md: session u64 | id u32 | type u8 | payload | crc32c u32, COBS, ended by a zero.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_HEADER = 13,
    FRAME_TRAILER = 4,
    MAX_PAYLOAD = 8192, // the host's own limit is higher; what is longer is dropped
    MAX_FRAME = FRAME_HEADER + MAX_PAYLOAD + FRAME_TRAILER,
    MAX_ENCODED = MAX_FRAME + MAX_FRAME / 254 + 1,
};

struct frame {
    uint64_t session;
    uint32_t id;
    uint8_t type;
    const uint8_t *payload;
    size_t length;
};

struct frame_reader {
    size_t length;
    bool skipping;
    uint8_t bytes[MAX_ENCODED];
};

// Takes one byte of the stream. True when it ended a frame, which stays valid until the next byte.
bool frame_push(struct frame_reader *reader, uint8_t byte, struct frame *frame);

// Encodes a frame between two zeros, the first of which ends whatever stands in the stream before it, into a buffer that the next
// call uses again. Returns the length.
size_t frame_encode(const struct frame *frame, const uint8_t **encoded);
