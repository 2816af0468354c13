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
    static bool uart_was_busy;
    bool busy = channel_serve(&console);
    busy |= channel_serve(&vsock);
    if (with_uart || uart_was_busy)
        busy |= uart_was_busy = channel_serve(&uart);
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
    bool slept = false;
    for (uint32_t round = 0, idle = 0;; round++) {
        bool busy = serve(slept || round % UART_INTERVAL == 0);
        slept = false;
        if (invariant.running) {
            invariant_step();
            take_interrupt();
        } else if (busy) {
            idle = 0;
        } else if (++idle < PATIENCE) {
            relax();
        } else {
            sleep();
            slept = true;
        }
    }
}
