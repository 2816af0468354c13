#include <stdint.h>

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

uint8_t *make_boot_params(const struct start_info *info);

uint8_t *make_boot_params(const struct start_info *info)
{
    static uint8_t page[4096] __attribute__((section(".data"), aligned(4096)));
    const struct memory_map_entry *from = (const void *)info->memory_map;
    struct e820_entry *to = (void *)(page + 0x2D0);
    for (uint32_t i = 0; i < info->memory_map_entries; i++)
        to[i] = (struct e820_entry){from[i].address, from[i].size, from[i].type};
    page[0x1E8] = (uint8_t)info->memory_map_entries;
    *(uint32_t *)(page + 0x228) = (uint32_t)info->command_line;
    return page;
}
