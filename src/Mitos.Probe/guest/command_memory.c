#include "command.h"
#include "invariant.h"
#include "memory.h"

enum code fill(struct wire_reader *in, struct wire_writer *out)
{
    (void)out;
    uint64_t address = wire_number(in), length = wire_number(in), seed = wire_number(in);
    if (in->failed)
        return DONE;
    if (address % 8 != 0 || length % 8 != 0)
        return refuse(INVALID_ARGUMENT, "address and length must be divisible by 8");
    if (!memory_is_writable(address, length))
        return refuse(INVALID_ARGUMENT, "the range is not memory, or is the probe's own");
    memory_fill(address, length, seed);
    return DONE;
}

enum code dirty(struct wire_reader *in, struct wire_writer *out)
{
    (void)out;
    uint64_t address = wire_number(in), pages = wire_number(in), stride = wire_number(in), seed = wire_number(in);
    if (in->failed || pages == 0)
        return DONE;
    if (address % PAGE != 0 || stride % PAGE != 0 || stride == 0)
        return refuse(INVALID_ARGUMENT, "address and stride must be divisible by 4096, and the stride not zero");
    // The last page must be in reach of 64 bits, too.
    if (pages - 1 > (MAPPED_END - 1) / stride || !memory_is_writable(address, (pages - 1) * stride + PAGE))
        return refuse(INVALID_ARGUMENT, "the range is not memory, or is the probe's own");
    memory_dirty(address, pages, stride, seed);
    return DONE;
}

enum code checksum(struct wire_reader *in, struct wire_writer *out)
{
    uint64_t address = wire_number(in), length = wire_number(in);
    if (in->failed)
        return DONE;
    if (address % 8 != 0 || length % 8 != 0)
        return refuse(INVALID_ARGUMENT, "address and length must be divisible by 8");
    if (!memory_is_readable(address, length))
        return refuse(INVALID_ARGUMENT, "the range is not memory");
    uint64_t hash = memory_checksum(address, length);
    wire_put_raw(out, &hash, sizeof hash);
    return DONE;
}

enum code start_invariant(struct wire_reader *in, struct wire_writer *out)
{
    (void)out;
    uint64_t first = wire_number(in), second = wire_number(in);
    if (in->failed)
        return DONE;
    if (first % PAGE != 0 || second % PAGE != 0 || first == second || !memory_is_writable(first, PAGE) || !memory_is_writable(second, PAGE))
        return refuse(INVALID_ARGUMENT, "two different pages of memory are needed");
    invariant_start(first, second);
    return DONE;
}

enum code report_invariant(struct wire_reader *in, struct wire_writer *out)
{
    (void)in;
    const uint64_t *fields = &invariant.first_page;
    wire_put(out, invariant.running);
    for (int i = 0; i < 7; i++)
        wire_put(out, fields[i]);
    return DONE;
}

enum code stop_invariant(struct wire_reader *in, struct wire_writer *out)
{
    invariant.running = false;
    return report_invariant(in, out);
}
