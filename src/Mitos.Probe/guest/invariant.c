#include "invariant.h"
#include "cpu.h"
#include "text.h"

enum { ITERATIONS = 512 };

struct invariant invariant;

void invariant_start(uint64_t first_page, uint64_t second_page)
{
    memset(&invariant, 0, sizeof invariant);
    invariant.first_page = first_page;
    invariant.second_page = second_page;
    *(volatile uint64_t *)first_page = 0;
    *(volatile uint64_t *)second_page = 0;
    invariant.running = true;
}

void invariant_step(void)
{
    volatile uint64_t *first = (volatile uint64_t *)invariant.first_page, *second = (volatile uint64_t *)invariant.second_page;
    uint64_t n = invariant.iterations; // in a register throughout the loop
    for (int i = 0; i < ITERATIONS; i++) {
        uint64_t a = *first, b = *second;
        if (a != n || b != n) {
            invariant.violations++;
            invariant.bad_first = a;
            invariant.bad_second = b;
            invariant.bad_expected = n;
        }
        n++;
        *first = n;
        *second = n;
    }
    invariant.iterations = n;
}
