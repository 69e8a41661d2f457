"""Perl: hashes of arrays, string building, regular expressions, sorting.

Every scalar body, string and hash bucket of Perl comes from malloc or from
its arenas cut from malloc; strings grow by realloc.
"""
from . import Command

NEEDS = {"perl": "perl"}

SCRIPT = r'''
use strict; use warnings;
my ($n, $state) = ($ARGV[0], 12345);
sub rnd { $state = ($state * 1103515245 + 12345) % 2147483648;
          return int($state / 65536) % $_[0]; }
my @words = map { join '', map { chr(97 + rnd(26)) } 0 .. 1 + rnd(9) } 1 .. 3000;
my (%index, @docs);
for my $i (0 .. $n - 1) {
    my $doc = join ' ', map { $words[rnd(3000)] } 0 .. rnd(60);
    $docs[rnd($n)] = $doc;                       # replaces an older one
    push @{$index{$_}}, $i for split / /, $doc;
}
my $live = grep { defined } @docs;
my $text = '';
for my $doc (grep { defined } @docs) {
    (my $copy = $doc) =~ s/([aeiou])([^aeiou ])/uc($2).$1/ge;
    $text .= "$copy\n" if $copy =~ /^(\w+) .*\b\1/i || rnd(4) == 0;
}
my @top = sort { @{$index{$b}} <=> @{$index{$a}} || $a cmp $b } keys %index;
print "$live ", length $text, " @top[0..9]\n";
my %tree;
for my $w (@words) {
    my $node = \%tree;
    $node = $node->{$_} //= {} for split //, $w;
    $node->{end}++;
}
sub depth { my $t = shift; my $d = 0;
    for (values %$t) { next unless ref; my $x = depth($_); $d = $x if $x > $d }
    return $d + 1 }
print depth(\%tree), "\n", join(',', map { scalar reverse } @top), "\n", $text;
'''


def prepare(here, small):
    (here / "work.pl").write_text(SCRIPT)


def command(here, small):
    n = 5000 if small else 16000
    return Command(["perl", str(here / "work.pl"), str(n)],
                   env={"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"})
