#include "uart.h"
#include "cpu.h"
#include "text.h"

enum { DATA = 0x3F8, INTERRUPTS = 0x3F9, FIFO = 0x3FA, LINE = 0x3FB, STATUS = 0x3FD };
enum { RECEIVED = 1, ROOM = 0x20, DIVISOR = 0x80 };

static bool uart_exists;

void uart_open(void)
{
    uart_exists = in8(STATUS) != 0xFF;
    if (!uart_exists)
        return;
    // 8 bits, no parity, the highest rate: QEMU keeps to it.
    out8(LINE, DIVISOR | 3);
    out8(DATA, 1);
    out8(INTERRUPTS, 0);
    out8(LINE, 3);
    out8(INTERRUPTS, 0);
    out8(FIFO, 0xC1); // 14 bytes at a time
}

static size_t uart_read(uint8_t *bytes, size_t room)
{
    size_t count = 0;
    while (count < room && (in8(STATUS) & RECEIVED))
        bytes[count++] = in8(DATA);
    return count;
}

static void uart_write(const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        // A UART that a snapshot left stuck must not stop the machine.
        for (int wait = 0; wait < 100000 && !(in8(STATUS) & ROOM); wait++)
            relax();
        out8(DATA, bytes[i]);
    }
}

static bool uart_is_open(void) { return uart_exists; }

struct channel uart = {.is_open = uart_is_open, .read = uart_read, .write = uart_write};

void uart_print(const char *text)
{
    if (uart_exists)
        uart_write((const uint8_t *)text, text_length(text));
}

void uart_print_hex(uint64_t value)
{
    char text[19] = "0x";
    for (int i = 0; i < 16; i++)
        text[2 + i] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    text[18] = 0;
    uart_print(text);
}

_Noreturn void fail(const char *reason)
{
    uart_print("probe: ");
    uart_print(reason);
    uart_print("\r\n");
    stop();
}
