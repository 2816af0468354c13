// What the host may ask. Types, payloads and answers: README.md.
#pragma once
#include "channel.h"

// Draws the boot id.
void commands_open(void);

// Carries out a request and answers it.
void commands_run(struct channel *channel, const struct frame *request);
