#include "memory.h"
#include "uart.h"

struct memory_range memory_ranges[MAX_RANGES];
int memory_range_count;

#define FIRST_MIB (1ULL << 20)
#define GIB (1ULL << 30)

extern uint64_t pdpt[512]; // entry.S
static uint64_t high_directories[MAPPED_END / GIB - 4][512] __attribute__((aligned(4096)));

void memory_add(uint64_t address, uint64_t size)
{
    uint64_t end = address + size;
    if (address < FIRST_MIB)
        address = FIRST_MIB;
    if (end > MAPPED_END)
        end = MAPPED_END;
    address = (address + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    end &= ~(uint64_t)(PAGE - 1);
    if (address >= end)
        return;
    if (memory_range_count == MAX_RANGES)
        fail("the memory map has more parts than the probe can keep");
    // Firecracker lists the high part first.
    int at = memory_range_count++;
    for (; at > 0 && memory_ranges[at - 1].start > address; at--)
        memory_ranges[at] = memory_ranges[at - 1];
    memory_ranges[at] = (struct memory_range){address, end};
}

void memory_map_high(void)
{
    for (int i = 0; i < memory_range_count; i++) {
        for (uint64_t gib = memory_ranges[i].start / GIB; gib < (memory_ranges[i].end + GIB - 1) / GIB; gib++) {
            if (gib < 4 || pdpt[gib] != 0)
                continue;
            uint64_t *directory = high_directories[gib - 4];
            for (uint64_t n = 0; n < 512; n++)
                directory[n] = (gib << 30 | n << 21) | 0x83; // present, writable, 2 MiB
            pdpt[gib] = (uintptr_t)directory | 3;
        }
    }
}

bool memory_is_readable(uint64_t address, uint64_t length)
{
    uint64_t end = address + length;
    for (int i = 0; i < memory_range_count; i++) {
        if (end >= address && address >= memory_ranges[i].start && end <= memory_ranges[i].end)
            return true;
    }
    return false;
}

bool memory_is_writable(uint64_t address, uint64_t length)
{
    return memory_is_readable(address, length) && (address + length <= (uintptr_t)image_start || address >= (uintptr_t)image_end);
}

// The finaliser of splitmix64: each address gets another word, and no two seeds the same.
uint64_t pattern_word(uint64_t seed, uint64_t address)
{
    uint64_t z = seed + address * 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

void memory_fill(uint64_t address, uint64_t length, uint64_t seed)
{
    for (uint64_t at = address; at < address + length; at += 8)
        *(volatile uint64_t *)at = pattern_word(seed, at);
}

void memory_dirty(uint64_t address, uint64_t pages, uint64_t stride, uint64_t seed)
{
    for (uint64_t i = 0, at = address; i < pages; i++, at += stride)
        *(volatile uint64_t *)at = pattern_word(seed, at);
}

uint64_t memory_checksum(uint64_t address, uint64_t length)
{
    uint64_t hash = 0xCBF29CE484222325;
    for (uint64_t at = address; at < address + length; at += 8)
        hash = (hash ^ *(volatile uint64_t *)at) * 0x100000001B3;
    return hash;
}
