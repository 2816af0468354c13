// Prints whether huge pages are off for this process.
#include <stdio.h>
#include <sys/prctl.h>

int main(void)
{
    printf("%d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
    return 0;
}
