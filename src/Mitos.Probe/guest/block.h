// virtio disks, one request at a time.
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum { SECTOR = 512, MAX_DISKS = 4, BLOCK_MAX_BYTES = 4096 };
enum block_operation { BLOCK_READ = 0, BLOCK_WRITE = 1, BLOCK_FLUSH = 4 };

struct disk_facts {
    uint64_t sectors;
    bool read_only, can_flush;
};

extern int disk_count;

bool block_open(uintptr_t base);

// As the device says now: Firecracker can put another file behind a disk.
struct disk_facts block_facts(int disk);

// The device's status: 0 done, 1 input or output error, 2 not supported.
uint8_t block_run(int disk, enum block_operation operation, uint64_t sector, void *bytes, uint32_t length);
