// The paravirtual clock of KVM, where there is one.
#pragma once
#include <stdbool.h>
#include <stdint.h>

void clock_open(void);
bool clock_exists(void);

// Nanoseconds of the host's monotonic clock, as far as this machine has lived.
uint64_t clock_read(void);
