# What the bench driver needs of the system: our nginx, the sidecar and the
# app as child processes, their figures in /proc, and a small HTTP client.

package Bench;

use strict;
use warnings;

use Exporter 'import';
use IO::Socket::INET;
use POSIX ':sys_wait_h';
use Time::HiRes qw(time sleep);

our @EXPORT_OK = qw(build free_port http pids_of start_child stop_child
    stop_all wait_for write_file slurp usage);

my %child;                              # pid => name

my $build = $ENV{BENCH_BUILD} || 'build';

sub build { return "$build/$_[0]" }


sub slurp {
    my ($path) = @_;

    open my $fh, '<', $path or return '';
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}


sub write_file {
    my ($path, $text) = @_;

    open my $fh, '>', $path or die "$path: $!\n";
    print {$fh} $text;
    close $fh or die "$path: $!\n";
}


sub free_port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
                                  LocalPort => 0)
        or die "no free port: $!\n";

    return $s->sockport;
}


# Calls the code until it gives a true value, which is returned.
sub wait_for {
    my ($seconds, $what, $code, $pause) = @_;

    my $end = time + $seconds;

    while (1) {
        my $value = $code->();
        return $value if $value;

        for my $pid (keys %child) {
            next if waitpid($pid, WNOHANG) == 0;
            die "$what: " . delete($child{$pid}) . " ended by itself\n";
        }

        die "$what: not within $seconds s\n" if time > $end;
        sleep($pause || 0.01);
    }
}


sub start_child {
    my ($name, $log, @command) = @_;

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log;
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    $child{$pid} = $name;

    return $pid;
}


# Asks nginx with QUIT and others with TERM, then by KILL; this pid alone.
sub stop_child {
    my ($pid) = @_;

    return unless defined $pid && $child{$pid};

    my $gently = $child{$pid} =~ /nginx/ ? 'QUIT' : 'TERM';

    for my $try ([$gently, 10], ['TERM', 2], ['KILL', 5]) {
        kill $try->[0], $pid;

        my $end = time + $try->[1];

        while (time < $end) {
            if (waitpid($pid, WNOHANG) != 0) {
                delete $child{$pid};
                return;
            }
            sleep 0.01;
        }
    }

    die "$child{$pid} (pid $pid) does not end\n";
}


sub stop_all {
    for my $pid (sort { $a <=> $b } keys %child) {
        eval { stop_child($pid) };
    }
}


# A process and its children.
sub pids_of {
    my (@pids) = @_;

    my %of = map { $_ => 1 } @pids;

    for my $stat (glob '/proc/[0-9]*/stat') {
        my ($pid, $parent) = slurp($stat) =~ /^(\d+) \(.*\) \S (\d+)/s
            or next;
        $of{$pid} = 1 if $of{$parent};
    }

    return sort { $a <=> $b } keys %of;
}


# Of the processes together: memory in bytes, CPU in seconds, bytes written.
sub usage {
    my (@pids) = @_;

    my %sum = (memory => 0, cpu => 0, written => 0);
    my $tick = POSIX::sysconf(POSIX::_SC_CLK_TCK());

    for my $pid (@pids) {
        my $status = slurp("/proc/$pid/status");

        while ($status =~ /^Rss(?:Anon|Shmem):\s+(\d+) kB/mg) {
            $sum{memory} += $1 * 1024;
        }

        my ($rest) = slurp("/proc/$pid/stat") =~ /\) (.*)/s or next;
        my @field = split ' ', $rest;
        $sum{cpu} += ($field[11] + $field[12]) / $tick;

        if (slurp("/proc/$pid/io") =~ /^write_bytes: (\d+)/m) {
            $sum{written} += $1;
        }
    }

    return \%sum;
}


# (status, body); status 0 when there is no answer.
sub http {
    my ($method, $port, $path, $body) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                  Timeout => 2)
        or return (0, '');

    $body = '' unless defined $body;

    print {$s} "$method $path HTTP/1.1\r\nHost: 127.0.0.1:$port\r\n"
        . "Content-Type: application/json\r\nConnection: close\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body";

    my $answer = '';

    eval {
        local $SIG{ALRM} = sub { die "no answer\n" };
        alarm 10;
        local $/;
        $answer = <$s>;
        alarm 0;
    };
    alarm 0;

    return (0, '') unless defined $answer
        && $answer =~ m{^HTTP/1\.\d (\d+).*?\r\n\r\n(.*)}s;

    return ($1, $2);
}

1;
