# xz with two threads; blocks small enough that both have some.
needs="xz awk"

prepare()
{
	awk 'BEGIN { srand(9); for (i = 0; i < 200000; i++)
		printf "%d %s some text that repeats %d\n", i, substr("qwertyuiopasdfghjkl", 1 + rand() * 15), rand() * 100 }' >"$shared/text"
}

job()
{
	xz -T2 -4 --block-size=1MiB -k -c "$shared/text" >text.xz && sha256sum <text.xz &&
		xz -T2 -d -c text.xz | cmp - "$shared/text" && xz -lv text.xz | grep -c CRC64
}
