// CRC-32C (Castagnoli), as Mitos.Protocol computes it. By table: the processor's own instruction is not known to every KVM that
// has to emulate.
#pragma once
#include <stddef.h>
#include <stdint.h>

void crc32c_open(void);
uint32_t crc32c(const void *bytes, size_t length);
