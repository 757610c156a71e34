# What people do with runs and functions: run again, cancel many, pause; and
# signals.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(sha1_hex);
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(time);

use Durable qw(missing wait_for);
use FakeApp;

plan skip_all => missing() if missing();


my $port = Durable::free_port();
my $d = Durable->new(port => $port, workers => 2, log_level => 'info');
my $nobody = '01JQDAE4RQF8MBCR55T5AK4KXR';

# A function of three steps that shows the arguments of each.
sub steps {
    my ($call) = @_;

    my $memo = $call->{request}{steps};

    for my $name (qw(one two three)) {
        my $done = $memo->{sha1_hex($name)};

        next if $done && exists $done->{data};

        my $input = $done && $done->{input} ? $done->{input}[0] : 'plain';

        return (206, {}, [{ op => 'StepRun', id => sha1_hex($name),
                            name => $name, displayName => $name, opts => {},
                            data => "$name $input" }]);
    }

    return (200, {}, [map { $memo->{sha1_hex($_)}{data} } qw(one two three)]);
}

# Waits for the signal that its event names.
sub waits {
    my ($call) = @_;

    my $memo = $call->{request}{steps}{sha1_hex('wait')};

    return (200, {}, $memo) if $memo;

    return (206, {}, [{ op => 'WaitForSignal', id => sha1_hex('wait'),
                        name => 'wait', displayName => 'wait',
                        opts => { timeout => '1h', signal =>
                            $call->{request}{event}{data}{signal} } }]);
}

my $app = FakeApp->new(
    id => 'shop', server => "http://127.0.0.1:$port",
    record => $d->dir . '/calls', functions => {
        steps => { event => 'shop/steps', code => \&steps },
        waits => { event => 'shop/waits', code => \&waits },
        naps  => { event => 'shop/naps',
                   steps => [{ sleep => 'nap', for => '1h' }] },
    })->start;

push @{$d->{apps}}, $app->url;
$d->start;
$d->wait_registered('shop');


# ---- reruns

my $event = $d->send_event({ name => 'shop/steps', data => {} });
my $run = $d->wait_run($event);

is_deeply($run->{output}, ['one plain', 'two plain', 'three plain'],
          'a run has ended');

my $r = $d->http('POST', "/v1/runs/$run->{run_id}/rerun");

is($r->{status}, 200, 'it runs again without a body');
like($r->{json}{metadata}{fetched_at}, qr/\A\d{4}-/, 'in an envelope');
isnt($r->{json}{data}{run_id}, $run->{run_id}, 'as another run');
is_deeply(ended($r->{json}{data}{run_id})->{output}, $run->{output},
          'with the same result');

$r = $d->http('POST', "/v1/runs/$run->{run_id}/rerun",
              { from_step => { stepID => sha1_hex('two'),
                               input => ['edited'] } });

is($r->{status}, 200, 'from its second step');
is_deeply(ended($r->{json}{data}{run_id})->{output},
          ['one plain', 'two edited', 'three plain'],
          'with an edited input');

is(scalar(grep { ($_->{run} || '') eq $r->{json}{data}{run_id} } $app->calls), 3,
   'the step before was not called again');

for my $path ('/v2', '/api/v2') {
    $r = $d->http('POST', "$path/runs/$run->{run_id}/rerun",
                  { fromStep => { stepId => 'three', input => ['again'] } });

    is($r->{status}, 200, "$path: from a step by its name");
    like($r->{json}{metadata}{fetchedAt}, qr/\A\d{4}-/, 'in its envelope');
    is_deeply(ended($r->{json}{data}{runId})->{output},
              ['one plain', 'two plain', 'three again'], 'it runs');
}

for my $case ([$nobody, undef, 404, qr/no such run/],
              ['x', undef, 400, qr/"x" is not a ULID/],
              [$run->{run_id}, '{', 400, qr/is not JSON/],
              [$run->{run_id}, '[]', 400, qr/is not a JSON object/],
              [$run->{run_id}, '{"from_step":7}', 400, qr/from_step must/],
              [$run->{run_id}, '{"stepID":"one"}', 400,
               qr/the step stands in "from_step"/],
              [$run->{run_id}, '{"from_step":{"stepID":"zzz"}}', 404,
               qr/no such step/],
              [$run->{run_id},
               '{"from_step":{"stepID":"one","input":{"a":1}}}', 400,
               qr/must be an array/])
{
    my ($id, $body, $status, $text) = @$case;

    refused($d->http('POST', "/v1/runs/$id/rerun", $body), $status, $text,
            'v1 ' . ($body || $id));

    $r = $d->http('POST', "/v2/runs/$id/rerun", $body);
    is($r->{status}, $status, 'v2 ' . ($body || $id));
    like($r->{json}{errors}[0]{message}, $text, 'says why');
    ok(length $r->{json}{errors}[0]{code}, 'with a code');
}

is(scalar($d->event_runs($event)), 5, 'no other run was made');


# ---- signals

$event = $d->send_event({ name => 'shop/waits', data => { signal => 'go' } });
($run) = $d->event_runs($event);

refused($d->http('POST', '/v1/signals', { signal => 'stop' }), 404,
        qr/no run waits/, 'a signal that nobody waits for');

$r = wait_for(20, 'the run waits', sub {
    my $answer = $d->http('POST', '/v1/signals',
                          { signal => 'go', data => { n => 1 } });
    return $answer->{status} == 404 ? undef : $answer;
});

is($r->{status}, 200, 'a signal that a run waits for');
is($r->{json}{data}{run_id}, $run->{run_id}, 'names the run');
like($r->{json}{metadata}{fetched_at}, qr/\A\d{4}-/, 'in an envelope');
is_deeply(ended($run->{run_id})->{output},
          { data => { signal => 'go', data => { n => 1 } } },
          'the run has the data');

refused($d->http('POST', '/v1/signals', { signal => 'go' }), 404,
        qr/no run waits/, 'it waits no more');

for my $case (['{', qr/is not JSON/], ['7', qr/is not a JSON object/],
              ['{}', qr/"signal" must be/], ['{"signal":""}', qr/"signal"/],
              ['{"signal":["a"]}', qr/"signal"/],
              ['{"signal":"' . 'x' x 600 . '"}', qr/at most 512 bytes/])
{
    refused($d->http('POST', '/v1/signals', $case->[0]), 400, $case->[1],
            'a signal of ' . substr $case->[0], 0, 20);
}


# ---- cancellations

my @sleeping = map { nap($_) } 1 .. 3;

for my $id (@sleeping) {
    wait_for(20, 'it sleeps', sub { $d->run($id)->{status} eq 'Running' });
}

$r = cancellation(if => 'event.data.n == 2');

is($r->{status}, 200, 'a cancellation is accepted');

my $rule = $r->{json}{data};

like($rule->{id}, qr/\A[0-9A-Z]{26}\z/, 'it has an id');
is($rule->{function_id}, 'shop-naps', 'it names the function');
like($rule->{$_}, qr/\A[0-9a-f-]{36}\z/, "$_ is a UUID")
    for qw(account_id environment_id app_id function_internal_id);
is($rule->{name}, undef, 'it has no name');
is($rule->{started_after}, undef, 'it begins with the first run');
is($rule->{if}, 'event.data.n == 2', 'it has its expression');

is(ended($sleeping[1])->{status}, 'Cancelled', 'the run that fits ends');
ok(finished($rule->{id})->{cancelled} == 1, 'one was cancelled');
is($d->run($sleeping[$_])->{status}, 'Running', 'others go on') for 0, 2;

$r = $d->http('DELETE', "/v1/cancellations/$rule->{id}");

is($r->{status}, 200, 'it is deleted');
ok($r->{json}{data}{ok}, 'ok');
is_deeply($d->http('GET', '/v1/cancellations')->{json}{data}, [],
          'none is left');
refused($d->http('DELETE', "/v1/cancellations/$rule->{id}"), 404,
        qr/no such cancellation/, 'a second time');
refused($d->http('DELETE', '/v1/cancellations/x'), 400, qr/not a ULID/,
        'without an id');

for my $case ([{ app_id => 'none' }, 404, qr/has no function/],
              [{ function_id => 'none' }, 404, qr/has no function/],
              [{ started_before => 'now' }, 400, qr/started_before/],
              [{ started_before => stamp(60) }, 400, qr/in the future/],
              [{ started_after => stamp(3) }, 400, qr/started_after/],
              [{ if => 'event.data.n ==' }, 400, qr/\Aif: .*column/])
{
    refused(cancellation(%{$case->[0]}), $case->[1], $case->[2],
            join ' ', %{$case->[0]});
}

refused($d->http('POST', '/v1/cancellations', ' ' x 70_000), 413,
        qr/larger than 65536/, 'a body that is too large');

$r = cancellation(started_before => stamp(4));

my $late = nap(4);

is(ended($late)->{status}, 'Cancelled',
   'a run that begins in the window later ends as well');

$d->kill_nginx;
$d->start_nginx;
$d->wait_ready;

$r = wait_for(20, 'the list', sub {
    my $answer = $d->http('GET', '/v1/cancellations');
    return $answer->{status} == 200 ? $answer : undef;
});

is(scalar @{$r->{json}{data}}, 1, 'a cancellation survives a crash');
is(ended($sleeping[$_])->{status}, 'Cancelled', 'its work is done')
    for 0, 2;


# ---- pause

$r = $d->http('POST', '/v1/functions/shop-steps/pause');

is($r->{status}, 200, 'a function is paused');
is_deeply($r->{json}{data}, { function_id => 'shop-steps',
                              paused => JSON::PP::true() }, 'which is said');

$event = $d->send_event({ name => 'shop/steps', data => {} });
is($d->wait_run($event, 'Skipped')->{output}{reason}, 'FunctionPaused',
   'an event makes a run that is skipped');

$r = $d->http('POST', '/v1/functions/shop-steps/resume');

is($r->{status}, 200, 'it is resumed');
ok(!$r->{json}{data}{paused}, 'which is said');
$d->wait_run($d->send_event({ name => 'shop/steps', data => {} }));

refused($d->http('POST', "/v1/functions/none/$_"), 404, qr/no function/,
        "$_ of a function that is none") for qw(pause resume);


# ---- the rest

for my $case (['GET', '/v1/signals'], ['PUT', '/v1/cancellations'],
              ['GET', "/v1/runs/$nobody/rerun"],
              ['GET', '/v1/functions/shop-steps/pause'])
{
    refused($d->http(@$case), 405, qr/is not allowed here/, "@$case");
}

is($d->alerts, '', 'the log is clean');
unlike($d->error_log, qr/\[error\]/, 'mistakes of clients are no errors');

$d->stop;
$app->stop;

is($d->alerts, '', 'the log is clean to the end');

done_testing();


sub ended {
    my ($id) = @_;

    return wait_for(20, "the run $id has ended", sub {
        my $data = $d->run($id);
        return $data && $data->{ended_at} ? $data : undef;
    });
}


sub nap {
    my ($n) = @_;

    my $id = $d->send_event({ name => 'shop/naps', data => { n => $n } });
    my ($first) = $d->event_runs($id);

    return $first->{run_id};
}


# So many seconds from now.
sub stamp {
    my ($seconds) = @_;

    return strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + $seconds));
}


sub cancellation {
    my (%more) = @_;

    return $d->http('POST', '/v1/cancellations', {
        app_id => 'shop', function_id => 'naps',
        started_before => stamp(1), %more });
}


sub finished {
    my ($id) = @_;

    return wait_for(20, 'the cancellation is done', sub {
        my ($one) = grep { $_->{id} eq $id }
            @{$d->http('GET', '/v1/cancellations')->{json}{data}};
        return $one && $one->{done} ? $one : undef;
    });
}


sub refused {
    my ($answer, $status, $text, $title) = @_;

    is($answer->{status}, $status, "$title: $status");
    like($answer->{json}{error}, $text, 'with a sentence');
    is($answer->{json}{status}, $status, 'and the status');

    return;
}
