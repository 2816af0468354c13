// The port named mitos.agent of a virtio console: the channel under QEMU.
#pragma once
#include "channel.h"

bool console_open(uintptr_t base);

// Times that a host came to the port.
extern uint64_t console_connects;
extern struct channel console;
