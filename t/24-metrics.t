# Copyright (C) the nginx-durable authors

# What Prometheus reads, under load, across a reload and a leader's death; and
# that docs/metrics.md names each series and no other.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Temp qw(tempdir);
use Test::More;

use Durable qw(missing slurp wait_for write_file);
use Exposition;
use FakeApp;
use HttpClient;
use WebSocket;

plan skip_all => missing() if missing();


my $path = '/durable/metrics';
my $port = Durable::free_port();
my $app = FakeApp->new(id => 'shop', server => "http://127.0.0.1:$port",
    record => tempdir(CLEANUP => 1) . '/calls',
    functions => {
        order => { event => 't/order', retries => 1, result => 'done',
                   steps => [{ run => 'charge' }, { run => 'ship' }] },
        fails => { event => 't/fails', retries => 1,
                   steps => [{ run => 'never', fail => 9 }] },
        waits => { event => 't/waits', steps => [{ sleep => 'long',
                                                   for => '1h' }] },
    });

$app->start;

my $d = Durable->new(port => $port, apps => [$app->url], workers => 3,
    retry_interval => '50ms', log_level => 'notice', server => "
        location = $path { durable_metrics; }
        location = /hook { durable_route linear;
                           durable_verify linear secret; }
        location ~ ^/any/ { durable_route; }
        location = /closed { durable_metrics; deny all; }
        location = /secret { durable_metrics; auth_basic me;
                             auth_basic_user_file users; }
");

write_file($d->dir . '/users', "me:{PLAIN}word\n");
$d->start;
$d->wait_registered('shop');


# A new connection each time: any worker may answer.
sub get {
    my ($uri, %header) = @_;

    return HttpClient->new(port => $port, keepalive => 0)
                     ->request('GET', $uri, undef, \%header);
}


sub scrape {
    my $r = get($path);

    return undef unless $r->{status} == 200;

    my $x = Exposition->new($r->{body});

    is_deeply([$x->errors], [], 'the text has no fault') if $x->errors;

    return $x;
}


# ---- an answer

my $r = get($path);

is($r->{status}, 200, 'the figures can be read');
is($r->{headers}{'content-type'}, 'text/plain; version=0.0.4; charset=utf-8',
   'as text of Prometheus');

my $x = Exposition->new($r->{body});
is_deeply([$x->errors], [], 'a strict reader finds no fault');

$r = get($path, Accept => 'application/openmetrics-text;version=1.0.0;q=0.5,'
                          . 'text/plain;version=0.0.4;q=0.3');

is($r->{headers}{'content-type'},
   'application/openmetrics-text; version=1.0.0; charset=utf-8',
   'who prefers OpenMetrics gets it');

my $open = Exposition->new($r->{body}, open => 1);
is_deeply([$open->errors], [], 'without a fault');
is_deeply([$open->families], [$x->families], 'the same families');

$r = HttpClient->new(port => $port)->request('HEAD', $path);
is("$r->{status} $r->{body}", '200 ', 'HEAD has no body');

$r = HttpClient->new(port => $port)->request('POST', $path, 'x=1');
is($r->{status}, 405, 'POST is not allowed');
is($r->{headers}{allow}, 'GET, HEAD', 'what is, a header says');
like($r->{body}, qr/\A# .+\n\z/, 'and a comment, that nobody parses');

is(get('/closed')->{status}, 403, 'deny denies');
is(get('/secret')->{status}, 401, 'a password is asked for');
is(get('/secret', Authorization => 'Basic bWU6d29yZA==')->{status}, 200,
   'and taken');


# ---- the table of docs/metrics.md

my %documented;

for (split /\n/, slurp('docs/metrics.md')) {
    next unless /\A\| `(durable_\w+)`((?: `\w+`)*) \| (\w+) \|/;

    my ($name, $labels, $type) = ($1, $2, $3);
    $name =~ s/_total\z// if $type eq 'counter';
    fail("$name is there twice") if $documented{$name};
    $documented{$name} = "$type " . join ',', sort $labels =~ /`(\w+)`/g;
}

my %served = map { ($_ => join ' ', $x->family($_)->{type},
                    $x->family($_)->{labels} // '') } $x->families;

delete $served{$_} for grep { !@{$x->family($_)->{samples}} } keys %served;
is_deeply(\%served, \%documented, 'docs/metrics.md has all of them');


# ---- work is counted

my @orders = $d->send_events(map { { name => 't/order', data => { n => $_ } } }
                             1 .. 40);
my ($failing) = $d->send_events({ name => 't/fails', data => {} });
my @waiting = $d->send_events(({ name => 't/waits', data => {} }) x 5);

$d->wait_run($_, 'Completed', 30) for @orders;
$d->wait_run($failing, 'Failed', 30);

wait_for(10, 'five runs sleep', sub {
    return scrape()->value('durable_queue_items', state => 'timer') == 5;
});

$x = scrape();

is($x->value('durable_events_total', source => 'client'), 46,
   'events of clients');
is($x->value('durable_runs_started_total', function => 'shop-order'), 40,
   'runs that were started, by their function');
is($x->value('durable_runs_ended_total', function => 'shop-order',
             status => 'completed'), 40, 'that are complete');
is($x->value('durable_runs_ended_total', function => 'shop-fails',
             status => 'failed'), 1, 'that failed');
is($x->value('durable_runs_started_total', function => 'other'), 0,
   'none is of another function');
is($x->value('durable_runs_live'), 5, 'that live');
cmp_ok($x->value('durable_steps_total', op => 'StepRun'), '==', 80,
       'steps that were done');
is($x->value('durable_attempts_total', function => 'shop-fails',
             outcome => 'retry'), 1, 'an attempt that is tried again');
is($x->value('durable_attempts_total', function => 'shop-order',
             outcome => 'ok'),
   $x->sum('durable_attempts_total', function => 'shop-order'),
   'of the others all went well');
is($x->value('durable_run_duration_seconds_count'), 41,
   'each end was timed');
is($x->value('durable_call_duration_seconds_count'),
   $x->sum('durable_attempts_total'), 'and each call');
is($x->value('durable_schedule_to_start_seconds_count'),
   $x->value('durable_calls_leased_total'), 'and how long it waited');
is($x->value('durable_calls_in_flight'), 0, 'none is out now');
is($x->value('durable_queue_items', state => 'ready'), 0, 'none is ready');
is($x->value('durable_app_parked', app => 'shop'), 0, 'the app answers');
is($x->value('durable_sidecar_connected'), 1, 'the sidecar is there');
cmp_ok($x->value('durable_sidecar_credits'), '>', 0, 'and takes calls');
cmp_ok($x->value('durable_commit_duration_seconds_count'), '>', 0,
       'commits were timed');
cmp_ok($x->value('durable_event_loop_lag_seconds_count'), '>', 0,
       'and the event loop');
cmp_ok($x->value('durable_op_wait_seconds_count', class => 'event'), '>=', 3,
       'and the queue of the leader');
cmp_ok($x->value('durable_store_file_bytes'), '<=',
       $x->value('durable_store_limit_bytes'), 'the store is within its size');
is($x->value('durable_store_rows', table => 'run'), 46,
   'rows are those of the tables');
cmp_ok(abs($x->value('durable_leader_start_time_seconds') - time), '<', 120,
       'the leader began a moment ago');


# ---- while there is load, counters only grow; also across workers

my %before = $x->counters;
my $smaller = 0;

for my $round (1 .. 20) {
    $d->send_events(map { { name => 't/order', data => { n => $_ } } } 1 .. 5);

    my $now = scrape() or next;
    my %now = $now->counters;

    $smaller++ for grep { !defined $now{$_} || $now{$_} < $before{$_} }
                   keys %before;
    %before = %now;
}

is($smaller, 0, 'no counter shrinks while one worker leads');


# ---- webhooks, which any worker takes

my @hooks = (['/hook', '{}', 401], ['/hook', '{"a":1}', 401],
             ['/any/one', '{}', 200], ['/any/two', '{}', 200]);

for my $hook (@hooks) {
    is(HttpClient->new(port => $port, keepalive => 0)
         ->request('POST', $hook->[0], $hook->[1])->{status}, $hook->[2],
       "a webhook at $hook->[0]");
}

my $hooks = wait_for(10, 'webhooks are counted', sub {
    my $now = scrape();
    return $now->sum('durable_webhooks_total') == 4 ? $now : undef;
});

is($hooks->value('durable_webhooks_total', route => 'linear',
                 outcome => 'unverified'), 2, 'by their route and outcome');
is($hooks->value('durable_webhooks_total', route => '*',
                 outcome => 'accepted'), 2,
   'those that name themselves are one route');
is($hooks->value('durable_events_total', source => 'webhook'), 2,
   'only what is verified is an event');


# ---- realtime, in whatever worker

my $topic = [{ channel => 'c', name => 't' }];
my @listening = map {
    my $token = HttpClient->new(port => $port, keepalive => 0)
        ->request('POST', '/v1/realtime/token', $topic)->{json}{jwt};
    WebSocket->new(port => $port, path => "/v1/realtime/connect?token=$token");
} 1 .. 3;

HttpClient->new(port => $port)->request('POST',
    '/v1/realtime/publish?channel=c&topic=t', '1') for 1 .. 5;

my $realtime = scrape();

is($realtime->value('durable_realtime_subscribers'), 3,
   'subscribers are counted in all workers');
is($realtime->value('durable_realtime_messages_total'), 5,
   'and so are messages');

$_->end for @listening;
wait_for(10, 'nobody listens', sub {
    return scrape()->value('durable_realtime_subscribers') == 0;
});
is(scrape()->value('durable_realtime_dropped_total'), 0,
   'who goes was not dropped');


# ---- another leader

sub next_leader {
    my ($what, $epoch, $act) = @_;

    $act->();

    my $next = wait_for(20, $what, sub {
        my $answer = get($path);

        if ($answer->{status} != 200) {
            like($answer->{body}, qr/\A# .+\n\z/, 'no leader: a comment')
                if $answer->{status} == 503;
            return undef;
        }

        my $text = Exposition->new($answer->{body});
        return $text->value('durable_leader_epoch') > $epoch ? $text : undef;
    });

    is_deeply([$next->errors], [], "$what: the text has no fault");

    return $next;
}

$d->wait_run($_->{id}, 'Completed', 30)
    for grep { ($_->{name} || '') eq 't/order' }
        @{$d->http('GET', '/v1/events?limit=51')->{json}{data}};

my $next = next_leader('after a reload', $x->value('durable_leader_epoch'),
                       sub { $d->reload });

is($next->sum('durable_runs_started_total'), 0, 'counters begin anew');
is($next->sum('durable_webhooks_total'), 4, 'but those of all workers');
is($next->value('durable_runs_live'), 5, 'gauges do not');

$next = next_leader('after a kill', $next->value('durable_leader_epoch'),
                    sub { $d->kill_leader });

is($next->value('durable_runs_live'), 5, 'gauges are exact again');

my @completed = $d->send_events({ name => 't/order', data => {} });
$d->wait_run($completed[0], 'Completed', 30);
is(scrape()->value('durable_runs_started_total', function => 'shop-order'), 1,
   'the new leader counts');


# ---- an app that is not there, with a name that must be escaped

my $dead = 'http://127.0.0.1:' . Durable::free_port() . '/api/inngest';

$r = $d->http('POST', '/fn/register', {
    url => $dead, appName => 'the "dead" \\ one', sdk => 'js:v4.24.0',
    v => '0.1', functions => [{ id => 'dead-one', name => 'one',
        triggers => [{ event => 't/dead' }], steps => { step => {
            id => 'step', name => 'step', retries => { attempts => 20 },
            runtime => { type => 'http',
                         url => "$dead?fnId=dead-one&stepId=step" } } } }],
});
is($r->{status}, 200, 'an app that is not there is registered');

$d->send_events(({ name => 't/dead', data => {} }) x 8);

my $parked = wait_for(20, 'the app is parked', sub {
    my $now = scrape();
    return ($now->value('durable_app_parked', app => 'the "dead" \\ one')
            // 0) == 1 ? $now : undef;
});

is($parked->value('durable_apps_parked'), 1, 'it is the one that is');
is($parked->value('durable_app_parked', app => 'shop'), 0, 'not the other');
cmp_ok($parked->sum('durable_attempts_total', outcome => 'parked'), '>=', 1,
       'what became of its calls is counted');

wait_for(10, 'the wait is seen', sub {
    my $now = scrape();
    return $now->value('durable_queue_oldest_ready_seconds',
                       app => 'the "dead" \\ one') > 0
           && $now->value('durable_queue_items', state => 'ready') >= 6;
});

pass('its work waits, and since when');

is($d->alerts, '', 'the log is clean');
$app->stop;
$d->stop;


# ---- a store that cannot be used

my $broken = Durable->new(workers => 1, server =>
                          "location = $path { durable_metrics; }");

mkdir $broken->dir . '/store', 0700;
write_file($broken->dir . '/store/data.mdb', 'no store ' x 2000);

{
    no warnings 'redefine';
    local *Durable::wait_ready = sub { };
    $broken->start_nginx;
}

$r = wait_for(10, 'an answer', sub {
    my $answer = HttpClient->new(port => $broken->port, keepalive => 0)
                           ->request('GET', $path);
    return $answer->{status} ? $answer : undef;
});

is($r->{status}, 503, 'without a store there are no figures');
like($r->{body}, qr/\A# the store cannot be used now: .+\n\z/,
     'a comment says why');

$broken->stop;

done_testing();
