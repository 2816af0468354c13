#include "text.h"

// Microcode copies well everywhere, and the processor keeps no state for it that a fork could miss.
void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(length) : : "memory");
    return to;
}

void *memmove(void *to, const void *from, size_t length)
{
    if (to <= from || (const uint8_t *)from + length <= (uint8_t *)to)
        return memcpy(to, from, length);
    for (size_t i = length; i > 0; i--)
        ((volatile uint8_t *)to)[i - 1] = ((const uint8_t *)from)[i - 1];
    return to;
}

void *memset(void *to, int value, size_t length)
{
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(length) : "a"(value) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t length)
{
    const volatile uint8_t *x = a, *y = b;
    for (size_t i = 0; i < length; i++) {
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    }
    return 0;
}

size_t text_length(const char *text)
{
    size_t length = 0;
    for (const volatile char *at = text; *at != 0; at++)
        length++;
    return length;
}
