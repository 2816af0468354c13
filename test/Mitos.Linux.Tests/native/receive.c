// Receives from a socket on descriptor 0 until its end. Prints the number of bytes, their sum, and for each descriptor that came
// with them the file's first line.
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void)
{
    static char data[65536];
    long total = 0, sum = 0;
    char found[4096] = "";
    for (;;) {
        char control[CMSG_SPACE(16 * sizeof(int))];
        struct iovec vector = { data, sizeof data };
        struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
        ssize_t got = recvmsg(0, &message, 0);
        if (got <= 0) break;
        total += got;
        for (ssize_t i = 0; i < got; i++) sum += (unsigned char)data[i];
        for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
            for (size_t i = 0; i < (header->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
                char line[256] = "";
                pread(((int *)CMSG_DATA(header))[i], line, sizeof line - 1, 0);
                strcat(strcat(found, " "), line);
            }
    }
    printf("%ld %ld%s", total, sum, found);
    return 0;
}
