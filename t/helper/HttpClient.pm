# Copyright (C) the nginx-durable authors

# A small HTTP/1.1 client on one kept connection to 127.0.0.1.
#
#     my $r = $client->request('POST', '/e/key', $body, { 'X-A' => 1 });
#     $r->{status}, $r->{headers}{location}, $r->{body}, $r->{json}
#
# No answer: status 0 and a sentence in $r->{error}.  Nothing is ever sent
# twice by itself, but a kept connection that the server has closed meanwhile
# is noticed before a request is written.

package HttpClient;

use strict;
use warnings;

use Errno qw(EINTR);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP ();
use List::Util qw(max min);
use Time::HiRes qw(time);

my $json = JSON::PP->new->utf8->allow_nonref;


sub new {
    my ($class, %option) = @_;

    return bless { timeout => 10, keepalive => 1, %option }, $class;
}


sub close {
    my ($self) = @_;

    CORE::close(delete $self->{socket}) if $self->{socket};

    return;
}


sub connected {
    my ($self) = @_;

    if ($self->{socket}) {
        # readable without a question asked: it was closed
        return 1 unless IO::Select->new($self->{socket})->can_read(0);
        $self->close;
    }

    $self->{socket} = $self->{path}
        ? IO::Socket::UNIX->new(Peer => $self->{path})
        : IO::Socket::INET->new(PeerAddr => '127.0.0.1',
              PeerPort => $self->{port}, Timeout => $self->{timeout});

    return $self->{socket};
}


sub request {
    my ($self, $method, $target, $body, $headers) = @_;

    $self->connected or return failed("connect: $!");

    $body = $json->encode($body) if ref $body;

    my %header = (Host => 'localhost', %{$headers || {}});

    $header{Connection} = 'close' unless $self->{keepalive};
    $header{'Content-Length'} = length $body if defined $body;
    $header{'Content-Type'} = 'application/json'
        if defined $body && !$header{'Content-Type'};

    my $text = "$method $target HTTP/1.1\r\n"
        . join('', map { "$_: $header{$_}\r\n" } sort keys %header) . "\r\n"
        . (defined $body ? $body : '');

    local $SIG{PIPE} = 'IGNORE';

    while (length $text) {
        my $n = syswrite $self->{socket}, $text;

        if (!defined $n) {
            next if $! == EINTR;
            $self->close;
            return failed("write: $!");
        }

        substr $text, 0, $n, '';
    }

    my $r = eval { $self->answer($method) };

    if (!$r) {
        my $error = $@;
        chomp $error;
        $self->close;
        return failed($error);
    }

    $self->close if $r->{close} || !$self->{keepalive};
    $r->{json} = eval { $json->decode($r->{body}) };

    return $r;
}


sub failed {
    my ($error) = @_;

    return { status => 0, error => $error, headers => {}, body => '' };
}


sub answer {
    my ($self, $method) = @_;

    my $end = time + $self->{timeout};
    my $in = '';
    my $eof = 0;
    my $more = sub {
        return 0 if $eof;

        my $select = IO::Select->new($self->{socket});

        # a signal ends the wait as well
        until ($select->can_read(min(0.5, max(0, $end - time)))) {
            die "timeout\n" if time >= $end;
        }

        my $n = sysread $self->{socket}, $in, 65536, length $in;

        return 1 if $n || !defined $n && $! == EINTR;
        die "read: $!\n" unless defined $n;
        $eof = 1;

        return 0;
    };

    while ($in !~ /\r\n\r\n/) {
        $more->() or die "the connection ended without an answer\n";
    }

    $in =~ s{\A(HTTP/1\.\d (\d+)[^\n]*\n(.*?\r\n|))\r\n}{}s
        or die "no HTTP answer: $in\n";

    my ($status, $fields) = ($2, $3);
    my $r = { status => $status + 0, headers => {}, body => '' };

    while ($fields =~ /^([^:\s]+):[ \t]*(.*?)[ \t]*\r\n/mg) {
        $r->{headers}{lc $1} = $2;
    }

    $r->{close} = ($r->{headers}{connection} || '') =~ /close/i;

    return $r if $method eq 'HEAD' || $status == 204 || $status == 304;

    if (defined(my $length = $r->{headers}{'content-length'})) {
        while (length $in < $length) {
            $more->() or die "the answer was cut\n";
        }

        $r->{body} = substr $in, 0, $length;

    } elsif (($r->{headers}{'transfer-encoding'} || '') =~ /chunked/i) {
        while (1) {
            until ($in =~ /\A[0-9a-fA-F]+[^\n]*\r\n/) {
                $more->() or die "the answer was cut\n";
            }

            # matched again: what a loop's condition captured ends with it
            my ($line, $hex) = $in =~ /\A(([0-9a-fA-F]+)[^\n]*\r\n)/;
            my ($size, $start) = (hex $hex, length $line);

            until (length $in >= $start + $size + 2) {
                $more->() or die "the answer was cut\n";
            }

            last if $size == 0;

            $r->{body} .= substr $in, $start, $size;
            substr $in, 0, $start + $size + 2, '';
        }

    } else {
        1 while $more->();
        $r->{body} = $in;
        $r->{close} = 1;
    }

    return $r;
}


1;
