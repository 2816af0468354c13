#include "discover.h"
#include "boot.h"
#include "text.h"

static uint64_t read_number(const char **text)
{
    uint64_t base = 10, value = 0;
    if ((*text)[0] == '0' && ((*text)[1] == 'x' || (*text)[1] == 'X')) {
        base = 16;
        *text += 2;
    }
    for (;; (*text)++) {
        char c = **text;
        uint64_t digit = c >= '0' && c <= '9' ? (uint64_t)(c - '0') : c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a' + 10) : c >= 'A' && c <= 'F' ? (uint64_t)(c - 'A' + 10) : 99;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

// virtio_mmio.device=<size>@<address>:<irq>
static int from_command_line(void (*found)(uintptr_t))
{
    static const char key[] = "virtio_mmio.device=";
    int count = 0;
    for (const char *at = boot_command_line; *at != 0; at++) {
        if ((at != boot_command_line && at[-1] != ' ') || text_length(at) < sizeof key || memcmp(at, key, sizeof key - 1) != 0)
            continue;
        const char *value = at + sizeof key - 1;
        while (*value != 0 && *value != ' ' && *value != '@')
            value++;
        if (*value != '@')
            continue;
        value++;
        found(read_number(&value));
        count++;
    }
    return count;
}

struct __attribute__((packed)) rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
};

struct __attribute__((packed)) table {
    char signature[4];
    uint32_t length;
    uint8_t rest[28];
};

static const struct rsdp *find_rsdp(void)
{
    if (boot_rsdp != 0)
        return (const void *)boot_rsdp;
    for (uintptr_t at = 0xE0000; at < 0x100000; at += 16) {
        if (memcmp((const void *)at, "RSD PTR ", 8) == 0)
            return (const void *)at;
    }
    return 0;
}

static const struct table *find_dsdt(const struct rsdp *rsdp)
{
    int wide = rsdp->revision >= 2 && rsdp->xsdt != 0;
    const struct table *root = (const void *)(wide ? rsdp->xsdt : rsdp->rsdt);
    const uint8_t *entries = (const uint8_t *)root + sizeof *root;
    for (uint32_t i = 0; i < (root->length - sizeof *root) / (wide ? 8 : 4); i++) {
        uint64_t address = 0;
        memcpy(&address, entries + i * (wide ? 8 : 4), wide ? 8 : 4);
        const uint8_t *table = (const void *)address;
        if (memcmp(table, "FACP", 4) != 0)
            continue;
        uint64_t dsdt = 0;
        if (((const struct table *)table)->length >= 148)
            memcpy(&dsdt, table + 140, 8);
        if (dsdt == 0)
            memcpy(&dsdt, table + 40, 4);
        return (const void *)dsdt;
    }
    return 0;
}

// No interpreter of AML: a device of the id LNRO0005 is followed by its Memory32Fixed resource (ACPI 6.4.3.4).
static void from_acpi(void (*found)(uintptr_t))
{
    const struct rsdp *rsdp = find_rsdp();
    const struct table *dsdt = rsdp == 0 ? 0 : find_dsdt(rsdp);
    if (dsdt == 0)
        return;
    const uint8_t *at = (const uint8_t *)dsdt + sizeof *dsdt, *end = (const uint8_t *)dsdt + dsdt->length;
    int in_device = 0;
    for (; at + 12 <= end; at++) {
        if (memcmp(at, "LNRO0005", 8) == 0)
            in_device = 1;
        if (in_device && at[0] == 0x86 && at[1] == 9 && at[2] == 0) {
            uint32_t base;
            memcpy(&base, at + 4, 4);
            found(base);
            in_device = 0;
        }
    }
}

void discover(void (*found)(uintptr_t))
{
    if (from_command_line(found) == 0)
        from_acpi(found);
}
