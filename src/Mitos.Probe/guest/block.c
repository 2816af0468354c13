#include "block.h"
#include "cpu.h"
#include "virtio.h"

#define READ_ONLY (1ULL << 5)
#define FLUSH (1ULL << 9)
enum { NEXT = 1, DEVICE_WRITES = 2 };

struct disk {
    struct virtio_device device;
    struct virtqueue queue;
};

static struct disk disks[MAX_DISKS];
int disk_count;

bool block_open(uintptr_t base)
{
    if (disk_count == MAX_DISKS)
        return false;
    struct disk *disk = &disks[disk_count];
    if (!virtio_open(&disk->device, base, READ_ONLY | FLUSH) || !virtio_add_queue(&disk->device, 0, &disk->queue))
        return false;
    virtio_start(&disk->device);
    disk_count++;
    return true;
}

struct disk_facts block_facts(int disk)
{
    const struct virtio_device *device = &disks[disk].device;
    uint64_t sectors = virtio_config(device, 0) | (uint64_t)virtio_config(device, 4) << 32;
    return (struct disk_facts){sectors, device->features & READ_ONLY, device->features & FLUSH};
}

uint8_t block_run(int disk, enum block_operation operation, uint64_t sector, void *bytes, uint32_t length)
{
    static struct {
        uint32_t operation, reserved;
        uint64_t sector;
    } header;
    static volatile uint8_t status;
    struct virtqueue *queue = &disks[disk].queue;
    struct descriptor *chain = queue->descriptors;
    uint16_t next = 1;
    header.operation = operation;
    header.sector = sector;
    status = 0xFF;
    chain[0] = (struct descriptor){(uintptr_t)&header, sizeof header, NEXT, 1};
    if (length > 0) {
        chain[1] = (struct descriptor){(uintptr_t)bytes, length, NEXT | (operation == BLOCK_READ ? DEVICE_WRITES : 0), 2};
        next = 2;
    }
    chain[next] = (struct descriptor){(uintptr_t)&status, 1, DEVICE_WRITES, 0};
    virtio_publish(queue, 0);
    virtio_notify(&disks[disk].device, 0);
    struct used_element done;
    while (!virtio_take(queue, &done))
        relax();
    return status;
}
