/*
 * A mapping that the program made itself is freed.
 * EXPECT: free\(0x[0-9a-f]+\): not from this allocator, or a mapping freed before
 */
#include "misuse.h"

#include <sys/mman.h>

int main(void)
{
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	free(opaque(p));
	return 0;
}
