# sort with two threads and a small buffer, so that it merges files too.
needs="sort awk"

prepare()
{
	awk 'BEGIN { srand(5); for (i = 0; i < 600000; i++)
		printf "%d key%d %.6f %s\n", rand() * 1e9, rand() * 5000, rand(), substr("abcdefghijklmnopqrstuvwxyz", 1 + rand() * 20) }' >"$shared/lines"
}

job()
{
	sort --parallel=2 -S 8M "$shared/lines" | sha256sum &&
		sort --parallel=2 -S 100M -k2,2 -k1,1n "$shared/lines" | sha256sum &&
		sort -u -k2,2 "$shared/lines" | wc -l
}
