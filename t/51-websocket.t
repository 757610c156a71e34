# Copyright (C) the nginx-durable authors

# RFC 6455 as subscribers may break it, and how large things may become.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Durable qw(missing wait_for);
use HttpClient;
use WebSocket;

plan skip_all => missing() if missing();


my $d = Durable->new(workers => 2);
$d->start;

my $http = HttpClient->new(port => $d->port);


sub token {
    my ($channel) = @_;

    return $http->request('POST', '/v1/realtime/token',
        [ { channel => $channel, name => 't' } ])->{json}{jwt};
}


sub listens {
    my ($channel, %option) = @_;

    return WebSocket->new(port => $d->port, %option,
        path => '/v1/realtime/connect?token=' . token($channel));
}


sub says {
    my ($channel, $text) = @_;

    return $http->request('POST', "/v1/realtime/publish?channel=$channel"
        . '&topic=t', $text)->{status};
}


# A subscriber that hears, whatever was done to it.
sub hears {
    my ($ws, $title) = @_;

    my $text = 'heard ' . time;
    says('c', JSON::PP->new->allow_nonref->encode($text));

    # pongs, and what was said a moment before it came, go by

    my $m;
    do { $m = $ws->json } while $m && ($m->{data} // '') ne $text;

    return is $m && $m->{data}, $text, $title;
}

# -- what is allowed

my $ws = listens('c');

$ws->frame(1, '{"kind":"un', fin => 0);
$ws->frame(0, 'sub","da', fin => 0);
$ws->frame(9, 'ping');
is $ws->next->{data}, 'ping', 'a ping between fragments is answered';
$ws->frame(0, 'ta":["x"]}');
hears($ws, 'fragments make a message');

my $bytes = WebSocket::frame_bytes(1, '{"kind":"unsub","data":["y"]}');
for my $i (0 .. length($bytes) - 1) {
    $ws->raw(substr $bytes, $i, 1);
    sleep 0.002 if $i % 8 == 0;
}
hears($ws, 'bytes may come one by one');

$ws->raw(join '', map { WebSocket::frame_bytes(9, "p$_") } 1 .. 100);
my @pong = map { $ws->next->{data} } 1 .. 100;
is_deeply \@pong, [ map { "p$_" } 1 .. 100 ], 'pings may come together';

$ws->frame(10, 'nobody asked');
$ws->frame(1, '');
$ws->frame(1, "\xc3\xa4 \xf0\x9f\x98\x80");
$ws->frame(2, "\xff\x00");
hears($ws, 'pongs, empty messages, any text and bytes are taken');

my $early = listens('c', early => WebSocket::frame_bytes(9, 'early'));
my $pong;
do { $pong = $early->next } while $pong && $pong->{opcode} == 1;
is $pong->{data}, 'early', 'a frame may come with the request';

$ws->frame(1, 'x' x 65536);
hears($ws, 'a message may have 64k');

# -- the end

$ws->frame(8, pack('n', 1000) . 'done');
is_deeply $ws->closed, [ 1000, 'done' ], 'a close is answered with its code';
ok $ws->ended, 'and the connection ends';

$early->frame(8, '');
is $early->closed->[0], 0, 'a close without a code is one without';
ok $early->ended, 'and ends it as well';

# -- what is not allowed

for my $case (
    [ 'a frame that is not masked', 1002, [ 1, 'x', mask => 0 ] ],
    [ 'a reserved bit', 1002, [ 1, 'x', rsv => 4 ] ],
    [ 'an unknown opcode', 1002, [ 3, 'x' ] ],
    [ 'an unknown control frame', 1002, [ 11, 'x' ] ],
    [ 'a control frame in pieces', 1002, [ 9, 'x', fin => 0 ] ],
    [ 'a control frame that is long', 1002, [ 9, 'x' x 126 ] ],
    [ 'a continuation of nothing', 1002, [ 0, 'x' ] ],
    [ 'a message inside of another', 1002,
      [ 1, 'x', fin => 0 ], [ 1, 'y' ] ],
    [ 'a text that is no UTF-8', 1007, [ 1, "\xff\xfe" ] ],
    [ 'half a character at the end', 1007, [ 1, "\xc3" ] ],
    [ 'no UTF-8 in a later fragment', 1007,
      [ 1, 'x', fin => 0 ], [ 0, "\xed\xa0\x80" ] ],
    [ 'a message that is too large', 1009, [ 1, 'x' x 65537 ] ],
    [ 'one that is too large in pieces', 1009,
      map { [ $_ ? 0 : 1, 'x' x 20000, fin => 0 ] } 0 .. 3 ],
    [ 'a length of exabytes', 1009, [ 1, 'x', length => 1 << 62 ] ],
    [ 'a close with one byte', 0, [ 8, 'x' ] ],
    [ 'a close with a code that is none', 1002, [ 8, pack 'n', 1005 ] ],
    [ 'a close with a reason that is no text', 1007,
      [ 8, pack('n', 1000) . "\xff" ] ],
)
{
    my ($title, $code, @frame) = @$case;
    my $bad = listens('c');

    for my $frame (@frame) {
        $bad->frame(@$frame) or last;
    }

    my $closed = $bad->closed;

    is $closed && $closed->[0], $code, "$title: $code";
    $bad->half unless $title =~ /reserved/;
    ok $bad->ended, 'and the connection ends';
}

# -- clients that come and go

for (1 .. 200) {
    my $w = listens('c');
    $w->raw(substr WebSocket::frame_bytes(1, 'half a frame'), 0, 4)
        if $_ % 3 == 0;
    $w->end;
}

$ws = listens('c');
hears($ws, 'clients that vanish leave the others alone');

# -- whatever comes

srand 4711;

for my $n (1 .. 300) {
    my $w = listens('c');
    my $bytes = join '', map {
        WebSocket::frame_bytes(int rand 16, join('', map { chr int rand 256 }
                                                 1 .. rand 200),
                               fin => rand() < 0.7, rsv => rand() < 0.1,
                               mask => rand() < 0.95,
                               rand() < 0.05 ? (length => int rand 1 << 20)
                                             : ())
    } 1 .. 1 + rand 6;

    substr $bytes, rand length $bytes, 1, chr int rand 256 if rand() < 0.5;
    $bytes = substr $bytes, 0, rand length $bytes if rand() < 0.2;

    $w->raw($bytes);
    $w->half if rand() < 0.5;
    $w->next(0.01);
    $w->end;
}

hears($ws, 'frames of any kind harm nobody else');

# -- one that never reads

my $deaf = listens('loud');
my $also = listens('loud');
my $text = '"' . 'x' x 200000 . '"';
my $taken = 0;

for my $n (1 .. 60) {
    $taken++ if says('loud', $text) == 200;
    last unless $also->message(10);
}

is $taken, 60, 'one that never reads holds up no publisher';
hears($ws, 'nor other subscribers');

my $last;
while (my $m = $deaf->next(10)) {
    $last = $m;
    last if $m->{opcode} == 8;
}

is $last && $last->{opcode} == 8 && unpack('n', $last->{data}), 1013,
    'it is disconnected and told so';

# -- very many channels

my $many = 3000;

for my $n (1 .. $many) {
    says("channel-$n", $n) == 200 or last;
}

hears($ws, "after $many channels that nobody hears the others go on");

is says('x' x 1025, 1), 400, 'the name of a channel has a limit';

$_->end for $ws, $also, $deaf;

is $d->alerts, '', 'the log is clean';
$d->stop;

done_testing();
