struct profile_row {
	unsigned size;
	unsigned log2_lifetime, weight;
};
struct profile {
	const char *name;
	unsigned total;
	struct profile_row rows[161];
};
static const struct profile profiles[] = {{"x", 1, {{32, 1, 1}}}};
