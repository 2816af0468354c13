// Two counters on two pages, written one after the other as fast as it goes. At any instant they are equal, or the first is one
// ahead; the value in the processor's register agrees. A fork whose pages or registers are not of one instant breaks that.
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct invariant {
    bool running;
    uint64_t first_page, second_page;
    uint64_t iterations; // also what both counters are
    uint64_t violations;
    uint64_t bad_first, bad_second, bad_expected; // of the last violation
};

extern struct invariant invariant;

void invariant_start(uint64_t first_page, uint64_t second_page);

// Some hundred iterations.
void invariant_step(void);
