# Copyright (C) the nginx-durable authors

# What webhooks are sent on to: an HTTP server on 127.0.0.1 in a process of its
# own, one request at a time, that writes each down before it answers.
#
#     my $handler = Handler->new(record => "$dir/handled")->start;
#     $handler->url;  $handler->answers(503);  $handler->requests;
#     $handler->stop;                         # start() brings it back
#
# requests() gives { method, path, headers, length, sha1, status, at } in the
# order of their arrival.

package Handler;

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use Fcntl qw(O_APPEND O_CREAT O_WRONLY);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use Durable qw(slurp write_file);

my $json = JSON::PP->new->utf8->canonical;


sub new {
    my ($class, %option) = @_;

    my $self = bless { port => 0, %option, owner => $$ }, $class;

    $self->answers(200);

    return $self;
}


sub url { return "http://127.0.0.1:$_[0]{port}" }


# The status of all answers from now on.
sub answers {
    my ($self, $status) = @_;

    write_file("$self->{record}.status", $status);

    return;
}


sub start {
    my ($self) = @_;

    my $listen = IO::Socket::INET->new(Listen => 511, ReuseAddr => 1,
        LocalAddr => '127.0.0.1', LocalPort => $self->{port})
        or die "Handler: listen: $!\n";

    $self->{port} = $listen->sockport;

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP CHLD);
        $SIG{PIPE} = 'IGNORE';

        sysopen $self->{out}, $self->{record}, O_WRONLY | O_CREAT | O_APPEND
            or die "$self->{record}: $!\n";

        # orphaned, it ends
        while (getppid == $self->{owner}) {
            my $client = $listen->accept or next;
            eval { $self->serve($client) };
            close $client;
        }

        POSIX::_exit(0);
    }

    $self->{pid} = $pid;

    return $self;
}


sub serve {
    my ($self, $client) = @_;

    my $in = '';

    until ($in =~ /\r\n\r\n/) {
        sysread $client, $in, 65536, length $in or return;
    }

    my ($head, $body) = split /\r\n\r\n/, $in, 2;
    my ($first, @lines) = split /\r\n/, $head;
    my ($method, $path) = split / /, $first;
    my %header = map { /\A([^:]+):\s*(.*)\z/ ? (lc $1 => $2) : () } @lines;
    my $length = $header{'content-length'} || 0;

    while (length $body < $length) {
        sysread $client, $body, 1 << 20, length $body or return;
    }

    my $status = slurp("$self->{record}.status") || 500;

    syswrite $self->{out}, $json->encode({ method => $method, path => $path,
        headers => \%header, length => length $body, sha1 => sha1_hex($body),
        status => $status + 0, at => time }) . "\n";

    syswrite $client, "HTTP/1.1 $status X\r\nContent-Length: 3\r\n"
                      . "Connection: close\r\n\r\nok\n";

    return;
}


sub requests {
    my ($self) = @_;

    # a line that is being written is none yet
    return map { $json->decode($_) } slurp($self->{record}) =~ /^(.+)\n/mg;
}


sub stop {
    my ($self) = @_;

    my $pid = delete $self->{pid} or return;
    local $?;

    kill 'KILL', $pid;
    waitpid $pid, 0;

    return;
}


sub DESTROY {
    my ($self) = @_;

    $self->stop if $$ == $self->{owner};

    return;
}


1;
