// What the VMM tells at boot, over either protocol.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum boot_protocol { BOOT_PVH, BOOT_LINUX64 };

extern enum boot_protocol boot_protocol;
extern const char *boot_command_line; // valid until memory is written for the first time
extern uint64_t boot_rsdp;            // 0: search for it

// Reads the memory map into memory.c.
void boot_read(enum boot_protocol protocol, uintptr_t information);
