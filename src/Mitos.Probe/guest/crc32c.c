#include "crc32c.h"

static uint32_t table[256];

void crc32c_open(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78 : 0);
        table[i] = crc;
    }
}

uint32_t crc32c(const void *bytes, size_t length)
{
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = 0; i < length; i++)
        crc = crc >> 8 ^ table[(crc ^ ((const uint8_t *)bytes)[i]) & 0xFF];
    return ~crc;
}
