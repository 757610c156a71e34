# Copyright (C) the nginx-durable authors

# Debounce and batches over HTTP: what an app is called with, what the API
# shows meanwhile, and that both outlive the server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;
use Time::HiRes qw(time);

use Durable qw(missing wait_for);
use FakeApp;

plan skip_all => missing() if missing();


my $d = Durable->new(workers => 2, log_level => 'warn');

# What a call was about is what its run returns.
my $told = sub {
    my $request = $_[0]{request};

    return (200, {}, {
        first => $request->{event}{data}{n},
        all   => [map { $_->{data}{n} } @{$request->{events}}],
    });
};

my $app = FakeApp->new(
    id => 'shop', server => $d->url, record => "$d->{dir}/calls",
    functions => {
        pair => { event => 'shop/pair', code => $told,
                  config => { batchEvents => { maxSize => 2,
                                               timeout => '1h' } } },
        timed => { event => 'shop/timed', code => $told,
                   config => { batchEvents => {
                       maxSize => 100, timeout => '1s',
                       key => 'event.data.k', if => 'event.data.n > 0' } } },
        held => { event => 'shop/held', code => $told,
                  config => { debounce => { period => '1s',
                                            key => 'event.data.k' } } },
        later => { event => 'shop/later', code => $told,
                   config => { debounce => { period => '3s' } } },
        asks => { event => 'shop/asks',
                  steps => [{ invoke => 'ask', function => 'shop-pair' }] },
    },
)->start;

$d->{apps} = [$app->url];
$d->start;
$d->wait_registered('shop');

is(scalar(grep { /not enforced/ } split /\n/, $d->error_log), 0,
   'nothing that the app asks for is not enforced');


# ---- a full batch

my $one = send_one('shop/pair', n => 1);

is_deeply(runs($one), [], 'the first event of a batch has no run yet');

my $two = send_one('shop/pair', n => 2);
my $run = $d->wait_run($one);

is_deeply($run->{output}, { first => 1, all => [1, 2] },
          'the app is called with both, the first one first');
is($d->wait_run($two)->{run_id}, $run->{run_id}, 'once for both');
is($run->{batch_id}, $run->{run_id}, 'the API says that it was a batch');

my $id = $run->{run_id};

is_deeply([map { $_->{data}{n} } @{$d->http('GET', "/v0/runs/$id/batch")
                                     ->{json}}],
          [1, 2], 'an SDK may fetch the events');
is_deeply($d->http('GET', "/v1/runs/$id/tree")->{json}{data}{event_ids},
          [$one, $two], 'its tree names them');
is_deeply($d->http('GET', "/v2/runs/$id")->{json}{data}{eventIds},
          [$one, $two], 'and so does the second API');

my $again = $d->http('POST', "/v1/runs/$id/rerun")->{json}{data}{run_id};

is_deeply(completed($again)->{output}, { first => 1, all => [1, 2] },
          'a rerun has both');


# ---- a time-out, a key, a condition

my $start = time;
my ($alone, @timed) = send_all('shop/timed',
                               map { { n => $_, k => $_ % 2 } } 0 .. 4);

is_deeply($d->wait_run($alone)->{output}, { first => 0, all => [0] },
          'an event that does not pass the condition runs alone');
is_deeply($d->wait_run($timed[0])->{output}{all}, [1, 3],
          'a batch that is not full starts in time');
is_deeply($d->wait_run($timed[1])->{output}{all}, [2, 4],
          'and so does that of another key');
cmp_ok(time - $start, '>=', 0.9, 'not before');


# ---- invokes

my @asks = map { send_one('shop/asks', n => $_) } 1, 2;
my @answers = map { $d->wait_run($_)->{run_id} } @asks;

isnt($answers[0], $answers[1], 'two runs that invoke a batched function');

my @steps = map {
    $d->http('GET', "/v1/runs/$_/tree")->{json}{data}{steps}[0]
} @answers;

is_deeply($steps[0]{output}, $steps[1]{output}, 'have the same answer');
is($steps[0]{child_run_id}, $steps[1]{child_run_id}, 'of one run');


# ---- debounce

my ($other, @held) = send_all('shop/held', { n => 4, k => 'b' },
                              map { { n => $_, k => 'a' } } 1 .. 3);

is_deeply($d->wait_run($held[2])->{output}, { first => 3, all => [3] },
          'the last of the events that follow each other starts a run');
is_deeply([map { @{runs($_)} } @held[0, 1]], [], 'the others do not');
is($d->wait_run($other)->{output}{first}, 4, 'each key has its own');


# ---- a crash

my $open = send_one('shop/pair', n => 5);
my $later = send_one('shop/later', n => 6);

is_deeply(runs($later), [], 'an event is held');

$d->kill_nginx;
$d->start_nginx;
$d->wait_ready;

is_deeply($d->wait_run($later)->{output}, { first => 6, all => [6] },
          'a held event outlives the server');
send_one('shop/pair', n => 7);
is_deeply($d->wait_run($open)->{output}{all}, [5, 7], 'and an open batch');

is($d->alerts, '', 'the log is clean');

$d->stop;
$app->stop;

done_testing();


sub send_one {
    my ($name, %data) = @_;

    return $d->send_event({ name => $name, data => \%data });
}


# In one request, so that they arrive together.
sub send_all {
    my ($name, @data) = @_;

    return $d->send_events(map { { name => $name, data => $_ } } @data);
}


sub runs {
    my ($event) = @_;

    return $d->http('GET', "/v1/events/$event/runs")->{json}{data};
}


sub completed {
    my ($id) = @_;

    return wait_for(20, "run $id", sub {
        my $data = $d->http('GET', "/v1/runs/$id")->{json}{data};
        return ($data->{status} || '') eq 'Completed' ? $data : undef;
    });
}
