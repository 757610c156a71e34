# Copyright (C) the nginx-durable authors

# A WebSocket client on 127.0.0.1 that may also break the rules.
#
#     my $ws = WebSocket->new(port => $port, path => '/v1/realtime/connect?..');
#     $ws->status;                  # 101, or why not: $ws->body, ->headers
#     $ws->text('..');              # a masked frame; ->frame for others
#     my $m = $ws->next(5);         # { opcode, fin, data } or undef
#     my $json = $ws->json(5);      # of the next text; pings are answered
#     $ws->closed(5);               # [code, reason] of the server's close
#
# With tls => 1 an openssl stands between.

package WebSocket;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use POSIX ();
use Socket qw(AF_UNIX SOCK_STREAM);
use Time::HiRes qw(time);

my $json = JSON::PP->new->utf8->allow_nonref;


sub new {
    my ($class, %option) = @_;

    my $self = bless { headers => {}, in => '', pings => 0, %option }, $class;

    $self->{socket} = $self->{tls} ? tls($self->{port})
        : IO::Socket::INET->new(PeerAddr => '127.0.0.1',
              PeerPort => $self->{port}) or die "connect: $!\n";

    my %header = (Host => 'localhost', Upgrade => 'websocket',
        Connection => 'Upgrade', 'Sec-WebSocket-Version' => 13,
        'Sec-WebSocket-Key' => encode_base64('0123456789abcdef', ''),
        %{ $option{send} || {} });

    delete $header{$_} for grep { !defined $header{$_} } keys %header;

    syswrite $self->{socket}, "GET $self->{path} HTTP/1.1\r\n"
        . join('', map { "$_: $header{$_}\r\n" } sort keys %header) . "\r\n"
        . ($option{early} // '');

    $self->read_head;

    return $self;
}


# The other end of an openssl, which ends with this.
sub tls {
    my ($port) = @_;

    socketpair my $here, my $there, AF_UNIX, SOCK_STREAM, 0
        or die "socketpair: $!\n";

    my $pid = fork // die "fork: $!\n";

    if ($pid == 0) {
        CORE::close($here);
        open STDIN, '<&', $there;
        open STDOUT, '>&', $there;
        open STDERR, '>', '/dev/null';
        exec 'openssl', 's_client', '-quiet', '-connect', "127.0.0.1:$port"
            or POSIX::_exit(1);
    }

    CORE::close($there);

    return $here;
}


sub status { return $_[0]{status} }
sub headers { return $_[0]{headers} }
sub pings { return $_[0]{pings} }


# The rest of an answer that is no 101.
sub body {
    my ($self) = @_;

    my $length = $self->{headers}{'content-length'} // 0;

    1 while length $self->{in} < $length && $self->fill(time + 5);

    return $self->{in};
}


sub fill {
    my ($self, $until) = @_;

    my $left = $until - time;

    return 0 if $self->{eof} || $left <= 0
        || !IO::Select->new($self->{socket})->can_read($left);

    my $n = sysread $self->{socket}, $self->{in}, 65536, length $self->{in};

    $self->{eof} = 1 unless $n;

    return $n;
}


sub read_head {
    my ($self) = @_;

    my $until = time + 10;

    while ($self->{in} !~ /\r\n\r\n/) {
        $self->fill($until) or return;
    }

    my ($head) = $self->{in} =~ /\A(.*?)\r\n\r\n/s;
    $self->{in} = substr $self->{in}, length($head) + 4;

    ($self->{status}) = $head =~ /\AHTTP\/1\.1 (\d+)/;

    while ($head =~ /^([\w-]+): (.*?)\r?$/mg) {
        $self->{headers}{ lc $1 } = $2;
    }

    return;
}


# Sends a frame: opcode, data, and fin, mask, rsv, length to break rules.
sub frame {
    my ($self, $opcode, $data, %option) = @_;

    return $self->raw(frame_bytes($opcode, $data, %option));
}


sub frame_bytes {
    my ($opcode, $data, %option) = @_;

    my $n = $option{length} // length $data;
    my $masked = $option{mask} // 1;
    my $first = (($option{fin} // 1) ? 0x80 : 0) | (($option{rsv} // 0) << 4)
        | $opcode;
    my $mark = $masked ? 0x80 : 0;

    my $head = $n < 126 ? pack('CC', $first, $mark | $n)
        : $n < 65536 ? pack('CCn', $first, $mark | 126, $n)
        : pack('CCQ>', $first, $mark | 127, $n);

    return $head . $data unless $masked;

    my $key = 'abcd';
    my $pad = $key x (length($data) / 4 + 1);

    return $head . $key . ($data ^ substr $pad, 0, length $data);
}


sub raw {
    my ($self, $bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';

    my $at = 0;

    while ($at < length $bytes) {
        my $n = syswrite $self->{socket}, $bytes, length($bytes) - $at, $at;
        return 0 unless $n;
        $at += $n;
    }

    return 1;
}


sub text { return $_[0]->frame(1, $_[1]) }
sub say { return $_[0]->text($json->encode($_[1])) }


# The next frame; undef: none in time, or the connection ended.
sub next {
    my ($self, $seconds) = @_;

    my $until = time + ($seconds // 5);

    for ( ;; ) {
        my $n = length $self->{in};

        if ($n >= 2) {
            my ($first, $second) = unpack 'CC', $self->{in};
            my ($head, $length) = (2, $second & 127);

            die "a masked frame of the server\n" if $second & 0x80;

            if ($length == 126) {
                ($head, $length) = (4, $n >= 4
                    ? unpack('n', substr $self->{in}, 2, 2) : 1 << 40);
            } elsif ($length == 127) {
                ($head, $length) = (10, $n >= 10
                    ? unpack('Q>', substr $self->{in}, 2, 8) : 1 << 40);
            }

            if ($n >= $head + $length) {
                my $data = substr $self->{in}, $head, $length;
                $self->{in} = substr $self->{in}, $head + $length;

                return { fin => $first >> 7, rsv => ($first >> 4) & 7,
                         opcode => $first & 15, data => $data };
            }
        }

        $self->fill($until) or return;
    }
}


# The next message, with pings answered on the way.
sub message {
    my ($self, $seconds) = @_;

    my $until = time + ($seconds // 5);

    while (my $m = $self->next($until - time)) {

        if ($m->{opcode} == 9) {
            $self->{pings}++;
            $self->frame(10, $m->{data});
            next;
        }

        return $m;
    }

    return;
}


sub json {
    my ($self, $seconds) = @_;

    my $m = $self->message($seconds) or return;

    return $m->{opcode} == 1 ? $json->decode($m->{data}) : $m;
}


# [code, reason] of the close that the server says, before the end.
sub closed {
    my ($self, $seconds) = @_;

    my $until = time + ($seconds // 5);

    while (my $m = $self->next($until - time)) {
        next unless $m->{opcode} == 8;
        return [ length $m->{data} >= 2 ? unpack('n', $m->{data}) : 0,
                 length $m->{data} > 2 ? substr($m->{data}, 2) : '' ];
    }

    return;
}


# Whether the server ends the connection in time.
sub ended {
    my ($self, $seconds) = @_;

    my $until = time + ($seconds // 5);

    1 while $self->fill($until);

    return $self->{eof};
}


# Nothing more is said, and the rest is heard.
sub half { return shutdown $_[0]{socket}, 1 }


sub end {
    my ($self) = @_;

    CORE::close(delete $self->{socket}) if $self->{socket};

    return;
}

1;
