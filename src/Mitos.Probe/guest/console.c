#include "console.h"
#include "cpu.h"
#include "text.h"
#include "virtio.h"

#define MULTIPORT (1ULL << 1)

// Control events (virtio 1.1, 5.3.6.2).
enum { DEVICE_READY = 0, DEVICE_ADD = 1, PORT_READY = 3, PORT_OPEN = 6, PORT_NAME = 7 };
enum { CONTROL_IN = 2, CONTROL_OUT = 3, BUFFERS = 8, BUFFER = 1024 };

struct __attribute__((packed)) control {
    uint32_t port;
    uint16_t event, value;
};

static const char port_name[] = "mitos.agent";
static struct virtio_device device;
static struct virtqueue control_in, control_out, data_in, data_out;
static uint8_t control_buffers[BUFFERS][64], in_buffers[BUFFERS][BUFFER], out_buffer[4096];
static struct control control_message;
static uint32_t port; // 0: not known yet
static struct used_element current; // what the host sent and we have not read to its end
static uint32_t current_at;

uint64_t console_connects;

// Queues of port n, but for port 0, which comes before the control queues.
static uint32_t port_in(void) { return 2 * port + 2; }
static uint32_t port_out(void) { return 2 * port + 3; }

static void send(struct virtqueue *queue, uint32_t index, void *bytes, uint32_t length)
{
    struct used_element done;
    virtio_give(queue, 0, bytes, length, false);
    virtio_notify(&device, index);
    while (!virtio_take(queue, &done))
        relax();
}

static void send_control(uint32_t to, uint16_t event, uint16_t value)
{
    control_message = (struct control){to, event, value};
    send(&control_out, CONTROL_OUT, &control_message, sizeof control_message);
}

static void on_control(const struct control *message, uint32_t length)
{
    const char *name = (const char *)(message + 1);
    switch (message->event) {
    case DEVICE_ADD:
        send_control(message->port, PORT_READY, 1);
        break;
    case PORT_NAME:
        if (length - sizeof *message >= sizeof port_name - 1 && memcmp(name, port_name, sizeof port_name - 1) == 0)
            port = message->port;
        break;
    case PORT_OPEN:
        console_connects += message->port == port && message->value == 1;
        break;
    }
}

static void poll_control(void)
{
    struct used_element element;
    while (virtio_take(&control_in, &element)) {
        if (element.length >= sizeof(struct control))
            on_control((const void *)control_buffers[element.id], element.length);
        virtio_give(&control_in, (uint16_t)element.id, control_buffers[element.id], sizeof control_buffers[0], true);
        virtio_notify(&device, CONTROL_IN);
    }
}

bool console_open(uintptr_t base)
{
    if (port != 0 || !virtio_open(&device, base, MULTIPORT) || !(device.features & MULTIPORT))
        return false;
    // The queues of a port must be there before the device starts; Mitos's machines have one port, so it is the first, 1.
    port = 1;
    if (!virtio_add_queue(&device, CONTROL_IN, &control_in) || !virtio_add_queue(&device, CONTROL_OUT, &control_out)
        || !virtio_add_queue(&device, port_in(), &data_in) || !virtio_add_queue(&device, port_out(), &data_out)) {
        port = 0;
        return false;
    }
    port = 0;
    virtio_start(&device);
    for (uint16_t i = 0; i < BUFFERS; i++) {
        virtio_give(&control_in, i, control_buffers[i], sizeof control_buffers[i], true);
        virtio_give(&data_in, i, in_buffers[i], BUFFER, true);
    }
    virtio_notify(&device, CONTROL_IN);
    send_control(0, DEVICE_READY, 1);
    for (int wait = 0; wait < 1000000 && port == 0; wait++) {
        poll_control();
        relax();
    }
    if (port != 1)
        return false;
    virtio_notify(&device, port_in());
    send_control(port, PORT_OPEN, 1);
    return true;
}

static bool console_is_open(void) { return port != 0; }

static size_t console_read(uint8_t *bytes, size_t room)
{
    poll_control();
    if (current_at == current.length) {
        if (!virtio_take(&data_in, &current))
            return 0;
        current_at = 0;
    }
    size_t count = current.length - current_at < room ? current.length - current_at : room;
    memcpy(bytes, in_buffers[current.id] + current_at, count);
    current_at += (uint32_t)count;
    if (current_at == current.length) {
        virtio_give(&data_in, (uint16_t)current.id, in_buffers[current.id], BUFFER, true);
        virtio_notify(&device, port_in());
    }
    return count;
}

// Without a peer QEMU takes the bytes and drops them, so this ends in any case.
static void console_write(const uint8_t *bytes, size_t length)
{
    while (length > 0) {
        size_t count = length < sizeof out_buffer ? length : sizeof out_buffer;
        memcpy(out_buffer, bytes, count);
        send(&data_out, port_out(), out_buffer, (uint32_t)count);
        bytes += count;
        length -= count;
    }
}

struct channel console = {.is_open = console_is_open, .read = console_read, .write = console_write};
