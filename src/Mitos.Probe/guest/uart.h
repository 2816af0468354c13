// The 16550 at 0x3F8: words for humans, and a channel where there is no better one.
#pragma once
#include "channel.h"

void uart_open(void);
void uart_print(const char *text);
void uart_print_hex(uint64_t value);

// Prints the reason and stops the machine.
_Noreturn void fail(const char *reason);

extern struct channel uart;
