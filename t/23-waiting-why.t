# Copyright (C) the nginx-durable authors

# Why a run does not go on: each reason, as it is told over HTTP; and what
# waits, by app and function.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Temp qw(tempdir);
use Test::More;

use Durable qw(missing wait_for);
use FakeApp;

plan skip_all => missing() if missing();


my $time = qr/\A\d{4}-\d\d-\d\dT[\d:.]+Z\z/;
my $port = Durable::free_port();
my $app = FakeApp->new(id => 'shop', server => "http://127.0.0.1:$port",
    record => tempdir(CLEANUP => 1) . '/calls',
    functions => {
        sleeps => { event => 't/sleeps', steps => [{ sleep => 'nap',
                                                     for => '1h' }] },
        waits => { event => 't/waits', steps => [{ wait => 'paid',
            event => 'shop/paid', timeout => '1h' }] },
        signal => { event => 't/signal', steps => [{ signal => 'go',
            for => 'go-7', timeout => '1h' }] },
        invokes => { event => 't/invokes', steps => [{ invoke => 'ask',
            function => 'shop-sleeps', timeout => '1h' }] },
        retries => { event => 't/retries', retries => 4,
                     steps => [{ run => 'odd', fail => 9 }] },
        slow => { event => 't/slow', result => 1,
                  steps => [{ run => 'slow', delay => 30 }] },
        several => { event => 't/several', steps => [{ all => [
            { sleep => 'one', for => '1h' }, { sleep => 'two', for => '2h' },
        ] }] },
        paused => { event => 't/paused', result => 1, steps => [] },
        quick => { event => 't/quick', result => 1, steps => [] },
        keyed => { event => 't/keyed', steps => [{ run => 'k', delay => 30 }],
            config => { concurrency => [{ limit => 1,
                                          key => 'event.data.user' }] } },
        paced => { event => 't/paced', result => 1, steps => [],
            config => { throttle => { limit => 1, period => '1h' } } },
    });

$app->start;

my $d = Durable->new(port => $port, apps => [$app->url], workers => 2,
                     retry_interval => '1h', log_level => 'notice');
$d->start;
$d->wait_registered('shop');


# The list of the event's run, once it has a member of this kind.
sub why {
    my ($event, $kind) = @_;

    my $run = wait_for(20, "a run of $event", sub {
        return ($d->event_runs($event))[0];
    });

    my $list = wait_for(20, "$event is of kind $kind", sub {
        my $waiting = $d->run($run->{run_id})->{waiting};
        return @$waiting && $waiting->[0]{kind} eq $kind && $waiting;
    });

    my $id = $run->{run_id};
    my $tree = $d->http('GET', "/v1/runs/$id/tree")->{json}{data};
    is_deeply([map { $_->{kind} } @{$tree->{waiting}}],
              [map { $_->{kind} } @$list], "$kind: the tree says so, too");

    for my $r ($d->http('GET', "/v2/runs/$id")->{json}{data},
               $d->http('GET', "/v2/runs/$id/trace")
                 ->{json}{data}{rootSpan})
    {
        is($r->{waiting}[0]{kind}, $kind, "$kind: and the second API");
        is($r->{waiting}[0]{jobId}, $list->[0]{job_id}, 'in its own words');
    }

    like($list->[0]{job_id}, qr/\A\d+\z/, "$kind: the item has a number");

    return wantarray ? @$list : $list->[0];
}


# ---- on a timer

my $soon = (time + 3600) * 1000;
my $why = why($d->send_event({ name => 't/quick', data => {}, ts => $soon }),
              'scheduled');
like($why->{until}, $time, 'an event of the future says when it is due');

$why = why($d->send_event({ name => 't/sleeps', data => {} }), 'sleep');
is($why->{step}, 'nap', 'a sleep has its step');
like($why->{step_id}, qr/\A[0-9a-f]{40}\z/, 'and its id');
like($why->{until}, $time, 'and when it is over');

$why = why($d->send_event({ name => 't/waits', data => {} }), 'event');
is($why->{event}, 'shop/paid', 'a wait has the name of the event');
like($why->{until}, $time, 'and its timeout');

$why = why($d->send_event({ name => 't/signal', data => {} }), 'signal');
is($why->{signal}, 'go-7', 'a signal has its name');

$why = why($d->send_event({ name => 't/invokes', data => {} }), 'invoke');
is($why->{function}, 'shop-sleeps', 'an invoke has the function');
like($why->{child_run_id}, qr/\A\w{26}\z/, 'and the run that it waits for');

$why = why($d->send_event({ name => 't/retries', data => {} }), 'retry');
is($why->{attempt}, 1, 'a retry says which attempt is next');
like($why->{until}, $time, 'and when');

my @several = why($d->send_event({ name => 't/several', data => {} }),
                  'sleep');
is(scalar @several, 2, 'each open item of a run is there');
is_deeply([sort map { $_->{step} } @several], ['one', 'two'],
          'with its step');


# ---- in a call

my $slow = $d->send_event({ name => 't/slow', data => {} });
$why = why($slow, 'call');
like($why->{since}, $time, 'a call says since when it is out');


# ---- limits

my @keyed = map { $d->send_event({ name => 't/keyed',
                                   data => { user => $_ } }) }
            'ann', 'ann', 'ann', 'bob';

why($keyed[0], 'call');
why($keyed[3], 'call');

for my $n (1, 2) {
    $why = why($keyed[$n], 'concurrency');
    is($why->{before}, $n - 1, 'a limit says how many wait before it');
    is("$why->{scope} $why->{limit} $why->{key}", 'fn 1 event.data.user',
       'which one it is');
    like($why->{key_hash}, qr/\A[0-9a-f]{16}\z/, 'and for which value');
}

my $limits = $d->http('GET', '/v1/functions/shop-keyed/queue')->{json}{data};
is("$limits->{leased} $limits->{blocked}", '2 2', 'the function has them');
is_deeply($limits->{limits}, [{ scope => 'fn', limit => 1,
                                key => 'event.data.user' }], 'and its limit');
is(scalar @{$limits->{keys}}, 1, 'one value has waiters');
is_deeply([@{$limits->{keys}[0]}{qw(scope waiting in_use key_hash)}],
          ['fn', 2, 1, $why->{key_hash}], 'so many, and so many run');

my @paced = map { $d->send_event({ name => 't/paced', data => { n => $_ } }) }
            1 .. 4;

$d->wait_run($paced[0], 'Completed');

my @until;

for my $n (2, 3) {
    $why = why($paced[$n], 'throttle');
    like($why->{until}, $time, 'a throttle says when it lets go');
    is($why->{limit}, 1, 'and which it is');
    push @until, $why->{until};
}

cmp_ok($until[0], 'lt', $until[1], 'one after the other');


# ---- paused

is($d->http('POST', '/v1/functions/shop-paused/pause')->{status}, 200,
   'a function is paused');

# its first call finds the function paused: a run of before
is($d->http('POST', '/v1/functions/shop-sleeps/pause')->{status}, 200,
   'another one, with runs');

my ($skipped) = $d->event_runs($d->send_event({ name => 't/paused',
                                                data => {} }));
is_deeply($d->run($skipped->{run_id})->{waiting}, [],
          'a run that is skipped waits for nothing');
is($d->http('POST', '/v1/functions/shop-sleeps/resume')->{status}, 200,
   'it goes on');


# ---- nothing

my $done = $d->send_event({ name => 't/quick', data => {} });
my $run = $d->wait_run($done, 'Completed');
is_deeply($d->run($run->{run_id})->{waiting}, [],
          'nor does one that is complete');
is_deeply($d->http('GET', "/v2/runs/$run->{run_id}")->{json}{data}{waiting},
          [], 'whoever asks');
ok(!exists $d->http('GET', '/v1/runs')->{json}{data}[0]{waiting},
   'a list of runs says nothing of it');


# ---- what waits, by app

my $queue = $d->http('GET', '/v1/queue')->{json}{data};
my ($shop) = @{$queue->{apps}};

is($shop->{app}, 'shop', 'the queue has the app');
is($shop->{leased}, 3, 'three calls are out');
is($queue->{leased}, 3, 'of all apps');
is($queue->{blocked}, 2 + 3, 'work that waits for limits');
is($shop->{max_calls}, 128, 'so many may be');
is($shop->{parked_at}, undef, 'it answers');
is_deeply([map { [$_->{function}, $_->{leased}] } @{$shop->{functions}}],
          [['shop-slow', 1], ['shop-keyed', 2]],
          'functions that have something there');
cmp_ok($queue->{timers}{all}, '>=', 7, 'timers are counted');
is($queue->{timers}{within_a_minute}, 0, 'none is due soon');
is($queue->{cursor}, undef, 'there is no other app');

my $one = $d->http('GET', '/v1/functions/shop-slow/queue')->{json}{data};
is("$one->{app} $one->{function} $one->{leased} $one->{ready}",
   'shop shop-slow 1 0', 'the same of one function');
is($d->http('GET', '/v1/functions/nobody/queue')->{status}, 404,
   'one that is not there is a 404');
is($d->http('GET', '/v1/queue?limit=0')->{status}, 400, 'a limit is checked');
is($d->http('GET', '/v1/queue?cursor=x')->{status}, 400, 'and a cursor');
is_deeply($d->http('GET', '/v1/queue?cursor=1000')->{json}{data}{apps}, [],
          'behind the last app is none');


# ---- ready, and it does not go: without a sidecar

$d->stop_sidecar;
wait_for(10, 'the sidecar is gone', sub {
    return !$d->status->{sidecar}{connected};
});

my @ready = map { $d->send_event({ name => 't/quick', data => { n => $_ } }) }
            1 .. 3;

for my $n (0 .. 2) {
    $why = why($ready[$n], 'queued');
    is($why->{before}, $n, 'a run says how many go before it');
    ok(!$why->{at_least}, 'counted to the end');
    like($why->{since}, $time, 'and since when it is due');
    is($why->{until}, undef, 'until when, nobody knows');
}

is($d->http('POST', '/v1/functions/shop-quick/pause')->{status}, 200,
   'their function is paused');
$why = why($ready[1], 'paused');
is($why->{until}, undef, 'that ends when somebody ends it');

$queue = $d->http('GET', '/v1/queue')->{json}{data};
is($queue->{ready}, 3, 'three are ready');

is($d->http('POST', '/v1/functions/shop-quick/resume')->{status}, 200,
   'the function goes on');
$d->start_sidecar;
$d->wait_run($_, 'Completed', 20) for @ready;


# ---- an app that is not there

my $dead = 'http://127.0.0.1:' . Durable::free_port() . '/api/inngest';

$d->http('POST', '/fn/register', {
    url => $dead, appName => 'dead', sdk => 'js:v4.24.0', v => '0.1',
    functions => [{ id => 'dead-one', name => 'one',
        triggers => [{ event => 't/dead' }], steps => { step => {
            id => 'step', name => 'step', retries => { attempts => 20 },
            runtime => { type => 'http',
                         url => "$dead?fnId=dead-one&stepId=step" } } } }],
});

my @dead = $d->send_events(({ name => 't/dead', data => {} }) x 12);

wait_for(20, 'the app is parked', sub { @{$d->status->{parked}} });

# the first four failures are attempts: their runs wait for a retry
my ($parked) = grep {
    my ($one) = $d->event_runs($_);
    ($d->run($one->{run_id})->{waiting}[0]{kind} || '') eq 'parked';
} @dead;

$why = why($parked, 'parked');
like($why->{error}, qr/refused/, 'a parked app has an error');
like($why->{parked_at}, $time, 'since when');
like($why->{until}, $time, 'and when it is tried');

$queue = $d->http('GET', '/v1/queue?limit=1')->{json}{data};
is(scalar @{$queue->{apps}}, 1, 'a page has as many apps as asked for');
$queue = $d->http('GET', "/v1/queue?limit=1&cursor=$queue->{cursor}")
           ->{json}{data};
is($queue->{apps}[0]{app}, 'dead', 'the cursor goes on');
like($queue->{apps}[0]{parked_at}, $time, 'the queue knows that it is parked');
like($queue->{apps}[0]{oldest_ready_at}, $time, 'and since when work waits');
cmp_ok($queue->{apps}[0]{ready}, '>=', 7, 'and how much');


# ---- the limit of an app's calls

$app->stop('KILL');
$d->stop;

my $narrow = Durable->new(port => $port, workers => 1,
    apps => [$app->url . ' max_calls=1'], log_level => 'notice');

$app->start;
$narrow->start;
$narrow->wait_registered('shop');
$d = $narrow;

my @calls = map { $d->send_event({ name => 't/slow', data => { n => $_ } }) }
            1 .. 2;

why($calls[0], 'call');
$why = why($calls[1], 'calls');
is($why->{limit}, 1, 'a limit says how many may be out');
is($why->{before}, 0, 'it is the next one');

is($d->alerts, '', 'the log is clean');
$app->stop('KILL');
$d->stop;

done_testing();
