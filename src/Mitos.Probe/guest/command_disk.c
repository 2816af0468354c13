#include "command.h"
#include "text.h"

static uint8_t sectors[BLOCK_MAX_BYTES] __attribute__((aligned(4096)));

enum code use_disk(struct wire_reader *in, struct wire_writer *out, enum block_operation operation)
{
    uint64_t disk = wire_number(in), sector = 0, length = 0;
    if (operation != BLOCK_FLUSH) {
        sector = wire_number(in);
        length = operation == BLOCK_READ ? wire_number(in) : (uint64_t)(in->end - in->at);
    }
    if (in->failed)
        return DONE;
    if (disk >= (uint64_t)disk_count)
        return refuse(NOT_FOUND, "there is no such disk");
    struct disk_facts facts = block_facts((int)disk);
    if (operation != BLOCK_FLUSH && (length == 0 || length > BLOCK_MAX_BYTES || length % SECTOR != 0))
        return refuse(INVALID_ARGUMENT, "512 to 4096 bytes are possible, whole sectors of 512");
    if (sector > facts.sectors || length / SECTOR > facts.sectors - sector)
        return refuse(INVALID_ARGUMENT, "the sectors are beyond the end of the disk");
    if (operation == BLOCK_WRITE && facts.read_only)
        return refuse(FAILED_PRECONDITION, "the disk is read-only");
    if (operation == BLOCK_FLUSH && !facts.can_flush)
        return refuse(UNSUPPORTED, "the disk knows no flush");
    if (operation == BLOCK_WRITE)
        memcpy(sectors, in->at, length);
    if (block_run((int)disk, operation, sector, sectors, (uint32_t)length) != 0)
        return refuse(INTERNAL, "the disk reports an input or output error");
    if (operation == BLOCK_READ)
        wire_put_raw(out, sectors, length);
    return DONE;
}
