// virtio over MMIO, split queues, polled. Both layouts: version 2, and version 1 ("legacy"), which QEMU's microvm gives by default.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VIRTIO_BLOCK = 2, VIRTIO_CONSOLE = 3, VIRTIO_VSOCK = 19 };
enum { QUEUE_SIZE = 16 };

struct virtio_device {
    uintptr_t base;
    bool legacy;
    uint64_t features; // that both sides have
};

struct descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};

struct used_element {
    uint32_t id, length;
};

// As the legacy layout wants it, which the modern one allows: descriptors, available ring, used ring on the next page.
struct virtqueue {
    struct descriptor descriptors[QUEUE_SIZE];
    struct {
        uint16_t flags, index, ring[QUEUE_SIZE];
    } available;
    struct {
        volatile uint16_t flags, index;
        struct used_element ring[QUEUE_SIZE];
    } used __attribute__((aligned(4096)));
    uint16_t taken; // used elements that were looked at
} __attribute__((aligned(4096)));

// The kind of device at an address; 0 when there is none.
uint32_t virtio_kind(uintptr_t base);

// Resets it and agrees on those of the wanted features that it has. Queues follow, then virtio_start. False when it refuses.
bool virtio_open(struct virtio_device *device, uintptr_t base, uint64_t features);
bool virtio_add_queue(struct virtio_device *device, uint32_t index, struct virtqueue *queue);
void virtio_start(struct virtio_device *device);

// Words of the configuration, by offset in bytes.
uint32_t virtio_config(const struct virtio_device *device, uint32_t offset);

// A buffer for the device to write, or to read.
void virtio_give(struct virtqueue *queue, uint16_t descriptor, void *buffer, uint32_t length, bool device_writes);

// Puts the chain that begins at a descriptor, filled by the caller, into the available ring.
void virtio_publish(struct virtqueue *queue, uint16_t head);
void virtio_notify(const struct virtio_device *device, uint32_t index);

// Takes the next buffer that the device is done with.
bool virtio_take(struct virtqueue *queue, struct used_element *element);
