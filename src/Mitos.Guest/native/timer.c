// Stops channel 0 of the programmable interval timer: mode 0 with a count of 0 ends its square wave (Intel 8254 data sheet, "Mode 0").
// QEMU starts it with the machine and then carries each of its 36 edges a second out, though nobody looks.
//
// Why C: `out` is an instruction that managed code has not.
#include <errno.h>
#include <sys/io.h>

/** Returns 0, or the error of ioperm: not root, or a kernel without it. */
int mitos_stop_timer(void)
{
    if (ioperm(0x40, 4, 1) != 0)
        return errno;
    outb(0x30, 0x43);
    outb(0, 0x40);
    outb(0, 0x40);
    ioperm(0x40, 4, 0);
    return 0;
}
