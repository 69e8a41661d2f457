# Hashes, regular expressions, sorting, closures, cycles, fork, threads.
needs=perl

prepare() { cat >"$shared/script.pl" <<'P'
use strict; use warnings;
use List::Util qw(sum shuffle);
srand(42);
$ENV{PERL_HASH_SEED} = 0;
my %h;
$h{"key" . int(rand 50000)} .= "value $_ " for 1 .. 80000;
print scalar(keys %h), " ", sum(map { length } values %h), "\n";
delete $h{$_} for grep { /7$/ } keys %h;
print join(",", (sort keys %h)[0 .. 20]), "\n";
my $text = join " ", map { "word" . $_ % 97 . "x" x ($_ % 13) } 1 .. 30000;
my %count; $count{$1}++ while $text =~ /\b(word\d+x*)\b/g;
print "$_ $count{$_}\n" for (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 9];
(my $changed = $text) =~ s/(\d+)(x+)/"<$1:" . length($2) . ">"/ge;
print length($changed), " ", unpack("%32C*", $changed), "\n";
my @tree; sub grow { my $d = shift; $d ? [grow($d - 1), "leaf" x $d, grow($d - 1)] : undef }
for (1 .. 8) { my $t = grow(10); push @tree, $t if $_ % 2; }
for (1 .. 20000) { my $a = {}; my $b = { other => $a, name => "n$_" }; $a->{other} = $b; undef $a->{other} if $_ % 100; }
my @sorted = sort { $a->[0] <=> $b->[0] or $a->[1] cmp $b->[1] } map { [int rand 1000, "s$_"] } 1 .. 20000;
print join(" ", map { "@$_" } @sorted[0, 100, 4999, -1]), "\n";
my $big = "a" x 5_000_000; substr($big, 2_000_000, 5) = "hello"; print index($big, "hello"), "\n";
for my $n (1 .. 10) {
	my $pid = fork // die; if (!$pid) { my %x = map { $_ => [1 .. 20] } 1 .. 2000; exit(keys %x == 2000 ? 0 : 1); }
	waitpid $pid, 0; print "child $?\n";
}
use Config;
if ($Config{useithreads}) {
	require threads;
	my @t = map { my $n = $_; threads->create(sub { my %x; $x{$_ % 100} .= "t$n" for 1 .. 20000; length join "", sort values %x }) } 1 .. 4;
	print join(" ", map { $_->join } @t), "\n";
}
P
}

job() { PERL_HASH_SEED=0 perl "$shared/script.pl"; }
