// One interrupt, the local APIC's timer, so that an idle probe sleeps; and exceptions, which end the machine with their facts on
// the UART. Devices are polled: they are told not to interrupt, and nothing routes their lines.
#pragma once
#include <stdint.h>

void interrupts_open(void);

// Milliseconds of guest time, about: one per tick. It stands still while a command or the invariant's inner loop runs.
extern volatile uint64_t timer_ticks;
