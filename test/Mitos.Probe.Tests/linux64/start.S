// Stands in for a VMM that boots by Linux's 64-bit protocol, as Firecracker before 1.12 does: takes QEMU's PVH boot, sets up what
// Firecracker sets up (identity page tables of 1 GiB, a 64-bit code segment, boot_params in RSI) and enters at the ELF entry.
.section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18
    .asciz "Xen"
    .quad vmm_start

.text
.code32
vmm_start:
    cli
    movl $vmm_pml4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $(1 << 5), %eax
    movl %eax, %cr4
    movl $0xC0000080, %ecx
    rdmsr
    orl $(1 << 8), %eax
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax
    movl %eax, %cr0
    lgdt vmm_gdt_pointer
    ljmp $8, $vmm_start64

.code64
vmm_start64:
    movl $vmm_stack, %esp
    movl %ebx, %edi
    call make_boot_params
    movq %rax, %rsi
    jmp entry64

// In .data: the probe clears .bss when it starts.
.data
.balign 8
vmm_gdt:
    .quad 0, 0x00AF9B000000FFFF, 0x00CF93000000FFFF
vmm_gdt_pointer:
    .word . - vmm_gdt - 1
    .quad vmm_gdt
.balign 4096
vmm_pml4:
    .quad vmm_pdpt + 3
    .fill 511, 8, 0
vmm_pdpt:
    .quad vmm_pd + 3
    .fill 511, 8, 0
vmm_pd:
    .set address, 0
    .rept 512
    .quad address + 0x83
    .set address, address + 0x200000
    .endr
    .skip 4096
vmm_stack:

.section .note.GNU-stack, "", @progbits
