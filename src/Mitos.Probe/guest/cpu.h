// Instructions that C has no words for.
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value) { __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline uint64_t read_tsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static inline void write_msr(uint32_t msr, uint64_t value) { __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))); }

struct cpuid {
    uint32_t a, b, c, d;
};

static inline struct cpuid read_cpuid(uint32_t leaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(0));
    return r;
}

// A random number, if the processor has one at hand.
static inline bool read_random(uint64_t *value)
{
    bool good;
    __asm__ volatile("rdrand %0" : "=r"(*value), "=@ccc"(good));
    return good;
}

// Keeps the compiler from moving memory accesses across; x86 itself reorders none that matters to a device.
static inline void barrier(void) { __asm__ volatile("" : : : "memory"); }

static inline void relax(void) { __asm__ volatile("pause"); }

// Sleeps until an interrupt. They are off everywhere else: sti takes effect after the next instruction, so none is lost before hlt.
static inline void sleep(void) { __asm__ volatile("sti; hlt; cli" : : : "memory"); }

// Takes an interrupt that is waiting.
static inline void take_interrupt(void) { __asm__ volatile("sti; nop; cli" : : : "memory"); }

_Noreturn static inline void stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}
