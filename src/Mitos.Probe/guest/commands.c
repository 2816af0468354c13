#include "commands.h"
#include "block.h"
#include "boot.h"
#include "clock.h"
#include "command.h"
#include "console.h"
#include "cpu.h"
#include "interrupts.h"
#include "memory.h"
#include "vsock.h"

// Requests (ProbeMessage.cs); 2, 65 and 66 as in MessageType.cs.
enum {
    PING = 2, IDENTIFY = 128, SET_GENERATION, FILL, DIRTY, CHECKSUM, INVARIANT_START, INVARIANT_STOP, INVARIANT_REPORT, CLOCK,
    BLOCK_READ_SECTORS, BLOCK_WRITE_SECTORS, BLOCK_FLUSH_DISK, HALT, POWER_OFF,
};
enum { OK = 65, ERROR = 66 };
enum { VERSION = 1 };

static uint64_t boot_id, generation, requests;
static const char *reason; // of the refusal

void commands_open(void)
{
    uint64_t random = 0;
    if (read_cpuid(1).c & 1 << 30)
        read_random(&random);
    boot_id = pattern_word(random ^ read_tsc(), (uintptr_t)&random) | 1;
}

enum code refuse(enum code code, const char *text)
{
    reason = text;
    return code;
}

static enum code identify(struct wire_reader *in, struct wire_writer *out)
{
    (void)in;
    uint64_t bytes = 1 << 20; // the first MiB, which no range has
    for (int i = 0; i < memory_range_count; i++)
        bytes += memory_ranges[i].end - memory_ranges[i].start;
    wire_put(out, VERSION);
    wire_put_raw(out, &boot_id, sizeof boot_id);
    wire_put(out, generation);
    wire_put(out, requests);
    wire_put(out, console_connects + vsock_connects);
    wire_put(out, vsock_resets);
    wire_put(out, boot_protocol);
    wire_put(out, vsock_cid);
    wire_put(out, bytes);
    wire_put(out, (uintptr_t)image_start);
    wire_put(out, (uintptr_t)image_end);
    wire_put(out, (uint64_t)memory_range_count);
    for (int i = 0; i < memory_range_count; i++) {
        wire_put(out, memory_ranges[i].start);
        wire_put(out, memory_ranges[i].end - memory_ranges[i].start);
    }
    wire_put(out, (uint64_t)disk_count);
    for (int i = 0; i < disk_count; i++) {
        struct disk_facts facts = block_facts(i);
        wire_put(out, facts.sectors);
        wire_put(out, facts.read_only);
    }
    return DONE;
}

static enum code set_generation(struct wire_reader *in, struct wire_writer *out)
{
    (void)out;
    uint64_t value = wire_number(in);
    if (!in->failed)
        generation = value;
    return DONE;
}

static enum code read_clock(struct wire_reader *in, struct wire_writer *out)
{
    (void)in;
    wire_put(out, read_tsc());
    wire_put(out, clock_exists());
    wire_put(out, clock_read());
    wire_put(out, timer_ticks);
    return DONE;
}

_Noreturn static void power_off(void)
{
    out8(0x64, 0xFE); // Firecracker ends by the keyboard controller's reset, QEMU by a triple fault
    struct __attribute__((packed)) {
        uint16_t limit;
        uint64_t base;
    } none = {0, 0};
    // no table, and an access that faults: not every KVM that has to emulate knows int3
    __asm__ volatile("lidt %0; mov (%1), %%al" : : "m"(none), "r"(MAPPED_END << 8) : "al");
    stop();
}

static enum code run(uint8_t type, struct wire_reader *in, struct wire_writer *out)
{
    switch (type) {
    case PING:
        wire_put_raw(out, in->at, (size_t)(in->end - in->at));
        return DONE;
    case IDENTIFY: return identify(in, out);
    case SET_GENERATION: return set_generation(in, out);
    case FILL: return fill(in, out);
    case DIRTY: return dirty(in, out);
    case CHECKSUM: return checksum(in, out);
    case INVARIANT_START: return start_invariant(in, out);
    case INVARIANT_STOP: return stop_invariant(in, out);
    case INVARIANT_REPORT: return report_invariant(in, out);
    case CLOCK: return read_clock(in, out);
    case BLOCK_READ_SECTORS: return use_disk(in, out, BLOCK_READ);
    case BLOCK_WRITE_SECTORS: return use_disk(in, out, BLOCK_WRITE);
    case BLOCK_FLUSH_DISK: return use_disk(in, out, BLOCK_FLUSH);
    case HALT: case POWER_OFF: return DONE;
    default: return refuse(UNSUPPORTED, "this machine runs the probe, which knows no such request");
    }
}

void commands_run(struct channel *channel, const struct frame *request)
{
    static uint8_t payload[MAX_PAYLOAD];
    struct wire_reader in = {request->payload, request->payload + request->length, false};
    struct wire_writer out = {payload, 0, sizeof payload};
    enum code code = run(request->type, &in, &out);
    if (in.failed)
        code = refuse(INVALID_ARGUMENT, "the request is shorter than its fields");
    if (code != DONE) {
        out.length = 0;
        wire_put(&out, code);
        wire_put(&out, 0); // no errno
        wire_put_text(&out, reason);
    }
    requests++;
    struct frame answer = {request->session, request->id, code == DONE ? OK : ERROR, payload, out.length};
    const uint8_t *encoded;
    size_t length = frame_encode(&answer, &encoded);
    channel->write(encoded, length);
    if (code == DONE && request->type == HALT)
        stop();
    if (code == DONE && request->type == POWER_OFF)
        power_off();
}
