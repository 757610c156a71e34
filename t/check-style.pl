#!/usr/bin/perl

# The rules of the tree that a grep can check: the engine knows neither nginx
# nor curl nor the clock, LMDB has one unit, lines end at column 79.

use strict;
use warnings;

my @failed;

sub check {
    my ($what, $pattern, $except, @files) = @_;

    for my $file (@files) {
        next if defined $except && $file =~ $except;

        open my $fh, '<', $file or die "$file: $!\n";

        while (my $line = <$fh>) {
            push @failed, "$file:$.: $what" if $line =~ $pattern;
        }
    }
}

my @engine = glob 'ngx_module/engine/*.[ch]';
my @glue = glob 'ngx_module/*.[ch]';
my @program = glob 'sidecar/*.[ch]';
my @tests = glob 't/unit/*.[ch] t/sim/*.[ch] t/fuzz/*.[ch] t/bench/*.[ch]';

check('the engine knows nginx', qr/\bngx_/, undef, @engine);
check('the module knows curl', qr/\bcurl_/, undef, @engine, @glue);
check('LMDB outside dur_store', qr/\bmdb_[a-z]/, qr/dur_store\./,
      @engine, @glue, @program);
check('OpenSSL outside dur_sign', qr/include <openssl/, qr/dur_sign\./,
      @engine, @glue, @program);
check('PCRE2 outside dur_regex', qr/include <pcre2|\bpcre2_[a-z]/, qr/dur_regex\./,
      @engine, @glue, @program);
check('the engine asks for the time or for randomness',
      qr/\b(?:time|gettimeofday|clock_gettime|rand|random|getrandom)\(/,
      undef, grep { /\.c$/ } @engine);
check('a tab', qr/\t/, undef, @engine, @glue, @program, @tests);
check('white space at the end of a line', qr/[ \t]+$/, undef,
      @engine, @glue, @program, @tests);
check('a line longer than 79 columns', qr/^.{80,}/, undef,
      @engine, @glue, @program, @tests);

for my $file (@engine, @glue, @program) {
    open my $fh, '<', $file or die "$file: $!\n";
    my $lines = () = <$fh>;
    push @failed, "$file: $lines lines, more than 800" if $lines > 800;
}

print map { "$_\n" } @failed;
printf "check-style: %s\n", @failed ? scalar(@failed) . ' failed' : 'ok';
exit(@failed ? 1 : 0);
