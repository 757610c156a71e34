# Copyright (C) the nginx-durable authors

# Realtime (protocol 8.3): tokens, messages to those who listen, by WebSocket
# and by Server-Sent Events, in whatever worker they are.

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


my $json = JSON::PP->new->utf8->canonical->allow_nonref;

my $d = Durable->new(workers => 2, http => <<'HTTP');
    durable_function told {
        trigger        event=t/told;
        wait_for_event word event=t/word timeout=1h;
        return         "{'said': steps.word.data.text}";
    }
HTTP
$d->start;

my $http = HttpClient->new(port => $d->port);


sub token {
    my ($header, @topic) = @_;

    my $r = $http->request('POST', '/v1/realtime/token',
        [ map { { channel => $_->[0], name => $_->[1], kind => 'run' } }
          @topic ], $header);

    die "no token: $r->{status} $r->{body}\n" unless $r->{status} == 201;

    return $r->{json}{jwt};
}


sub listens {
    my (@topic) = @_;

    return WebSocket->new(port => $d->port,
        path => '/v1/realtime/connect?token=' . token({}, @topic));
}


sub publishes {
    my ($args, $body, $header) = @_;

    return $http->request('POST', "/v1/realtime/publish?$args", $body,
        { 'Content-Type' => 'application/json', %{ $header || {} } });
}


# -- tokens and handshake

my $r = $http->request('POST', '/v1/realtime/token', '{}');
is $r->{status}, 400, 'a token is asked for with an array';
like $r->{json}{error}, qr/array of 1 to 64 topics/, 'and the error says so';

$r = $http->request('POST', '/v1/realtime/token', '[{"channel":"c"}]');
like $r->{json}{error}, qr/a channel and a name/, 'a topic has a name';

my $ws = listens([ 'c1', 't1' ], [ 'c1', 't2' ]);
is $ws->status, 101, 'a subscriber is let in';
is $ws->headers->{'sec-websocket-accept'}, 'BACScCJPNqyz+UBoqMH89VmURoA=',
    'with the accept of its key';

my $bad = WebSocket->new(port => $d->port,
    path => '/v1/realtime/connect?token=a.b.c');
is $bad->status, 401, 'a token that is none is refused';
like $bad->body, qr/"error":"Unauthorized/, 'in JSON';

my $claims = (split /\./, token({}, [ 'c', 't' ]))[1];
$bad = WebSocket->new(port => $d->port,
    path => "/v1/realtime/connect?token=x.$claims.y");
is $bad->status, 401, 'and one with a signature of nobody';

for my $case ([ 'without an upgrade', 426, Upgrade => undef ],
              [ 'of another version', 426, 'Sec-WebSocket-Version' => 8 ],
              [ 'without a key', 400, 'Sec-WebSocket-Key' => undef ],
              [ 'with half a key', 400, 'Sec-WebSocket-Key' => 'YWJj' ])
{
    my ($title, $status, %send) = @$case;

    my $w = WebSocket->new(port => $d->port, send => \%send,
        path => '/v1/realtime/connect?token=' . token({}, [ 'c', 't' ]));
    is $w->status, $status, "a handshake $title is refused";
}

# -- the channel of a run

my ($told) = $d->send_events({ name => 't/told' });
my $teller = wait_for(10, 'the run waits', sub {
    my $runs = $http->request('GET', "/v1/events/$told/runs")->{json}{data};
    my $id = $runs && $runs->[0] && $runs->[0]{run_id} or return;
    my $r = $http->request('GET', "/v1/runs/$id/tree");

    return ($r->{json}{data}{waits}{for} || '') eq 'event' && $id;
});

my $of_run = listens([ $teller, '$step' ], [ $teller, '$run' ],
    [ $teller, 'word' ]);
$d->send_events({ name => 't/word', data => { text => 'hello' } });

my @said = map { $of_run->json } 1 .. 3;
is_deeply [ map { "$_->{kind} $_->{topic}" } @said ],
    [ 'step $step', 'step word', 'run $run' ],
    'a run has a channel: its steps, each step, its result';
is $said[1]{data}{data}{text}, 'hello', 'with the output of the step';
is_deeply [ @{ $said[2] }{qw(data metadata fn_slug)} ],
    [ { said => 'hello' }, { status => 'Completed' }, 'told' ],
    'and the result of the run, how it ended, of which function';

# -- messages

$r = publishes('channel=c1&topic=t1&run_id=r1', '{"b": [1, 2],  "a":null}');
is $r->{status}, 200, 'a message is taken';
is $r->{body}, '', 'with an empty answer';

my $m = $ws->json;
is $m->{kind}, 'data', 'who listens gets it';
is_deeply $m->{data}, { a => undef, b => [ 1, 2 ] }, 'with its data';
is_deeply [ @$m{qw(channel topic run_id)} ], [ qw(c1 t1 r1) ],
    'channel, topic and run';
like $m->{created_at}, qr/\A\d{4}-\d\d-\d\dT/, 'and the time';

publishes('channel=c1&topic=t2', 'no json');
is $ws->json->{data}, 'no json', 'a body that is no JSON is a text';

publishes('channel=c1&topic=t3', '1');
publishes('channel=c2&topic=t1', '2');
publishes('channel=c1&topic=t1&topic=t2', '3');
is_deeply [ map { [ @$_{qw(topic data)} ] } $ws->json, $ws->json ],
    [ [ 't1', 3 ], [ 't2', 3 ] ],
    'other topics and channels are not heard; each topic of a message is';

publishes('channel=' . 'a%20%C3%A4%2F%26' . '&topic=t%3D', '4');
my $odd = listens([ "a \xe4/&", 't=' ]);
is $odd->json->{data}, 4, 'names may have any character';

is publishes('topic=t', 1)->{status}, 400, 'a message needs a channel';
is publishes('channel=c', 1)->{status}, 400, 'and a topic';
is publishes('channel=c&topic=t', 'x' x (600 * 1024))->{status}, 413,
    'and is at most 512k large';

# -- late and early

publishes('channel=late&topic=t', $_) for 1 .. 150;
my $late = listens([ 'late', 't' ]);
publishes('channel=late&topic=t', 151);

my @got = map { $late->json->{data} } 1 .. 101;
is_deeply \@got, [ 51 .. 151 ],
    'who comes late gets the last hundred, then what is new, in order';

# -- asks of a client

$ws->say({ kind => 'sub', data => token({}, [ 'more', 't' ]) });
publishes('channel=more&topic=t', '"first"');
is $ws->json->{data}, 'first', 'a client may add topics';

$ws->say({ kind => 'unsub', data => [ { channel => 'more', topic => 't' } ] });
$ws->text('nonsense');
$ws->frame(2, 'binary');
$ws->frame(9, 'are you there');
$m = $ws->next;
is_deeply [ @$m{qw(opcode data)} ], [ 10, 'are you there' ],
    'a ping is answered, nonsense is not';

publishes('channel=more&topic=t', '"second"');
publishes('channel=c1&topic=t1', '"third"');
is $ws->json->{data}, 'third', 'and may leave them';

my $forged = listens([ 'x', 'y' ]);
$forged->say({ kind => 'sub', data => 'x.y.z' });
is $forged->closed->[0], 1008, 'a bad token ends the connection';

# -- streams

my $v4 = WebSocket->new(port => $d->port,
    path => '/v1/realtime/connect?token='
        . token({ 'X-Inngest-SDK' => 'inngest-js:v4.24.0' }, [ 's', 't' ]));
my $v3 = listens([ 's', 't' ]);
my $text = join '', map { chr(0x100 + $_ % 1000) } 0 .. 1999;
utf8::encode($text);

$r = publishes('channel=s&topic=t', $text,
               { 'Content-Type' => 'text/stream' });
is $r->{status}, 200, 'a stream is taken';

my $start = $v3->json;
is $start->{kind}, 'datastream-start', 'it begins with its id';
like $start->{data}, qr/\A[0-9A-Z]{26}\z/, 'a ULID';

my ($whole, @kinds) = ('');
while (my $chunk = $v3->json) {
    push @kinds, $chunk->{kind};
    last if $chunk->{kind} ne 'chunk';
    is $chunk->{stream_id}, $start->{data}, 'a piece names its stream'
        if $whole eq '';
    $whole .= $chunk->{data};
}
utf8::encode($whole);
is $whole, $text, 'pieces are whole characters, and together the stream';
is $kinds[-1], 'datastream-end', 'whose end is told';

$whole = '';
while (length $whole < length $text) {
    my $chunk = $v4->json or last;
    is $chunk->{kind}, 'data', 'version 4 of the SDK gets ordinary messages'
        if $whole eq '';
    my $part = $chunk->{data};
    utf8::encode($part);
    $whole .= $part;
}
is $whole, $text, 'with the same text';

# -- Server-Sent Events

sub sse {
    my ($path, %header) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $d->port) or die "connect: $!\n";

    print $socket "GET $path HTTP/1.1\r\nHost: localhost\r\n"
        . join('', map { "$_: $header{$_}\r\n" } sort keys %header) . "\r\n";

    return { socket => $socket, in => '' };
}


sub until_sse {
    my ($s, $want) = @_;

    wait_for(10, "events as $want", sub {
        return 1 if $s->{in} =~ $want;
        sysread $s->{socket}, $s->{in}, 65536, length $s->{in}
            if IO::Select->new($s->{socket})->can_read(0.05);
        return $s->{in} =~ $want;
    });

    return $s->{in};
}

my $s = sse('/v1/realtime/sse?token=' . token({}, [ 'e', 't' ]));
like until_sse($s, qr/:\n\n/), qr{^Content-Type: text/event-stream\r$}m,
    'the same is told by Server-Sent Events';

publishes('channel=e&topic=t', '{"n":1}');
my $sse = until_sse($s, qr/\n\n.*\n\n/s);
like $sse, qr/^id: \d+\ndata: \{"kind":"data",.*"data":\{"n":1\}\}\n\n/m,
    'as one line of data';

my ($last) = $sse =~ /^id: (\d+)$/m;
close $s->{socket};

publishes('channel=e&topic=t', 2);
publishes('channel=e&topic=t', 3);

$s = sse('/v1/realtime/sse?token=' . token({}, [ 'e', 't' ]),
         'Last-Event-ID' => $last);
$sse = until_sse($s, qr/"data":3\}/);
unlike $sse, qr/"n":1/, 'who comes again does not hear it twice';
like $sse, qr/"data":2\}.*"data":3\}/s, 'but all that was missed';

like until_sse(sse('/v1/realtime/sse?token=x'), qr/\}/), qr/\AHTTP\/1.1 401/,
    'a bad token is refused here, too';

# -- bytes

my $run = listens([ 'run1', '$stream' ]);
$http->request('POST', '/v1/realtime/publish/tee?channel=run1',
               "event: x\ndata: 1\n\n");
is $run->next->{data}, "event: x\ndata: 1\n\n",
    'bytes are sent on as they are';

$http->request('POST', '/v1/realtime/publish/tee?channel=run1', "\xff\xfe");
is $run->next->{opcode}, 2, 'in a binary frame when they are no text';

$_->end for $ws, $late, $v3, $v4, $run, $odd;

is $d->alerts, '', 'the log is clean';
$d->stop;

done_testing();
