# memcached with 4 threads and a client that checks what it gets.
needs="memcached perl"

# The client; four at once, each with keys of its own.
client='
use IO::Socket::UNIX;
my ($path, $id) = @ARGV;
my $s = IO::Socket::UNIX->new(Peer => $path) or exit 1;
sub say_ { print $s $_[0], "\r\n"; }
sub ask { say_(@_); my $l = <$s>; $l =~ s/\r\n//; $l }
my $value = sub { my $i = shift; chr(65 + $i % 26) x (1 + $i * 37 % ($i % 50 ? 900 : 60000)) };
for my $i (1 .. 4000) {
	my $v = $value->($i);
	my $l = ask("set k$id.$i 0 0 " . length($v) . "\r\n$v");
	$l eq "STORED" or die "set: $l";
	if ($i % 3 == 0) { ask("delete k$id." . ($i - 1)) eq "DELETED" or die "delete"; }
	if ($i % 5 == 0) { ask("append k$id.$i 0 0 3\r\nend") eq "STORED" or die "append"; }
}
my ($found, $bytes) = (0, 0);
for my $i (1 .. 4000) {
	my $l = ask("get k$id.$i");
	next if $l eq "END";
	$l =~ /^VALUE k$id\.$i 0 (\d+)$/ or die "get: $l";
	my $want = $value->($i) . ($i % 5 ? "" : "end");
	read($s, my $got, $1 + 2);
	$got eq "$want\r\n" or die "k$id.$i is not what was stored";
	<$s> eq "END\r\n" or die "no end";
	$found++; $bytes += $1;
}
print "$id: $found values, $bytes bytes\n";
'

job()
{
	local user=() id pids=()
	[ "$(id -u)" -ne 0 ] || user=(-u root)
	serve memcached "${user[@]}" -s "$PWD/socket" -t 4 -m 256
	until_ok test -S socket
	is_preloaded "$server"
	for id in 1 2 3 4; do
		perl -e "$client" "$PWD/socket" "$id" >"client.$id" &
		pids+=($!)
	done
	for id in "${pids[@]}"; do wait "$id" || fail "a client"; done
	cat client.*
	end_server
}
