# Copyright (C) the nginx-durable authors

# An app that goes away in the middle of its runs and stays away for longer
# than all attempts would last: it is parked, and goes on where it was.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Temp qw(tempdir);
use Test::More;

use Durable qw(missing wait_for);
use FakeApp;

plan skip_all => missing() if missing();


my $runs = 12;

my $port = Durable::free_port();
my $app = FakeApp->new(id => 'app', server => "http://127.0.0.1:$port",
    record => tempdir(CLEANUP => 1) . '/calls',
    functions => {
        work => { event => 't/work', retries => 1, result => 'done',
                  steps => [{ run => 'first' },
                            { run => 'second', delay => 2 },
                            { run => 'third' }] },
    });

$app->start;

my $d = Durable->new(port => $port, apps => [$app->url], workers => 2,
                     retry_interval => '100ms', log_level => 'notice');
$d->start;
$d->wait_registered('app');


my @events = $d->send_events(map { { name => 't/work', data => { n => $_ } } }
                             1 .. $runs);

wait_for(20, 'every run has a step and waits for its second', sub {
    $d->status->{engine}{steps} == $runs
        && $d->status->{engine}{leases} == $runs
        && $runs == grep { ($_->{does} || '') eq 'second' } $app->calls;
});

is($d->status->{engine}{runs_live}, $runs, 'the status counts them');
is_deeply($d->status->{parked}, [], 'no app is parked');

$app->stop('KILL');

my $parked = wait_for(10, 'the app is parked', sub {
    my $list = $d->status->{parked};
    return @$list && $list->[0];
});

is($parked->{app}, 'app', 'the status names it');
my ($at) = $app->url =~ /(:\d+\/.*)/;
like($parked->{url}, qr/\Q$at\E\z/, 'and its URL');
like($parked->{error}, qr/\S/, 'and the error');
like($parked->{parked_at}, qr/\A\d{4}-\d\d-\d\dT/, 'and since when');


# The calls of all runs that found nobody: [outcome, generation, error].
sub failures {
    my @found;

    for my $event (@events) {
        my ($run) = $d->event_runs($event) or next;
        my $r = $d->http('GET', "/v1/runs/$run->{run_id}/history");
        push @found, grep { $_->{outcome} ne 'ok' } @{$r->{json}{data}};
    }

    return @found;
}


# An item that is on its fifth call was one probe after the other.
sub probes {
    my ($max) = sort { $b <=> $a }
                map { $_->{generation} }
                grep { $_->{outcome} eq 'parked' } failures();

    return $max || 0;
}


my $batches = $d->status->{batch}{count};

wait_for(20, 'two probes', sub { probes() >= 3 });
cmp_ok($d->status->{batch}{count} - $batches, '<', 100,
       'in between the server is idle');

my $leader = $d->leader_pid;
$d->kill_leader;
wait_for(10, 'another leader', sub {
    my $status = $d->status;
    return $status && $status->{pid} != $leader;
});

is($d->status->{parked}[0]{app}, 'app', 'the next leader knows');
is($d->status->{engine}{runs_live}, $runs, 'also how many runs live');

wait_for(30, 'two more probes', sub { probes() >= 5 });

my ($refused) = grep { $_->{outcome} eq 'parked' && $_->{generation} >= 3 }
                failures();
like($refused->{error}, qr/refused/, 'the history says what they found');

$app->start;

$d->wait_run($_, 'Completed', 30) for @events;

pass('every run completed');
is_deeply($d->status->{parked}, [], 'the app is parked no more');
is($d->status->{engine}{runs_live}, 0, 'and no run lives');

my @used = grep { $_->{outcome} eq 'retry' } failures();

cmp_ok(scalar @used, '<=', 4,
       'only what failed before the app was parked was an attempt');
is(scalar(grep { $_->{outcome} eq 'failed' } failures()), 0,
   'and nothing failed');

my (%first, %second);

for my $call (grep { $_->{does} } $app->calls) {
    $first{$call->{run}}++ if $call->{does} eq 'first';
    $second{$call->{run}}++ if $call->{does} eq 'second';
}

is(scalar(keys %first), $runs, 'each run did its first step');
is(scalar(grep { $_ > 1 } values %first), 0, 'and none did it again');
is(scalar(grep { $_ != 2 } values %second), 0,
   'the second, which was cut off, ran once more');

my $log = $d->error_log;

is(scalar(() = $log =~ /\[warn\].*app "app" does not answer \(/g), 1,
   'the log says once that the app is away');
is(scalar(() = $log =~ /\[notice\].*app "app" answers again/g), 1,
   'and once that it is back');

ok($d->stop, 'it stops when asked');
is($d->alerts, '', 'the log is clean');

done_testing();
