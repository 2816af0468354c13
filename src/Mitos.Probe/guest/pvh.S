// The note by which QEMU, and Firecracker from 1.12 on, find the 32-bit entry (XEN_ELFNOTE_PHYS32_ENTRY of the PVH boot ABI).
.section .note.pvh, "a", @note
    .balign 4
    .long 4, 8, 18              // bytes of the name, bytes of the value, type
    .asciz "Xen"
    .quad entry32

.section .note.GNU-stack, "", @progbits
