# Copyright (C) the nginx-durable authors

# Realtime over reloads and the ends of workers; and the feed for tools.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Temp;
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Durable qw(free_port missing wait_for);
use FakeApp;
use HttpClient;
use WebSocket;

plan skip_all => missing() if missing();


my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $port = free_port();
my $dir = File::Temp->newdir('durable-XXXXXX', TMPDIR => 1);
my $app = FakeApp->new(id => 'shop', record => "$dir/calls",
    server => "http://127.0.0.1:$port",
    functions => {
        order => { event => 'shop/order',
                   steps => [ map { { run => "s$_", data => $_ } } 1 .. 5 ],
                   result => 'done' },
        bad => { event => 'shop/bad', retries => 0,
                 steps => [ { run => 'x', data => 1, final => 1 } ] },
    });
$app->start;

my $d = Durable->new(workers => 2, port => $port, apps => [ $app->url ]);
$d->start;
$d->wait_registered('shop');


# A connection of its own each time: any worker may get it.
sub request {
    my @args = @_;
    my $r;

    wait_for(20, "an answer to $args[0] $args[1]", sub {
        $r = HttpClient->new(port => $port, keepalive => 0)->request(@args);
        return $r->{status} && $r->{status} < 500;
    });

    return $r;
}


sub token {
    return request('POST', '/v1/realtime/token',
        [ { channel => $_[0], name => 't' } ])->{json}{jwt};
}


sub listens {
    return WebSocket->new(port => $port,
        path => '/v1/realtime/connect?token=' . token($_[0]));
}


sub says {
    my ($channel, $text) = @_;

    return request('POST', "/v1/realtime/publish?channel=$channel&topic=t",
        $text)->{status};
}


# The data of the next messages up to this one; others of the server aside.
sub heard {
    my ($ws, $last) = @_;

    my @data;

    while (my $m = $ws->json(15)) {
        next unless ($m->{kind} || '') eq 'data';
        push @data, $m->{data};
        last if $m->{data} eq $last;
    }

    return \@data;
}

# -- any worker, one order

my @ws = map { listens('c') } 1 .. 6;

says('c', $_) for 1 .. 50;

is_deeply [ map { heard($_, 50) } @ws ], [ map { [ 1 .. 50 ] } @ws ],
    'whatever worker a subscriber is in, it hears all in order';

# -- reload

my %old = map { $_ => 1 } $d->worker_pids;
kill 'HUP', $d->master_pid;
wait_for(20, 'new workers', sub {
    my $now = $d->leader_pid;
    return $now && !$old{$now};
});

my $closing = 0;
for my $ws (@ws) {
    my $m = $ws->json(10);
    $closing++ if $m && ($m->{kind} || '') eq 'closing';
}
is $closing, 6, 'a worker that exits says so';

says('c', $_) for 51 .. 100;

is_deeply [ map { heard($_, 100) } @ws ], [ map { [ 51 .. 100 ] } @ws ],
    'and goes on to deliver what workers of the new configuration take';

my @new = map { listens('c') } 1 .. 4;
is_deeply [ map { heard($_, 100) } @new ], [ map { [ 1 .. 100 ] } @new ],
    'who connects anew has missed nothing';

# -- kill

my $leader = $d->leader_pid;
$d->kill_leader;
wait_for(20, 'a new leader', sub {
    my $now = $d->leader_pid;
    return $now && $now != $leader;
});

says('c', $_) for 101 .. 110;

my $left = 0;
for my $ws (@ws, @new) {
    my $got = heard($ws, 110);
    next if $ws->{eof};
    $left++;
    is_deeply $got, [ 101 .. 110 ], 'a worker that lives delivers on'
        if $left <= 2;
}
ok $left >= 1, 'those of other workers than the killed leader are still there';

is_deeply heard(listens('c'), 110), [ 11 .. 110 ],
    'and the messages are there for all others';

$_->end for @ws, @new;

# -- the feed

sub sse {
    my ($path, %header) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $port) or die "connect: $!\n";

    print $socket "GET $path HTTP/1.0\r\nHost: localhost\r\n"
        . join('', map { "$_: $header{$_}\r\n" } sort keys %header) . "\r\n";

    return { socket => $socket, in => '' };
}


sub until_sse {
    my ($s, $want) = @_;

    wait_for(15, "events as $want", sub {
        return 1 if $s->{in} =~ $want;
        sysread $s->{socket}, $s->{in}, 65536, length $s->{in}
            if IO::Select->new($s->{socket})->can_read(0.05);
        return $s->{in} =~ $want;
    });

    return $s->{in};
}

is request('GET', '/v1/feed?topics=runs,nothing')->{status}, 400,
    'the feed has four topics';

my $feed = sse('/v1/feed?topics=runs,steps,figures,apps');
like until_sse($feed, qr/"kind":"figures"/), qr/"runs_live":\d+/,
    'the feed tells figures';

my $event = $d->send_event({ name => 'shop/order', data => {} });
my $run = $d->wait_run($event, 'Completed')->{run_id};

my $lines = until_sse($feed, qr/"kind":"run.completed","run":"$run"/);
my @of_run = $lines =~ /^data: (\{.*"run":"$run".*\})$/mg;

ok @of_run <= 4, 'a run of five steps is few messages: ' . @of_run;
is $json->decode($of_run[-1])->{function}, 'shop-order',
    'each names run and function';

my ($last) = $lines =~ /.*^id: (\d+)$/ms;

$event = $d->send_event({ name => 'shop/bad', data => {} });
$run = $d->wait_run($event, 'Failed')->{run_id};
until_sse($feed, qr/"run.failed","run":"$run"/);
close $feed->{socket};

$feed = sse('/v1/feed?topics=runs', 'Last-Event-ID' => $last);
$lines = until_sse($feed, qr/"run.failed","run":"$run"/);
unlike $lines, qr/run\.completed/, 'who comes again gets what it missed';
unlike $lines, qr/gap/, 'without a gap';
close $feed->{socket};

$feed = sse('/v1/feed?topics=runs', 'Last-Event-ID' => 17);
like until_sse($feed, qr/data:/), qr/^event: gap\ndata: \{\}$/m,
    'who was away too long is told';
close $feed->{socket};

$feed = sse('/v1/feed?topics=runs');
until_sse($feed, qr/\n:\n/);
$d->send_events(map { { name => 'shop/order', data => { n => $_ } } }
                1 .. 300);
wait_for(60, 'all runs', sub {
    return ($d->status->{engine}{runs_live} // 1) == 0;
});
$lines = until_sse($feed, qr/run\.completed/);
sleep 0.5;
sysread $feed->{socket}, $feed->{in}, 1 << 20, length $feed->{in};

my %of;
$of{$1}++ while $feed->{in} =~ /^data: .*"run":"(\w+)"/mg;
my ($most) = sort { $b <=> $a } values %of;
ok keys(%of) > 100, 'many runs are in the feed';
ok $most <= 40, "the most of one run are $most messages";

close $feed->{socket};

$d->reload;
my ($again) = $lines =~ /.*^id: (\d+)$/ms;
$feed = sse('/v1/feed?topics=runs', 'Last-Event-ID' => $again);
like until_sse($feed, qr/"many"|event: gap/), qr/many|gap/,
    'after a change of leader lists are to be read again';
close $feed->{socket};

is $d->alerts, '', 'the log is clean but for the kill';
$d->stop;
$app->stop;

done_testing();
