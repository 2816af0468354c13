// A process to look at and to handle from outside. It maps descriptor 3 privately and obeys lines on its standard input:
//   w PAGE BYTE   writes a page full of one byte      r PAGE   reads a page      d PAGE   discards a page
// Each is answered by "ok" and, the first time, by the address: "mapped 7f…".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

int main(void)
{
    struct stat file;
    if (fstat(3, &file)) return 1;
    unsigned char *map = mmap(0, file.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, 3, 0);
    if (map == MAP_FAILED) return 2;
    printf("mapped %lx\n", (unsigned long)map);
    fflush(stdout);
    char command;
    long page;
    int byte;
    volatile unsigned char sink;
    while (scanf(" %c %ld", &command, &page) == 2) {
        unsigned char *at = map + page * 4096;
        if (command == 'w' && scanf("%d", &byte) == 1) memset(at, byte, 4096);
        else if (command == 'r') sink = *at;
        else if (command != 'd' || madvise(at, 4096, MADV_DONTNEED)) return 3;
        puts("ok");
        fflush(stdout);
    }
    return 0;
}
