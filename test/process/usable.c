/*
 * malloc(0) is unique and can be freed; every byte of the usable size may be
 * written, also after realloc and in place of what calloc zeroed, and reaches
 * no neighbour.
 */
#include "check.h"

static volatile size_t zero;

static void check_nothing(void)
{
	enum { COUNT = 1000 };
	static void *p[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		CHECK(p[i] = i % 2 ? malloc(zero) : calloc(zero, 8));
		/* of what is no byte, none may be another's */
		memset(p[i], (int)i, malloc_usable_size(p[i]));
		for (size_t k = 0; k < i; k++)
			CHECK(p[k] != p[i]);
	}
	for (size_t i = 0; i < COUNT; i++)
		free(p[i]);
	free(NULL);
	CHECK(malloc_usable_size(NULL) == 0);
}

static bool is_filled(const unsigned char *p, size_t size, unsigned char byte)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != byte)
			return false;
	return true;
}

static void check_all_sizes(void)
{
	unsigned char *neighbours[3];

	for (size_t size = 1; size <= 9 * MIB; size += 1 + size / 16) {
		for (int i = 0; i < 3; i++) {
			size_t usable;

			CHECK(neighbours[i] = malloc(size));
			usable = malloc_usable_size(neighbours[i]);
			CHECK(usable >= size);
			memset(neighbours[i], i + 1, usable);
		}
		for (int i = 0; i < 3; i++) {
			size_t usable = malloc_usable_size(neighbours[i]);

			CHECK(is_filled(neighbours[i], usable,
					(unsigned char)(i + 1)));
			/* to the usable size it grows without moving */
			CHECK(opaque(realloc(opaque(neighbours[i]), usable)) ==
			      neighbours[i]);
			CHECK(malloc_usable_size(neighbours[i]) >= usable);
			free(neighbours[i]);
		}
		/* what was filled above comes back as zeros */
		CHECK(neighbours[0] = calloc(1, size));
		CHECK(is_filled(neighbours[0], size, 0));
		free(neighbours[0]);
	}
}

/* Objects that grow and shrink, each in its own colour. */
static void check_realloc(void)
{
	enum { COUNT = 64, STEPS = 20000 };
	static struct {
		unsigned char *p;
		size_t size;
	} objects[COUNT];
	uint64_t state = seed();

	for (int step = 0; step < STEPS; step++) {
		size_t i = draw(&state) % COUNT;
		size_t size = draw_size(&state, step % 100 ? 14 : 23), common;
		unsigned char *p = realloc(objects[i].p, size);

		CHECK(p);
		common = size < objects[i].size ? size : objects[i].size;
		CHECK(is_filled(p, common, (unsigned char)i));
		objects[i].p = p;
		objects[i].size = size;
		memset(p, (int)i, malloc_usable_size(p));
	}
	for (size_t i = 0; i < COUNT; i++)
		free(objects[i].p);
}

int main(void)
{
	check_library();
	check_nothing();
	check_all_sizes();
	check_realloc();
	return 0;
}
