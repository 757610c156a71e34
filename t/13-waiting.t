# A request that waits for the leader: its client may leave, its leader may
# stall, and other workers answer meanwhile.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Test::More;

use Durable qw(missing wait_for);

plan skip_all => missing() if missing();


my $d = Durable->new(workers => 2, log_level => 'info',
                     http => 'add_header X-Worker $pid always;');

$d->start_nginx;
$d->wait_ready;

my $leader = $d->leader_pid;

wait_for(10, 'a follower that can read', sub {
    my $socket = follower();
    my $r = exchange($socket, 'GET', '/v1/events');
    return $r->{status} == 200;
});

# ---- the client leaves

my ($socket, $other) = (follower(), follower());

is(exchange($socket, 'GET', '/health')->{status}, 200, 'a follower answers');

kill 'STOP', $leader;

ask($socket, 'POST', '/e/k', '{"name":"left"}');

ok(!readable($socket, 0.3), 'no answer while the leader stands still');
is(exchange($other, 'GET', '/health')->{status}, 200,
   'the follower answers others meanwhile');

$socket->close;

ok(wait_for(10, 'the follower knows that the client left', sub {
    return $d->error_log =~ /client prematurely closed connection/;
}), 'the follower notices that the client left');

kill 'CONT', $leader;

ok(wait_for(10, 'the event of the client that left', sub {
    my $r = $d->http('GET', '/v1/events?name=left');
    return $r->{status} == 200 && @{$r->{json}{data}} == 1;
}), 'its event is stored nevertheless, once');

is($d->http('POST', '/e/k', [{ name => 'next' }])->{status}, 200,
   'the next event is taken');

# ---- the leader gives no answer

$socket = follower();

kill 'STOP', $leader;

my $r = exchange($socket, 'POST', '/e/k', '{"name":"late"}', 15);

kill 'CONT', $leader;

is($r->{status}, 503, 'no answer in time is a 503');
is($r->{header}{'retry-after'}, 1, 'with Retry-After');
is($r->{json}{status}, 503, 'and a status in the body');
is_deeply($r->{json}{ids}, [], 'without ids');
like($r->{json}{error}, qr/outcome is unknown: try again with the same id/,
     'that says what to do');

ok(wait_for(10, 'an event after the stall', sub {
    return $d->http('POST', '/e/k', [{ name => 'after' }])->{status} == 200;
}), 'events are taken again');

# ---- the connection can be used again after each of these

is(exchange($socket, 'GET', '/health')->{status}, 200,
   'the connection of the late request is still good');

is($d->alerts, '', 'the log is clean');

$d->stop;

is($d->alerts, '', 'the log is clean to the end');

done_testing();


# A connection to a worker that does not lead.
sub follower {
    for (1 .. 200) {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                      PeerPort => $d->port, Timeout => 5)
                or die "connect: $@\n";
        my $answer = exchange($s, 'GET', '/plain');

        return $s if $answer->{header}{'x-worker'} != $leader;
    }

    die "no connection came to a follower\n";
}


sub ask {
    my ($s, $method, $path, $body) = @_;

    my $text = "$method $path HTTP/1.1\r\nHost: localhost\r\n";

    $text .= 'Content-Length: ' . length($body) . "\r\n" if defined $body;

    return $s->syswrite("$text\r\n" . (defined $body ? $body : ''));
}


sub readable {
    my ($s, $seconds) = @_;

    my $set = '';
    vec($set, fileno $s, 1) = 1;

    return select($set, undef, undef, $seconds);
}


sub exchange {
    my ($s, $method, $path, $body, $seconds) = @_;

    ask($s, $method, $path, $body);

    my $text = '';

    while ($text !~ /\r\n\r\n/ || length($text) < whole($text)) {
        readable($s, $seconds || 10) or die "$method $path: no answer\n";
        $s->sysread($text, 65536, length $text)
            or die "$method $path: connection closed\n";
    }

    my ($head, $content) = split /\r\n\r\n/, $text, 2;
    my ($status) = $head =~ m{\AHTTP/1\.1 (\d+)};
    my %header = map { /\A([^:]+): (.*)\z/ ? (lc $1, $2) : () }
                 split /\r\n/, $head;

    return { status => $status, header => \%header,
             json => $content =~ /\A\{/ ? decode_json($content) : undef };
}


sub whole {
    my ($text) = @_;

    my ($head) = $text =~ /\A(.*?\r\n\r\n)/s;
    my ($length) = $head =~ /^Content-Length: (\d+)/mi;

    return length($head) + ($length || 0);
}
