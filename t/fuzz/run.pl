#!/usr/bin/perl

# Copyright (C) the nginx-durable authors

# Runs the libFuzzer targets of a directory, some beside each other, each for
# so many seconds from its saved corpus, or with --runs for so many inputs that
# are the same ones each time, as in CI.  A corpus is one file, a line of
# base64 for each input: t/fuzz/corpus/<target>.  With --save what was found
# goes there, as few inputs as cover the same, the short ones first.

use strict;
use warnings;

use File::Basename;
use File::Path qw(make_path remove_tree);
use Getopt::Long;
use MIME::Base64;

my ($seconds, $runs, $jobs, $save, $most) = (30, 0, 2, 0, 64 * 1024);

GetOptions('seconds=i' => \$seconds, 'runs=i' => \$runs, 'jobs=i' => \$jobs,
           'save' => \$save)
    && @ARGV == 1
    or die 'usage: run.pl [--seconds N | --runs N] [--jobs N] [--save] '
        . "directory\n";

my @until = $runs ? ("-runs=$runs", '-seed=1') : "-max_total_time=$seconds";

my $dir = shift;
my $saved = dirname(__FILE__) . '/corpus';
my @targets = sort grep { -x } glob "$dir/*_fuzz";
my (%running, %log, $failed, $n);

die "no target in $dir\n" if !@targets;

$| = 1;
print '1..', scalar @targets, "\n";

while (@targets || %running) {
    while (@targets && keys %running < $jobs) {
        my $target = shift @targets;
        $running{start($target)} = $target;
    }

    my $pid = waitpid -1, 0;
    my $status = $?;
    my $target = delete $running{$pid} or next;
    report($target, $status);
}

exit($failed ? 1 : 0);


sub start {
    my ($target) = @_;

    my $name = basename $target;
    my $work = "$dir/work/$name";

    remove_tree($work);
    make_path("$work/corpus", "$work/found");
    unpack_corpus($name, "$work/corpus");

    system "FUZZ_SEEDS=$work/corpus $target -runs=0"
        . " -artifact_prefix=$work/found/ >$work/log 2>&1";

    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;

    open STDIN, '<', '/dev/null';
    open STDOUT, '>', "$work/log";
    open STDERR, '>&', \*STDOUT;

    exec $target, @until, '-max_len=4096', '-timeout=20',
        '-rss_limit_mb=2048', '-print_final_stats=1',
        "-dict=$work/words", "-artifact_prefix=$work/found/", "$work/corpus"
        or die "exec $target: $!\n";
}


sub report {
    my ($target, $status) = @_;

    my $name = basename $target;
    my $work = "$dir/work/$name";
    my $log = slurp("$work/log");
    my ($runs) = $log =~ /stat::number_of_executed_units:\s+(\d+)/;
    my ($edges) = $log =~ /.*cov: (\d+)/s;
    my @found = glob "$work/found/*";

    $n++;

    if ($status == 0 && $runs && !@found) {
        printf "ok %d - %s: %d inputs, %d edges\n", $n, $name, $runs,
            $edges // 0;
        save($target, $work) if $save;
        return;
    }

    $failed++;
    print "not ok $n - $name\n";
    print map { "# $_\n" } excerpt($log);
    print '# ', basename($_), ' in base64: ', encode_base64(slurp($_), ''),
        "\n# replay: $target $_\n" for @found;
}


# What went wrong is at the head of the first report; the stack behind it may
# be longer than anybody reads.

sub excerpt {
    my ($log) = @_;

    my @lines = split /\n/, $log;
    my ($first) = grep { $lines[$_] =~ /ERROR|runtime error|^not ok/ }
        0 .. $#lines;

    $first //= @lines > 20 ? @lines - 20 : 0;
    my $last = $first + 19 < $#lines ? $first + 19 : $#lines;

    return @lines[$first .. $last];
}


sub save {
    my ($target, $work) = @_;

    my $name = basename $target;
    make_path("$work/small", $saved);

    system "$target -merge=1 -max_len=4096 $work/small $work/corpus "
        . ">$work/merge.log 2>&1";

    my @files = sort { -s $a <=> -s $b || $a cmp $b } glob "$work/small/*";
    my ($size, @lines) = (0);

    for (@files) {
        push @lines, encode_base64(slurp($_), '') . "\n";
        $size += length $lines[-1];
        last if $size > $most;
    }

    open my $fh, '>', "$saved/$name" or die "$saved/$name: $!\n";
    print $fh sort @lines;
    close $fh;
}


sub unpack_corpus {
    my ($name, $to) = @_;

    open my $fh, '<', "$saved/$name" or return;
    my $i = 0;

    while (my $line = <$fh>) {
        open my $out, '>:raw', sprintf("%s/%04d", $to, $i++)
            or die "$to: $!\n";
        print $out decode_base64($line);
        close $out;
    }
}


sub slurp {
    my ($file) = @_;

    open my $fh, '<:raw', $file or die "$file: $!\n";
    local $/;
    return <$fh>;
}
