# Import a history, clone it, repack with two threads, check, diff, archive.
needs=git

history()
{
	awk 'BEGIN {
		srand(7)
		for (c = 1; c <= 400; c++) {
			printf "commit refs/heads/main\ncommitter A <a@b> %d +0000\n", 1600000000 + c * 60
			m = "change " c "\n"; printf "data %d\n%s", length(m), m
			for (f = 0; f < 4; f++) {
				t = ""
				n = 20 + int(rand() * 200)
				for (l = 0; l < n; l++)
					t = t "line " l " of " int(rand() * 50) "\n"
				printf "M 644 inline dir%d/file%d\ndata %d\n%s\n",
					c % 9, int(rand() * 40), length(t), t
			}
		}
		print "done"
	}'
}

job()
{
	export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
	git init -q --bare one.git &&
		history | git --git-dir=one.git fast-import --quiet --done &&
		git --git-dir=one.git symbolic-ref HEAD refs/heads/main &&
		git -c protocol.file.allow=always clone -q --no-local one.git two &&
		cd two &&
		git -c pack.threads=2 repack -q -adf --window=20 --depth=20 &&
		git fsck --full --strict --no-progress &&
		git gc -q --aggressive --prune=now &&
		git log --stat | sha256sum &&
		git diff HEAD~100 HEAD | sha256sum &&
		git rev-list --objects --all | sha256sum &&
		git log -S"line 7 of 7" --oneline | wc -l &&
		git blame dir1/file1 | sha256sum &&
		git archive HEAD | sha256sum
}
