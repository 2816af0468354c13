// A machine's life: read what the VMM told, find the devices, then serve whatever comes over any channel.
#include "block.h"
#include "boot.h"
#include "clock.h"
#include "commands.h"
#include "console.h"
#include "cpu.h"
#include "crc32c.h"
#include "discover.h"
#include "interrupts.h"
#include "invariant.h"
#include "memory.h"
#include "uart.h"
#include "virtio.h"
#include "vsock.h"

enum { PATIENCE = 200 };      // looks at the channels before it sleeps until the next tick
enum { UART_INTERVAL = 256 }; // each look at the UART leaves the machine, which is slow

_Noreturn void cmain(enum boot_protocol protocol, uintptr_t information);

static struct channel *const channels[] = {&console, &vsock, &uart};

static void on_device(uintptr_t base)
{
    switch (virtio_kind(base)) {
    case VIRTIO_BLOCK:
        block_open(base);
        break;
    case VIRTIO_CONSOLE:
        console_open(base);
        break;
    case VIRTIO_VSOCK:
        vsock_open(base);
        break;
    }
}

bool channel_serve(struct channel *channel)
{
    static uint8_t bytes[1024];
    size_t count = channel->is_open() ? channel->read(bytes, sizeof bytes) : 0;
    for (size_t i = 0; i < count; i++) {
        struct frame frame;
        if (frame_push(&channel->reader, bytes[i], &frame))
            commands_run(channel, &frame);
    }
    return count > 0;
}

static bool serve(bool with_uart)
{
    bool busy = false;
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
        if (channels[i] != &uart || with_uart)
            busy |= channel_serve(channels[i]);
    }
    return busy;
}

_Noreturn void cmain(enum boot_protocol protocol, uintptr_t information)
{
    uart_open();
    interrupts_open();
    crc32c_open();
    boot_read(protocol, information);
    memory_map_high();
    discover(on_device);
    clock_open();
    commands_open();
    uart_print("probe: up\r\n");
    for (uint32_t round = 0, idle = 0;; round++) {
        bool busy = serve(idle >= PATIENCE || round % UART_INTERVAL == 0);
        if (invariant.running) {
            invariant_step();
            take_interrupt();
            continue;
        }
        if (busy) {
            idle = 0;
        } else if (++idle < PATIENCE) {
            relax();
        } else {
            sleep();
            idle = PATIENCE - 1; // one more look at all, then sleep again
        }
    }
}
