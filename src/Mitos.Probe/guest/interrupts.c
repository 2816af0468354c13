#include "interrupts.h"
#include "cpu.h"
#include "uart.h"

enum { EXCEPTIONS = 22, STUB_BYTES = 16, TIMER_VECTOR = 32, SPURIOUS_VECTOR = 255 };
enum { CODE_SEGMENT = 8, INTERRUPT_GATE = 0x8E };

// Registers of the local APIC (Intel SDM 3A, table 11-1).
#define APIC(offset) (*(volatile uint32_t *)(0xFEE00000ULL + (offset)))
enum { APIC_SPURIOUS = 0xF0, APIC_TIMER = 0x320, APIC_LINT0 = 0x350, APIC_INITIAL = 0x380, APIC_DIVIDE = 0x3E0 };
enum { APIC_ENABLE = 0x100, APIC_PERIODIC = 0x20000, APIC_MASKED = 0x10000, APIC_DIVIDE_BY_1 = 0xB };

struct __attribute__((packed)) gate {
    uint16_t low, segment;
    uint8_t stack, kind;
    uint16_t middle;
    uint32_t high, zero;
};

extern const uint8_t exception_stubs[], timer_stub[], spurious_stub[]; // entry.S

volatile uint64_t timer_ticks;
static struct gate gates[256] __attribute__((aligned(16)));

static void set_gate(int vector, const uint8_t *stub)
{
    uintptr_t at = (uintptr_t)stub;
    gates[vector] = (struct gate){(uint16_t)at, CODE_SEGMENT, 0, INTERRUPT_GATE, (uint16_t)(at >> 16), (uint32_t)(at >> 32), 0};
}

_Noreturn void fault(uint64_t vector, uint64_t error, uint64_t rip);

_Noreturn void fault(uint64_t vector, uint64_t error, uint64_t rip)
{
    uint64_t address;
    __asm__ volatile("mov %%cr2, %0" : "=r"(address));
    uart_print("probe: exception ");
    uart_print_hex(vector);
    uart_print(" error ");
    uart_print_hex(error);
    uart_print(" rip ");
    uart_print_hex(rip);
    uart_print(" cr2 ");
    uart_print_hex(address);
    fail(" stopped");
}

void interrupts_open(void)
{
    for (int i = 0; i < EXCEPTIONS; i++)
        set_gate(i, exception_stubs + i * STUB_BYTES);
    set_gate(TIMER_VECTOR, timer_stub);
    set_gate(SPURIOUS_VECTOR, spurious_stub);
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } table = {sizeof gates - 1, (uintptr_t)gates};
    __asm__ volatile("lidt %0" : : "m"(table));

    // The old interrupt controllers, where there are any, stay silent.
    out8(0x21, 0xFF);
    out8(0xA1, 0xFF);
    APIC(APIC_LINT0) = APIC_MASKED;
    APIC(APIC_SPURIOUS) = APIC_ENABLE | SPURIOUS_VECTOR;
    APIC(APIC_DIVIDE) = APIC_DIVIDE_BY_1;
    APIC(APIC_TIMER) = APIC_PERIODIC | TIMER_VECTOR;
    APIC(APIC_INITIAL) = 1000000; // a virtual APIC counts nanoseconds, in QEMU and in KVM
}
