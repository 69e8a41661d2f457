# Pack and unpack a tree of 5000 files, twice, through a pipe and compressed.
needs="tar gzip awk"

prepare()
{
	mkdir "$shared/tree" && cd "$shared/tree" &&
		awk 'BEGIN { for (i = 0; i < 5000; i++) {
			d = "d" i % 40; if (i < 40) system("mkdir " d)
			f = d "/a-rather-long-name-of-a-file-" i
			for (l = 0; l < i % 60; l++) print "line " l " of " i > f
			printf "" > f; close(f) } }' && cd - >/dev/null
}

job()
{
	tar -C "$shared" --sort=name --mtime=@0 --owner=0 --group=0 -cf - tree | sha256sum &&
		tar -C "$shared" -czf tree.tgz tree && tar -xzf tree.tgz &&
		diff -r "$shared/tree" tree && tar -tvzf tree.tgz | wc -l &&
		tar --sort=name --mtime=@0 --owner=0 --group=0 -cf - tree | sha256sum
}
