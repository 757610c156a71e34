# Copyright (C) the nginx-durable authors

# Events that are held back, with the functions of the npm package: debounce
# and batches, over time.

use strict;
use warnings;

use Test::More;
use Time::HiRes 'time';

use lib 't/helper', 't/sdk';
use Clients;
use Sdk;


if (my $reason = Clients::missing('v4')) {
    plan skip_all => $reason;
}

my $t = Sdk->start_all(sdk => 'v4');


# In one request, so that they arrive together; their ids.
sub send_all {
    my ($name, @data) = @_;

    return $t->send_events(map { { name => "sdk/$name", data => $_ } } @data);
}


sub silent {
    my ($title, @events) = @_;

    is(scalar(map { $t->event_runs($_) } @events), 0, $title);

    return;
}


sub got {
    my ($event, $all, $title) = @_;

    is_deeply($t->ended($event)->{output}, { first => $all->[0],
                                             all => $all }, $title);

    return;
}


subtest 'the last of the events that follow each other starts a run' => sub {
    my $start = time;
    my @events = send_all('debounce', map { { n => $_ } } 1 .. 4);

    got($events[3], [4], 'with that event');
    cmp_ok(time - $start, '>=', 1, 'when the period is over');
    silent('the others start none', @events[0 .. 2]);
};

subtest 'each key has a last event' => sub {
    my @events = send_all('debounce-key', map { { n => $_, key => $_ % 2 } }
                          1 .. 4);

    got($events[3], [4], 'this one');
    got($events[2], [3], 'and that one');
    silent('the others start none', @events[0, 1]);
};

subtest 'a timeout ends what is held, however long the period is' => sub {
    my $start = time;
    my @events = send_all('debounce-timeout', { n => 1 }, { n => 2 });

    got($events[1], [2], 'with the last event until then');
    cmp_ok(time - $start, '>=', 1.9, 'and not before');
};

subtest 'an event with an older ts does not replace what is held' => sub {
    my $ts = int(time * 1000);
    my ($newer, $older) = $t->send_events(
        { name => 'sdk/debounce', data => { n => 1 }, ts => $ts },
        { name => 'sdk/debounce', data => { n => 2 }, ts => $ts - 5000 });

    got($newer, [1], 'the newer one starts the run');
    silent('the older one none', $older);
};

subtest 'a batch that is full starts one run for all of its events' => sub {
    my ($one) = send_all('batch', { n => 1 });
    silent('an event alone waits', $one);

    my ($two) = send_all('batch', { n => 2 });
    got($one, [1, 2], 'with both, in order');
    is($t->ended($two)->{run_id}, $t->ended($one)->{run_id}, 'for both');
};

subtest 'a batch that is not full starts in time' => sub {
    my @events = send_all('batch-time', map { { n => $_ } } 1 .. 3);

    got($events[0], [1, 2, 3], 'with what it has');
};

subtest 'each key has a batch of its own' => sub {
    my @events = send_all('batch-key', map { { n => $_, key => $_ % 2 } }
                          1 .. 4);

    got($events[0], [1, 3], 'this one');
    got($events[1], [2, 4], 'and that one');
};

subtest 'an event that does not pass the condition runs alone' => sub {
    my ($in, $alone) = send_all('batch-if', { n => 1 }, { n => 0 });

    got($alone, [0], 'at once');
    silent('those that pass are collected', $in);
    send_all('batch-if', { n => 2 });
    got($in, [1, 2], 'and start together');
};

subtest 'a batch that is too large for a request is fetched' => sub {
    my @events = map { send_all('batch-large', { text => 'x' x $_ }) }
                 2_000_000 .. 2_000_002;

    is_deeply($t->ended($events[0])->{output},
              [2_000_000, 2_000_001, 2_000_002], 'with all of its events');
    ok(scalar(grep { $_->{use_api} } $t->notes(kind => 'request')),
       'as the call says');
};

subtest 'all who invoke a batched function have its answer' => sub {
    my @events = send_all('batch-asks', { n => 1 }, { n => 2 });
    my @answers = map { $t->ended($_)->{output} } @events;

    is_deeply($answers[0], $answers[1], 'the same');
    is_deeply([sort @{$answers[0]{all} || []}], [1, 2], 'of one run');
};

subtest 'a held event and an open batch outlive the server' => sub {
    my ($held) = send_all('debounce-timeout', { n => 1 });
    my ($open) = send_all('batch', { n => 1 });

    $t->kill_server;

    got($held, [1], 'the event starts its run');
    send_all('batch', { n => 2 });
    got($open, [1, 2], 'the batch is filled');
};

is($t->alerts, '', 'the log is clean');
ok($t->stop, 'all of it stops when asked');

done_testing();
