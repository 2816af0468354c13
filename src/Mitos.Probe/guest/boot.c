#include "boot.h"
#include "memory.h"
#include "text.h"
#include "uart.h"

enum boot_protocol boot_protocol;
const char *boot_command_line = "";
uint64_t boot_rsdp;

enum { RAM = 1 };

// xen/include/public/arch-x86/hvm/start_info.h
struct start_info {
    uint32_t magic, version, flags, modules;
    uint64_t module_list, command_line, rsdp, memory_map;
    uint32_t memory_map_entries, reserved;
};

struct memory_map_entry {
    uint64_t address, size;
    uint32_t type, reserved;
};

struct __attribute__((packed)) e820_entry {
    uint64_t address, size;
    uint32_t type;
};

// Offsets in boot_params (Linux: Documentation/arch/x86/zero-page.rst).
enum { RSDP_AT = 0x70, E820_COUNT_AT = 0x1E8, COMMAND_LINE_AT = 0x228, E820_AT = 0x2D0, E820_MAX = 128 };

static void read_pvh(uintptr_t at)
{
    const struct start_info *info = (const void *)at;
    if (info->magic != 0x336EC578 || info->version < 1)
        fail("the VMM gave no PVH start information of version 1");
    if (info->command_line != 0)
        boot_command_line = (const char *)info->command_line;
    boot_rsdp = info->rsdp;
    const struct memory_map_entry *map = (const void *)info->memory_map;
    for (uint32_t i = 0; i < info->memory_map_entries; i++) {
        if (map[i].type == RAM)
            memory_add(map[i].address, map[i].size);
    }
}

static void read_linux64(uintptr_t at)
{
    const uint8_t *zero_page = (const void *)at;
    uint32_t command_line;
    memcpy(&command_line, zero_page + COMMAND_LINE_AT, 4);
    if (command_line != 0)
        boot_command_line = (const char *)(uintptr_t)command_line;
    memcpy(&boot_rsdp, zero_page + RSDP_AT, 8);
    const struct e820_entry *map = (const void *)(zero_page + E820_AT);
    for (int i = 0; i < zero_page[E820_COUNT_AT] && i < E820_MAX; i++) {
        if (map[i].type == RAM)
            memory_add(map[i].address, map[i].size);
    }
}

void boot_read(enum boot_protocol protocol, uintptr_t information)
{
    boot_protocol = protocol;
    if (protocol == BOOT_PVH)
        read_pvh(information);
    else
        read_linux64(information);
}
