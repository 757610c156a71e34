# Copyright (C) the nginx-durable authors

# Calls that are limited, with the functions of the npm package: concurrency in
# its scopes, throttles and priorities, over time.

use strict;
use warnings;

use List::Util qw(max);
use Test::More;
use Time::HiRes 'time';

use lib 't/helper', 't/sdk';
use Clients;
use Durable 'wait_for';
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


# What the calls of these functions noted, in time.
sub edges {
    my %of = map { $_ => 1 } @_;

    return sort { $a->{ts} <=> $b->{ts} }
           grep { $of{$_->{name}} } $t->notes(kind => 'busy');
}


# How many ran at the same time, at most.
sub most {
    my ($now, $most) = (0, 0);

    for my $edge (@_) {
        $now += $edge->{edge};
        $most = max($most, $now);
    }

    return $most;
}


sub all_end {
    my ($title, @events) = @_;

    is(scalar(grep { $t->ended($_)->{status} eq 'Completed' } @events),
       scalar @events, $title);

    return;
}


subtest 'a limit of a function' => sub {
    all_end('all of them run',
            send_all('limit', map { { n => $_ } } 1 .. 6));

    is(most(edges('limit')), 2, 'two at a time');
};

subtest 'a limit for each key' => sub {
    all_end('all of them run',
            send_all('limit-key',
                     map { { n => $_, key => 'k' . $_ % 2 } } 1 .. 6));

    my @edges = edges('limit-key');

    is(most(@edges), 2, 'two keys beside each other');

    for my $key ('k0', 'k1') {
        my @own = grep { $_->{key} eq $key } @edges;
        my @order = map { $_->{n} } grep { $_->{edge} > 0 } @own;

        is(most(@own), 1, "$key: one at a time");
        is_deeply(\@order, [sort { $a <=> $b } @order], "$key: in order");
    }
};

subtest 'two limits' => sub {
    all_end('all of them run',
            send_all('limit-two',
                     map { { n => $_, key => 'k' . $_ % 4 } } 1 .. 8));

    my @edges = edges('limit-two');

    cmp_ok(most(@edges), '<=', 2, 'of the function');
    is(max(map { my $k = $_; most(grep { $_->{key} eq $k } @edges) }
           map { "k$_" } 0 .. 3), 1, 'and of each key');
};

subtest 'functions share a limit of the environment' => sub {
    my @events = $t->send_events(map { { name => "sdk/limit-env-$_",
                                         data => { n => 1 } } }
                                 qw(a b a b));

    all_end('all of them run', @events);
    is(most(edges('limit-env-a', 'limit-env-b')), 1, 'one at a time of both');
};

subtest 'a limit of the account' => sub {
    all_end('all of them run',
            send_all('limit-account', map { { n => $_, key => 'k' } } 1 .. 3));

    is(most(edges('limit-account')), 1, 'one at a time');
};

subtest 'a run that sleeps has no slot' => sub {
    my $start = time;

    all_end('three runs', send_all('limit-sleep', map { { n => $_ } } 1 .. 3));
    cmp_ok(time - $start, '<', 3, 'sleep beside each other');
};

subtest 'a limit of whole runs' => sub {
    all_end('both run', send_all('limit-runs', map { { n => $_ } } 1 .. 2));
    is(most(edges('limit-runs')), 1, 'one at a time, also while it sleeps');
};

subtest 'a throttle' => sub {
    all_end('all of them run', send_all('throttle', map { { n => $_ } }
                                        1 .. 4));

    my @starts = map { $_->{ts} } grep { $_->{edge} > 0 } edges('throttle');

    cmp_ok($starts[1] - $starts[0], '<', 900, 'two start at once');
    cmp_ok($starts[2] - $starts[0], '>=', 950, 'the third a second later');
    cmp_ok($starts[3] - $starts[0], '>=', 1950, 'the fourth two');
};

subtest 'a throttle for each key' => sub {
    all_end('all of them run',
            send_all('throttle-key',
                     map { { n => $_, key => 'k' . $_ % 2 } } 1 .. 4));

    for my $key ('k0', 'k1') {
        my @starts = map { $_->{ts} }
                     grep { $_->{edge} > 0 && $_->{key} eq $key }
                     edges('throttle-key');

        cmp_ok($starts[1] - $starts[0], '>=', 1950, "$key: two seconds apart");
    }
};

subtest 'a priority' => sub {
    my ($first) = send_all('priority', { n => 1, key => '' });

    wait_for(10, 'the first run begins',
             sub { my @edges = edges('priority'); scalar @edges });

    all_end('all of them run', $first,
            send_all('priority', { n => 2, key => '' },
                     { n => 3, key => 'first' }));

    is_deeply([map { $_->{n} } grep { $_->{edge} > 0 } edges('priority')],
              [1, 3, 2], 'lets a later run go first');
};

is($t->alerts, '', 'the log is clean');
ok($t->stop, 'all of it stops when asked');

done_testing();
