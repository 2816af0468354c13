// From either entry to cmain(protocol, boot information) in 64-bit mode, with page tables, segments and a stack of our own.

.set PRESENT_WRITABLE, 0x3
.set HUGE_PAGE, 0x83            // present, writable, 2 MiB
.set UNCACHED, 0x18

.text
.code32
.globl entry32
entry32:                        // PVH: protected mode, no paging, EBX = hvm_start_info
    cli
    movl $pml4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $(1 << 5), %eax         // PAE
    movl %eax, %cr4
    movl $0xC0000080, %ecx      // EFER
    rdmsr
    orl $(1 << 8), %eax         // LME
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax       // PG
    movl %eax, %cr0
    lgdt gdt_pointer
    movl $0, %edi
    movl %ebx, %esi
    ljmp $8, $start

.code64
.globl entry64
entry64:                        // Linux's 64-bit boot protocol: RSI = boot_params
    cli
    lgdt gdt_pointer
    movl $pml4, %eax
    movq %rax, %cr3
    movl $1, %edi
    leaq stack_top(%rip), %rsp
    pushq $8
    pushq $start
    lretq

start:                          // EDI = protocol, RSI = boot information
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl %edi, %r12d            // both lie below 4 GiB
    movl %esi, %r13d
    movl $bss_start, %edi
    movl $image_end, %ecx
    subl %edi, %ecx
    xorl %eax, %eax
    cld
    rep stosb
    leaq stack_top(%rip), %rsp
    movl %r12d, %edi
    movl %r13d, %esi
    xorl %ebp, %ebp
    call cmain
1:  hlt
    jmp 1b

// One stub for each exception that matters; all end the machine.
.macro exception vector, has_code=0
    .balign 16
    .if !\has_code
    pushq $0
    .endif
    pushq $\vector
    jmp on_exception
.endm

.globl exception_stubs
.balign 16
exception_stubs:
    exception 0
    exception 1
    exception 2
    exception 3
    exception 4
    exception 5
    exception 6
    exception 7
    exception 8, 1
    exception 9
    exception 10, 1
    exception 11, 1
    exception 12, 1
    exception 13, 1
    exception 14, 1
    exception 15
    exception 16
    exception 17, 1
    exception 18
    exception 19
    exception 20
    exception 21, 1

on_exception:
    movq 0(%rsp), %rdi          // vector
    movq 8(%rsp), %rsi          // error code
    movq 16(%rsp), %rdx         // RIP
    andq $-16, %rsp
    call fault

.globl timer_stub
.balign 16
timer_stub:
    incq timer_ticks(%rip)
    pushq %rax
    movl $0xFEE000B0, %eax      // local APIC: end of interrupt
    movl $0, (%rax)
    popq %rax
    iretq

.globl spurious_stub
.balign 16
spurious_stub:
    iretq

.data
.balign 8
gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF    // code, 64 bits
    .quad 0x00CF93000000FFFF    // data
gdt_pointer:
    .word . - gdt - 1
    .quad gdt

// The first 4 GiB as they are; the last of them, where the devices live, uncached. memory.c maps what lies above.
.balign 4096
pml4:
    .quad pdpt + PRESENT_WRITABLE
    .fill 511, 8, 0
.globl pdpt
pdpt:
    .quad pd + PRESENT_WRITABLE, pd + 4096 + PRESENT_WRITABLE, pd + 8192 + PRESENT_WRITABLE, pd + 12288 + PRESENT_WRITABLE
    .fill 508, 8, 0
pd:
    .set address, 0
    .rept 1536
    .quad address + HUGE_PAGE
    .set address, address + 0x200000
    .endr
    .rept 512
    .quad address + HUGE_PAGE + UNCACHED
    .set address, address + 0x200000
    .endr

.bss
.balign 16
    .skip 16384
stack_top:

.section .note.GNU-stack, "", @progbits
