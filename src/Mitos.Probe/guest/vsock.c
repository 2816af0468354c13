#include "vsock.h"
#include "cpu.h"
#include "text.h"
#include "virtio.h"

// Packets (virtio 1.1, 5.10.6).
enum { REQUEST = 1, RESPONSE = 2, RESET = 3, SHUTDOWN = 4, DATA = 5, CREDIT_UPDATE = 6, CREDIT_REQUEST = 7 };
enum { STREAM = 1 };
enum { IN = 0, OUT = 1, EVENTS = 2 };
enum { BUFFERS = 8, BUFFER = 4096, EVENT_BUFFERS = 4, RING = 16384 };

struct __attribute__((packed)) header {
    uint64_t from_cid, to_cid;
    uint32_t from_port, to_port, length;
    uint16_t type, operation;
    uint32_t flags, window, forwarded;
};

static struct virtio_device device;
static struct virtqueue in, out, events;
static uint8_t in_buffers[BUFFERS][BUFFER], out_buffer[BUFFER];
static uint32_t event_buffers[EVENT_BUFFERS];

// The one connection. A later one takes its place: its host is gone, or does not want it any more.
static struct {
    bool open;
    uint64_t cid;
    uint32_t port, window, forwarded; // the peer's: its buffer, and how much of what we sent it has read
    uint32_t sent, taken, announced;  // ours: sent in all, read in all, and as last told
} peer;

static uint8_t ring[RING];
static uint32_t ring_in, ring_out; // bytes in all; they differ by at most RING

uint64_t vsock_connects, vsock_resets, vsock_cid;

static void send(uint64_t cid, uint32_t to, uint32_t from, uint16_t operation, uint32_t flags, const uint8_t *bytes, uint32_t length)
{
    struct used_element done;
    *(struct header *)out_buffer = (struct header){vsock_cid, cid, from, to, length, STREAM, operation, flags, RING, peer.taken};
    memcpy(out_buffer + sizeof(struct header), bytes, length);
    virtio_give(&out, 0, out_buffer, (uint32_t)sizeof(struct header) + length, false);
    virtio_notify(&device, OUT);
    while (!virtio_take(&out, &done))
        relax();
}

static void send_to_peer(uint16_t operation, const uint8_t *bytes, uint32_t length)
{
    peer.announced = peer.taken;
    send(peer.cid, peer.port, VSOCK_PORT, operation, 0, bytes, length);
}

static void drop(void)
{
    peer.open = false;
    ring_out = ring_in = 0;
}

static void refuse(const struct header *header) { send(header->from_cid, header->from_port, header->to_port, RESET, 0, 0, 0); }

static void accept(const struct header *header)
{
    if (peer.open)
        send_to_peer(RESET, 0, 0);
    drop();
    memset(&peer, 0, sizeof peer);
    peer.open = true;
    peer.cid = header->from_cid;
    peer.port = header->from_port;
    peer.window = header->window;
    vsock_connects++;
    send_to_peer(RESPONSE, 0, 0);
}

static void on_data(const struct header *header)
{
    const uint8_t *bytes = (const uint8_t *)(header + 1);
    if (header->length > BUFFER - sizeof *header || header->length > RING - (ring_in - ring_out)) {
        refuse(header); // more than was granted
        drop();
        return;
    }
    for (uint32_t i = 0; i < header->length; i++)
        ring[ring_in++ % RING] = bytes[i];
}

static void on_packet(const struct header *header)
{
    if (header->operation == REQUEST && header->to_port == VSOCK_PORT && header->type == STREAM) {
        accept(header);
        return;
    }
    if (header->operation == RESET) {
        if (peer.open && header->from_cid == peer.cid && header->from_port == peer.port)
            drop();
        return;
    }
    if (!peer.open || header->from_cid != peer.cid || header->from_port != peer.port || header->to_port != VSOCK_PORT) {
        refuse(header);
        return;
    }
    peer.window = header->window;
    peer.forwarded = header->forwarded;
    if (header->operation == DATA)
        on_data(header);
    else if (header->operation == CREDIT_REQUEST)
        send_to_peer(CREDIT_UPDATE, 0, 0);
    else if (header->operation == SHUTDOWN) {
        send_to_peer(RESET, 0, 0);
        drop();
    }
}

// The transport was reset: all connections are gone, the id may be another. Firecracker holds back what comes in until the
// event queue is notified after that.
static void poll_events(void)
{
    struct used_element element;
    while (virtio_take(&events, &element)) {
        vsock_resets++;
        drop();
        vsock_cid = virtio_config(&device, 0);
        virtio_give(&events, (uint16_t)element.id, &event_buffers[element.id], sizeof event_buffers[0], true);
        virtio_notify(&device, EVENTS);
    }
}

static void poll_device(void)
{
    struct used_element element;
    poll_events();
    while (virtio_take(&in, &element)) {
        if (element.length >= sizeof(struct header))
            on_packet((const void *)in_buffers[element.id]);
        virtio_give(&in, (uint16_t)element.id, in_buffers[element.id], BUFFER, true);
        virtio_notify(&device, IN);
    }
}

bool vsock_open(uintptr_t base)
{
    if (vsock_cid != 0 || !virtio_open(&device, base, 0))
        return false;
    if (!virtio_add_queue(&device, IN, &in) || !virtio_add_queue(&device, OUT, &out) || !virtio_add_queue(&device, EVENTS, &events))
        return false;
    virtio_start(&device);
    vsock_cid = virtio_config(&device, 0);
    for (uint16_t i = 0; i < BUFFERS; i++)
        virtio_give(&in, i, in_buffers[i], BUFFER, true);
    for (uint16_t i = 0; i < EVENT_BUFFERS; i++)
        virtio_give(&events, i, &event_buffers[i], sizeof event_buffers[i], true);
    virtio_notify(&device, IN);
    virtio_notify(&device, EVENTS);
    return true;
}

static bool vsock_is_open(void) { return vsock_cid != 0; }

static size_t vsock_read(uint8_t *bytes, size_t room)
{
    poll_device();
    size_t count = 0;
    while (count < room && ring_out != ring_in)
        bytes[count++] = ring[ring_out++ % RING];
    peer.taken += (uint32_t)count;
    if (peer.open && peer.taken - peer.announced >= RING / 2)
        send_to_peer(CREDIT_UPDATE, 0, 0);
    return count;
}

static void vsock_write(const uint8_t *bytes, size_t length)
{
    uint64_t connection = vsock_connects;
    while (length > 0 && peer.open && connection == vsock_connects) {
        uint32_t granted = peer.window - (peer.sent - peer.forwarded);
        if (granted == 0 || granted > peer.window) {
            poll_device(); // until the peer has read, or is gone
            relax();
            continue;
        }
        uint32_t count = BUFFER - sizeof(struct header);
        count = count < granted ? count : granted;
        count = count < length ? count : (uint32_t)length;
        peer.sent += count;
        send_to_peer(DATA, bytes, count);
        bytes += count;
        length -= count;
    }
}

struct channel vsock = {.is_open = vsock_is_open, .read = vsock_read, .write = vsock_write};
