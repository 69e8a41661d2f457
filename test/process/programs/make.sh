# make -j2 compiles Quarry itself on Quarry.
needs="meson make gcc perl"
source_tree=$here/../../..

# The library alone: the other folders' parts of the build are empty.
copy_tree()
{
	local folder
	mkdir source && tar -C "$source_tree" -cf - meson.build \
		meson_options.txt include src | tar -C source -xf -
	for folder in tools test bench; do
		mkdir "source/$folder" && : >"source/$folder/meson.build"
	done
}

# A Makefile of what Meson would compile; its objects go to $(OUT).
makefile()
{
	perl -0777 -ne 'my (@all, $rules);
		while (/"command": "(.*?)",\s*"file": "(.*?)",\s*"output": "(.*?)"/g) {
			my ($c, $f, $o) = ($1, $2, $3);
			next unless $o =~ /^src\/libquarry-internal/;
			$c =~ s/\\"/"/g; $c =~ s/\$/\$\$/g;
			$c =~ s/-(MD|MQ \S+|MF \S+)//g; $c =~ s/-o (\S+)/-o \$(OUT)\/$1/;
			push @all, "\$(OUT)/$o";
			$rules .= "\$(OUT)/$o: $f\n\t\@mkdir -p \$(dir \$\@)\n\t$c\n"; }
		print "all: @all\n$rules"' compile_commands.json
}

prepare()
{
	( cd "$shared" && copy_tree && CC=gcc meson setup build source \
			-Doptimization=1 -Dtests=disabled -Dbench=disabled \
			>meson.log || { tail -30 meson.log >&2; exit 1; }
		cd build && makefile >Makefile )
}

job()
{
	make -s -j2 -C "$shared/build" OUT="$PWD" &&
		find . -name '*.o' | sort | xargs sha256sum
}
