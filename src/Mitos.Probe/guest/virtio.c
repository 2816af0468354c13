#include "virtio.h"
#include "cpu.h"
#include "memory.h"

// Registers (virtio 1.1, 4.2.2 and 4.2.4).
enum {
    MAGIC = 0x00, VERSION = 0x04, KIND = 0x08, DEVICE_FEATURES = 0x10, DEVICE_FEATURES_SELECT = 0x14, DRIVER_FEATURES = 0x20,
    DRIVER_FEATURES_SELECT = 0x24, LEGACY_PAGE_SIZE = 0x28, QUEUE_SELECT = 0x30, QUEUE_MAX = 0x34, QUEUE_COUNT = 0x38,
    LEGACY_QUEUE_ALIGN = 0x3C, LEGACY_QUEUE_PAGE = 0x40, QUEUE_READY = 0x44, NOTIFY = 0x50, STATUS = 0x70,
    QUEUE_DESCRIPTORS = 0x80, QUEUE_AVAILABLE = 0x90, QUEUE_USED = 0xA0, CONFIG = 0x100,
};
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { NEXT = 1, DEVICE_WRITES = 2 };
enum { NO_INTERRUPT = 1 };
#define VERSION_1 (1ULL << 32)

static uint32_t get(uintptr_t base, uint32_t offset) { return *(volatile uint32_t *)(base + offset); }
static void set(uintptr_t base, uint32_t offset, uint32_t value) { *(volatile uint32_t *)(base + offset) = value; }

uint32_t virtio_kind(uintptr_t base) { return get(base, MAGIC) == 0x74726976 ? get(base, KIND) : 0; }

bool virtio_open(struct virtio_device *device, uintptr_t base, uint64_t features)
{
    device->base = base;
    device->legacy = get(base, VERSION) == 1;
    set(base, STATUS, 0);
    set(base, STATUS, ACKNOWLEDGE);
    set(base, STATUS, ACKNOWLEDGE | DRIVER);
    if (!device->legacy)
        features |= VERSION_1;
    uint64_t offered = 0;
    for (uint32_t half = 0; half < (device->legacy ? 1 : 2); half++) {
        set(base, DEVICE_FEATURES_SELECT, half);
        offered |= (uint64_t)get(base, DEVICE_FEATURES) << 32 * half;
        set(base, DRIVER_FEATURES_SELECT, half);
        set(base, DRIVER_FEATURES, (uint32_t)((features & offered) >> 32 * half));
    }
    device->features = features & offered;
    if (device->legacy) {
        set(base, LEGACY_PAGE_SIZE, PAGE);
        return true;
    }
    set(base, STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
    return get(base, STATUS) & FEATURES_OK;
}

bool virtio_add_queue(struct virtio_device *device, uint32_t index, struct virtqueue *queue)
{
    uintptr_t base = device->base;
    set(base, QUEUE_SELECT, index);
    if (get(base, QUEUE_MAX) < QUEUE_SIZE)
        return false;
    queue->available.flags = NO_INTERRUPT;
    set(base, QUEUE_COUNT, QUEUE_SIZE);
    if (device->legacy) {
        set(base, LEGACY_QUEUE_ALIGN, PAGE);
        set(base, LEGACY_QUEUE_PAGE, (uint32_t)((uintptr_t)queue / PAGE));
        return true;
    }
    // The image lies below 4 GiB, so the high halves are zero.
    set(base, QUEUE_DESCRIPTORS, (uint32_t)(uintptr_t)queue->descriptors);
    set(base, QUEUE_DESCRIPTORS + 4, 0);
    set(base, QUEUE_AVAILABLE, (uint32_t)(uintptr_t)&queue->available);
    set(base, QUEUE_AVAILABLE + 4, 0);
    set(base, QUEUE_USED, (uint32_t)(uintptr_t)&queue->used);
    set(base, QUEUE_USED + 4, 0);
    set(base, QUEUE_READY, 1);
    return true;
}

void virtio_start(struct virtio_device *device) { set(device->base, STATUS, ACKNOWLEDGE | DRIVER | (device->legacy ? 0 : FEATURES_OK) | DRIVER_OK); }

uint32_t virtio_config(const struct virtio_device *device, uint32_t offset) { return get(device->base, CONFIG + offset); }

void virtio_give(struct virtqueue *queue, uint16_t descriptor, void *buffer, uint32_t length, bool device_writes)
{
    queue->descriptors[descriptor] = (struct descriptor){(uintptr_t)buffer, length, device_writes ? DEVICE_WRITES : 0, 0};
    virtio_publish(queue, descriptor);
}

void virtio_publish(struct virtqueue *queue, uint16_t head)
{
    queue->available.ring[queue->available.index % QUEUE_SIZE] = head;
    barrier();
    queue->available.index++;
    barrier();
}

void virtio_notify(const struct virtio_device *device, uint32_t index) { set(device->base, NOTIFY, index); }

bool virtio_take(struct virtqueue *queue, struct used_element *element)
{
    if (queue->taken == queue->used.index)
        return false;
    barrier();
    *element = queue->used.ring[queue->taken++ % QUEUE_SIZE];
    barrier();
    return true;
}
