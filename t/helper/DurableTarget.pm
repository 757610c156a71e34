package DurableTarget;

# SPDX-License-Identifier: BSD-2-Clause
#
# A small HTTP server on loopback for tests of the sidecar: one process, any
# number of connections.  The path of a request says how it is answered; it
# counts requests by path, and holds those of /gate/KEY until open(KEY).

use strict;
use warnings;

use IO::Compress::Gzip ();
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Socket qw(SO_LINGER SOL_SOCKET);
use Time::HiRes ();

use DurableFrame ();

sub start {
    my ($class, $on) = @_;
    my $listen = IO::Socket::INET->new(Listen => 256, Proto => 'tcp',
        LocalAddr => '127.0.0.1', LocalPort => $on // 0, ReuseAddr => 1)
        or die "listen: $!";
    my $port = $listen->sockport;
    my $parent = $$;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{PIPE} = 'IGNORE';
        $SIG{INT} = $SIG{TERM} = 'DEFAULT';
        open STDOUT, '>', '/dev/null' or POSIX::_exit(126);
        serve($listen, $parent);
        POSIX::_exit(0);
    }
    CORE::close $listen;
    return bless { pid => $pid, port => $port, owner => $$,
        url => "http://127.0.0.1:$port" }, $class;
}

sub DESTROY {
    my ($self) = @_;
    return if $$ != $self->{owner};
    local $?;
    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
}

# A request of the test itself.
sub ask {
    my ($self, $path) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->{port}) or die "the target is gone: $!";
    print $s "GET $path HTTP/1.1\r\nConnection: close\r\n\r\n";
    local $/;
    my $answer = <$s> // '';
    $answer =~ s/\A.*?\r\n\r\n//s;
    return $answer;
}

sub count   { $_[0]->ask("/_count$_[1]") }      # requests of a path
sub held    { $_[0]->ask("/_held/$_[1]") }      # waiting at a gate
sub closed  { $_[0]->ask("/_closed/$_[1]") }    # went away from a gate
sub open    { $_[0]->ask("/_open/$_[1]") }      # and it stays open
sub request { $_[0]->ask("/_request$_[1]") }    # the last one of a path

sub wait_held {
    my ($self, $key, $n) = @_;
    return DurableFrame::wait_for(sub { $self->held($key) >= ($n // 1) });
}

# --- the server -------------------------------------------------------------

my (%conn, %count, %held, %closed, %open, %last, @timers);
my ($select, $port);

sub serve {
    my ($listen, $parent) = @_;
    $port = $listen->sockport;
    $select = IO::Select->new($listen);

    while (getppid == $parent) {
        my $wait = 1;
        my $now = Time::HiRes::time();
        for my $t (@timers) {
            $wait = $t->[0] - $now if $t->[0] - $now < $wait;
        }
        my @ready = $select->can_read($wait < 0 ? 0 : $wait);
        for my $s (@ready) {
            if ($s == $listen) {
                my $c = $listen->accept or next;
                $conn{$c} = { s => $c, in => '' };
                $select->add($c);
                next;
            }
            receive($conn{$s});
        }
        $now = Time::HiRes::time();
        my @due = grep { $_->[0] <= $now } @timers;
        @timers = grep { $_->[0] > $now } @timers;
        $_->[1]->() for @due;
    }
}

sub drop {
    my ($c) = @_;
    return unless delete $conn{ $c->{s} };
    if (defined(my $key = $c->{gate})) {
        $held{$key} = [ grep { $_ != $c } @{ $held{$key} } ];
        $closed{$key}++;
    }
    $select->remove($c->{s});
    CORE::close $c->{s};
}

sub receive {
    my ($c) = @_;
    my $n = sysread $c->{s}, $c->{in}, 1 << 20, length $c->{in};
    return drop($c) unless $n;

    while ($conn{ $c->{s} } && $c->{in} =~ /\r\n\r\n/) {
        my $end = $+[0];
        my ($line, @lines) = split /\r\n/, substr $c->{in}, 0, $end;
        my %h = map { /^([^:]+):\s*(.*)$/ ? (lc $1, $2) : () } @lines;
        my $length = $h{'content-length'} // 0;
        return if length($c->{in}) < $end + $length;
        my $body = substr $c->{in}, $end, $length;
        my $head = substr $c->{in}, 0, $end;
        substr $c->{in}, 0, $end + $length, '';
        my ($method, $uri) = split / /, $line;
        answer($c, { method => $method, uri => $uri, headers => \%h,
            head => $head, body => $body });
    }
}

sub put {
    my ($c, $bytes) = @_;
    $c->{s}->blocking(1);
    while (length $bytes) {
        my $n = syswrite $c->{s}, $bytes;
        return drop($c) unless $n;
        substr $bytes, 0, $n, '';
    }
}

sub respond {
    my ($c, $status, $headers, $body) = @_;
    my $text = "HTTP/1.1 $status OK\r\n" . join '',
        map { "$_->[0]: $_->[1]\r\n" } @$headers;
    put($c, $text . 'Content-Length: ' . length($body) . "\r\n\r\n" . $body);
}

sub pattern {
    my ($n) = @_;
    return substr '0123456789abcdef' x ($n / 16 + 1), 0, $n;
}

sub control {
    my ($path) = @_;
    my ($what, $key) = $path =~ m{^/_(\w+)/(.*)} or return '';
    return $count{"/$key"} // 0 if $what eq 'count';
    return $last{"/$key"} // '' if $what eq 'request';
    return scalar @{ $held{$key} // [] } if $what eq 'held';
    return $closed{$key} // 0 if $what eq 'closed';
    if ($what eq 'open') {
        $open{$key} = 1;
        for my $c (splice @{ $held{$key} // [] }) {
            delete $c->{gate};
            respond($c, 200, [], "opened");
        }
        return 'ok';
    }
    return '';
}

my %answers = (
    ok => sub { respond($_[0], 200, [ [ 'X-Thing', 'Value' ] ], 'ok') },

    echo => sub {
        my ($c, $r) = @_;
        respond($c, 200, [ [ 'X-Method', $r->{method} ],
            [ 'X-Uri', $r->{uri} ] ], $r->{body});
    },

    bytes => sub { respond($_[0], 200, [], pattern($_[2])) },
    status => sub { respond($_[0], $_[2], [], "status $_[2]") },

    chunks => sub {
        my ($c, $r, $n) = @_;
        put($c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
            . "Trailer: X-Late\r\n\r\n");
        for (1 .. $n) {
            put($c, "1000\r\n" . pattern(4096) . "\r\n") if $conn{ $c->{s} };
        }
        put($c, "0\r\nX-Late: 1\r\n\r\n") if $conn{ $c->{s} };
    },

    slow => sub {
        my ($c, $r, $ms) = @_;
        push @timers, [ Time::HiRes::time() + $ms / 1000,
            sub { respond($c, 200, [], 'slow') if $conn{ $c->{s} } } ];
    },

    gate => sub {
        my ($c, $r, $key) = @_;
        return respond($c, 200, [], 'opened') if $open{$key};
        $c->{gate} = $key;
        push @{ $held{$key} }, $c;
    },

    half => sub {
        my ($c) = @_;
        put($c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
        drop($c);
    },

    # begins to answer, and stays
    stall => sub {
        put($_[0], "HTTP/1.1 $_[2] OK\r\nContent-Length: 100\r\n\r\nhalf");
    },

    nothing => sub { drop($_[0]) },

    reset => sub {
        my ($c) = @_;
        setsockopt $c->{s}, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0;
        drop($c);
    },

    # the first request of a connection is answered, the second is not
    dies => sub {
        my ($c) = @_;
        return drop($c) if $c->{served}++;
        respond($c, 200, [ [ 'X-Served', 1 ] ], 'served');
    },

    junk => sub {
        my ($c) = @_;
        put($c, "this is not what you think\r\n\r\n");
        drop($c);
    },

    redirect => sub {
        my ($c, $r, $rest) = @_;
        my ($status, $to) = $rest =~ m{^(\d+)/(.*)}s;
        $to =~ s/\?.*//s;
        $to =~ s/%([0-9A-Fa-f]{2})/chr hex $1/ge;
        respond($c, $status, [ [ Location => $to ] ], 'elsewhere');
    },

    # n redirects, then the answer
    hops => sub {
        my ($c, $r, $n) = @_;
        return respond($c, 200, [], 'arrived') if $n == 0;
        respond($c, 307, [ [ Location => '/hops/' . ($n - 1) ] ], '');
    },

    gzip => sub {
        my ($c, $r, $n) = @_;
        IO::Compress::Gzip::gzip(\pattern($n), \my $packed);
        respond($c, 200, [ [ 'Content-Encoding', 'gzip' ] ], $packed);
    },

    early => sub {
        my ($c) = @_;
        put($c, "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n");
        respond($c, 200, [ [ 'X-Folded', "a\r\n b" ] ], 'late');
    },

    headers => sub {
        my ($c, $r, $n) = @_;
        respond($c, 200, [ map { [ "X-H-$_", 'v' x 100 ] } 1 .. $n ], '');
    },
);

sub answer {
    my ($c, $r) = @_;
    my ($path) = $r->{uri} =~ /^([^?]*)/;

    if ($path =~ m{^/_}) {
        respond($c, 200, [], control($r->{uri}));
        return drop($c);
    }

    $count{$path}++;
    $last{$path} = $r->{head} . $r->{body};
    my ($what, $rest) = $path =~ m{^/(\w+)/?(.*)}s;
    my $answer = $answers{ $what // '' };
    return respond($c, 404, [], "no $path") unless $answer;
    return $answer->($c, $r, $rest);
}

1;
