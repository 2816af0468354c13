// Where the virtio-mmio devices are: on the command line (Firecracker), or in the ACPI tables (QEMU's microvm).
#pragma once
#include <stdint.h>

// Calls `found` with the address of each.
void discover(void (*found)(uintptr_t base));
