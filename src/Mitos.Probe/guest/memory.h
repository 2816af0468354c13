// Guest-physical memory: which there is, and what the commands do to it. Addresses are physical; the probe maps them as they are.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { PAGE = 4096, MAX_RANGES = 8 };

struct memory_range {
    uint64_t start, end;
};

// In address order, without the first MiB (the VMM's) and what lies above MAPPED_END.
extern struct memory_range memory_ranges[MAX_RANGES];
extern int memory_range_count;

#define MAPPED_END (16ULL << 30)

// The probe itself, page-aligned: from image_start up to image_end.
extern const uint8_t image_start[], image_end[];

// Takes an entry of the VMM's memory map.
void memory_add(uint64_t address, uint64_t size);

// Maps what lies above 4 GiB.
void memory_map_high(void);

// Whether all of it is memory that may be read.
bool memory_is_readable(uint64_t address, uint64_t length);

// The same, without the probe itself.
bool memory_is_writable(uint64_t address, uint64_t length);

// The word that `seed` puts at an address; the host computes the same (ProbePattern.cs).
uint64_t pattern_word(uint64_t seed, uint64_t address);

// Writes the pattern; both numbers divisible by 8.
void memory_fill(uint64_t address, uint64_t length, uint64_t seed);

// Writes one word of the pattern at the beginning of each of `pages` pages, `stride` bytes apart.
void memory_dirty(uint64_t address, uint64_t pages, uint64_t stride, uint64_t seed);

// FNV-1a over 64-bit words in place of bytes; both numbers divisible by 8.
uint64_t memory_checksum(uint64_t address, uint64_t length);
