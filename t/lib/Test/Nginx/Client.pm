# Copyright (C) the nginx-durable authors

# Writes requests as they stand in a test block, reads responses back: status
# line, headers, and a body that ends by length, by chunks or by close.

package Test::Nginx::Client;

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(sleep time);


# "METHOD uri [HTTP/x.y]" and, after a newline, the body.
sub text_of {
    my ($request, $more, $last, $host) = @_;

    $request =~ s/\A(?:\s*#[^\n]*\n)+//;
    $request =~ s/\A\s+//;
    $request =~ s/\n\z//;

    my ($line, $body) = split /\r?\n/, $request, 2;
    die "request: nothing to send\n" unless defined $line && $line =~ /\S/;

    $line =~ s/\s+\z//;

    my ($method) = $line =~ /\A(\S+)/;

    $line .= ' HTTP/1.1' unless $line =~ m{ HTTP/\d\.\d\z};

    my $head = headers($more);
    my $default = '';

    $default .= "Host: $host\r\n" unless $head =~ /^Host:/mi;
    $default .= 'Connection: ' . ($last ? 'close' : 'keep-alive') . "\r\n"
        unless $head =~ /^Connection:/mi;

    if ($head !~ /^(?:Content-Length|Transfer-Encoding):/mi
        && (defined $body || $method =~ /\A(?:POST|PUT|PATCH)\z/))
    {
        $default .= 'Content-Length: ' . length(defined $body ? $body : '')
                    . "\r\n";
    }

    return ("$line\r\n$default$head\r\n" . (defined $body ? $body : ''),
            $method);
}


sub headers {
    my ($more) = @_;

    return '' unless defined $more;

    return join '', map { "$_\r\n" } grep { /\S/ } map { s/\A\s+|\r?\z//gr }
           split /\n/, $more;
}


# One request in one or several packets: a string, { value, delay_before,
# delay }, or a list of these.
sub packets {
    my ($request) = @_;

    my @packets;

    for my $part (ref $request eq 'ARRAY' ? @$request : $request) {
        push @packets, ref $part eq 'HASH'
            ? { value => $part->{value},
                before => $part->{delay_before} || 0,
                after => $part->{delay} || 0 }
            : { value => $part, before => 0, after => 0 };
    }

    return @packets;
}


# The list of what to send: [{ packets => [...], methods => [...] }], one
# entry for each connection.
sub conversations {
    my ($block, $host) = @_;

    my $more = $block->get('more_headers');

    if (defined(my $raw = $block->get('raw_request'))) {
        my $delay = seconds($block->get('raw_request_middle_delay'));
        my @packets = packets($raw);

        $_->{before} ||= $delay for @packets[1 .. $#packets];

        return { packets => \@packets, methods => [method_of($raw)] };
    }

    if (defined(my $list = $block->get('pipelined_requests'))) {
        die "pipelined_requests: not a list\n" unless ref $list eq 'ARRAY';

        my (@packets, @methods);

        for my $i (0 .. $#$list) {
            my ($text, $method) = text_of(flat($list->[$i]),
                ref $more ? $more->[$i] : $more, $i == $#$list, $host);
            push @packets, $text;
            push @methods, $method;
        }

        return { packets => [packets(join '', @packets)],
                 methods => \@methods };
    }

    my $request = $block->get('request');
    die "the block has no request\n" unless defined $request;

    my @list = ref $request eq 'ARRAY' ? @$request : $request;
    my @conversations;

    for my $i (0 .. $#list) {
        my @packets = packets($list[$i]);
        my $whole = join '', map { $_->{value} } @packets;
        my ($text, $method) = text_of($whole,
            ref $more ? $more->[$i] : $more, 1, $host);

        push @conversations, { packets => cut($text, @packets),
                               methods => [$method] };
    }

    return @conversations;
}


sub flat {
    my ($request) = @_;

    return join '', map { $_->{value} } packets($request);
}


sub method_of {
    my ($raw) = @_;

    my ($method) = flat($raw) =~ /\A\s*(\S+)/;

    return $method;
}


# The packets of a request whose head got longer by the default headers: the
# head goes with the first one, the others keep their sizes.
sub cut {
    my ($text, @packets) = @_;

    $packets[-1]{value} =~ s/\n\z//;

    for my $packet (reverse @packets[1 .. $#packets]) {
        my $size = length $packet->{value};
        $packet->{value} = $size ? substr($text, -$size, $size, '') : '';
    }

    $packets[0]{value} = $text;

    return \@packets;
}


# "3", "3s" or "300ms"
sub seconds {
    my ($text) = @_;

    return 0 unless defined $text;

    return $1 / 1000 if $text =~ /\A\s*([\d.]+)\s*ms/;
    return $1 if $text =~ /\A\s*([\d.]+)/;
    return 0;
}


sub new {
    my ($class, $port, $timeout) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $port, Timeout => $timeout)
        or die "connect to port $port: $!\n";

    binmode $socket;
    $socket->blocking(0);

    return bless { socket => $socket, timeout => $timeout, buffer => '',
                   eof => 0, select => IO::Select->new($socket) }, $class;
}


# Reads what comes while it writes, so that a server which answers early
# cannot block on us.
sub send_packets {
    my ($self, @packets) = @_;

    for my $packet (@packets) {
        sleep $packet->{before} if $packet->{before};

        my $text = $packet->{value};
        my $end = time + $self->{timeout};

        while (length $text) {
            my $left = $end - time;
            last if $left <= 0 || $self->{eof};

            my ($in, $out) = IO::Select->select($self->{select},
                                                $self->{select}, undef, $left);

            $self->fill(0) if $in && @$in;
            next unless $out && @$out;

            local $SIG{PIPE} = 'IGNORE';
            my $n = syswrite $self->{socket}, $text;

            if (defined $n) {
                substr($text, 0, $n, '');

            } elsif ($! != EAGAIN && $! != EWOULDBLOCK && $! != EINTR) {
                return;
            }
        }

        sleep $packet->{after} if $packet->{after};
    }

    return;
}


# More bytes within the time: 1, the end: 0, too late: undef.
sub fill {
    my ($self, $left) = @_;

    return 0 if $self->{eof};

    # a signal ends the wait as well
    my $end = time + $left;

    until ($self->{select}->can_read($left)) {
        $left = $end - time;
        return undef if $left <= 0;
    }

    my $n = sysread $self->{socket}, $self->{buffer}, 65536,
                    length $self->{buffer};

    return 1 if $n || (!defined $n && ($! == EAGAIN || $! == EINTR));

    $self->{eof} = 1;

    return 0;
}


# Waits until the code likes the buffer; false at the end of the stream.
sub until_true {
    my ($self, $code) = @_;

    my $end = time + $self->{timeout};

    while (1) {
        my $value = $code->();
        return $value if defined $value;

        my $left = $end - time;
        my $more = $self->fill($left > 0 ? $left : 0);

        die "timeout\n" unless defined $more;

        if (!$more) {
            return $code->();
        }
    }
}


# One response: { status, line, raw, headers, body }; undef when the
# connection ended without one; dies with "timeout".
sub response {
    my ($self, $method) = @_;

    my $r;

    do {
        $r = $self->head or return undef;
        return $r if $r->{simple};
    } while ($r->{status} >= 100 && $r->{status} < 200 && $r->{status} != 101);

    if ($method eq 'HEAD' || $r->{status} =~ /\A(?:101|204|304)\z/) {
        $r->{body} = '';

    } elsif (join(',', @{$r->{headers}{'transfer-encoding'} || []})
             =~ /chunked/i)
    {
        $r->{body} = $self->chunks($r);

    } elsif ($r->{headers}{'content-length'}) {
        $r->{body} = $self->bytes($r, $r->{headers}{'content-length'}[0]);

    } else {
        $r->{body} = $self->rest;
    }

    return $r;
}


sub head {
    my ($self) = @_;

    my $known = $self->until_true(sub {
        return 'head' if $self->{buffer} =~ m{\AHTTP/\d\.\d .*?\r?\n\r?\n}s;
        return 'simple' if $self->{buffer} !~ m{\A(?:H|HT|HTT|HTTP.*)?\z}s;
        return undef;
    });

    if (!defined $known) {
        return undef if $self->{buffer} eq '';
        $known = 'simple';
    }

    if ($known eq 'simple') {
        return { simple => 1, status => '', line => '', raw => '',
                 headers => {}, body => $self->rest };
    }

    $self->{buffer} =~ s{\A(HTTP/\d\.\d (\d+)[^\n]*)\n(.*?\n)?(?:\r?\n)}{}s;

    my ($line, $status, $fields) = ($1, $2, defined $3 ? $3 : '');
    my %headers;

    $line =~ s/\r\z//;

    for my $field (split /\r?\n/, $fields) {
        my ($name, $value) = $field =~ /\A([^:]+):[ \t]*(.*?)[ \t]*\z/s
            or next;
        push @{$headers{lc $name}}, $value;
    }

    return { status => $status, line => $line, headers => \%headers,
             raw => "$line\r\n$fields\r\n", body => '' };
}


sub bytes {
    my ($self, $r, $length) = @_;

    my $all = $self->until_true(sub {
        return length $self->{buffer} >= $length ? 1 : undef;
    });

    $r->{short} = 1 unless $all;

    return substr $self->{buffer}, 0, $length, '';
}


sub chunks {
    my ($self, $r) = @_;

    my $body = '';

    while (1) {
        my $ok = $self->until_true(sub {
            return $self->{buffer} =~ /\A[0-9a-fA-F]+[^\n]*\n/ ? 1 : undef;
        });

        if (!$ok) {
            $r->{short} = 1;
            return $body;
        }

        $self->{buffer} =~ s/\A([0-9a-fA-F]+)[^\n]*\n//;

        my $size = hex $1;

        if ($size == 0) {
            $self->until_true(sub {
                return $self->{buffer} =~ s/\A(?:[^\r\n]+\r?\n)*\r?\n//
                       ? 1 : undef;
            }) or $r->{short} = 1;

            return $body;
        }

        $body .= $self->bytes($r, $size);
        return $body if $r->{short};

        $self->bytes($r, 2);
    }
}


sub rest {
    my ($self) = @_;

    $self->until_true(sub { return $self->{eof} ? 1 : undef });

    my $text = $self->{buffer};
    $self->{buffer} = '';

    return $text;
}


sub close {
    my ($self) = @_;

    close $self->{socket};

    return;
}


1;
