// A way by which the host reaches the probe: the frames that come in over it are commands, and are answered over it.
#pragma once
#include "frame.h"

struct channel {
    bool (*is_open)(void);
    // Takes bytes that have come; 0 when there are none. Does not wait.
    size_t (*read)(uint8_t *bytes, size_t room);
    // Returns when the device has taken all of it, or the peer is gone.
    void (*write)(const uint8_t *bytes, size_t length);
    struct frame_reader reader;
};

// Reads what has come and carries it out. False when nothing had come.
bool channel_serve(struct channel *channel);
