/*
 * A sized operator delete states a size of another class.
 * EXPECT: (free_sized|operator delete)\(0x[0-9a-f]+, 100\): wrong size: the object has 64 bytes
 */
#include <new>

int main()
{
	void *volatile p = ::operator new(64);

	::operator delete(p, 100);
	return 0;
}
