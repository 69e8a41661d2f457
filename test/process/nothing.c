/*
 * A program that does nothing; with an argument, one that allocates and
 * prints once.  What it costs is measured by idle_cost.c.
 */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	char *line;

	(void)argv;
	if (argc == 1)
		return 0;
	line = malloc(100);
	if (!line)
		return 1;
	snprintf(line, 100, "hello\n");
	fputs(line, stdout);
	free(line);
	return 0;
}
