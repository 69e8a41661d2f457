# stress-ng's own checks of malloc, fork, mmap and threads.
needs=stress-ng

job()
{
	local stressor
	for stressor in malloc fork mmap pthread; do
		stress-ng --temp-path "$PWD" --quiet --verify --seed 1 --timeout 1s \
			--"$stressor" 2 --malloc-bytes 64M --mmap-bytes 64M ||
			fail "$stressor: status $?"
		echo "$stressor"
	done
}
