# Copyright (C) the nginx-durable authors

# The npm package inngest 4 against a real server: every promise that a run
# relies on.

use strict;
use warnings;

use Test::More;

use lib 't/helper', 't/sdk';
use Sdk;
use Cases;

if (my $reason = Sdk::missing('v4')) {
    plan skip_all => $reason;
}

my $t = Sdk->start_all(version => 'v4');

my $race = $t->fire('sdk/race');

case_all($t);

subtest 'the winner of a race does not wait for the loser' => sub {
    my $run = $t->ended($race);

    is($run->{status}, 'Completed', 'the run completed');
    is_deeply($run->{output}, { winner => 'fast', after => 'fast wins' },
              'the faster one');

    my %at;
    push @{$at{$_->{step}}}, $_->{ts}
        for $t->notes(kind => 'step', run => $run->{run_id});

    is_deeply({ map { $_ => scalar @{$at{$_}} } keys %at },
              { slow => 1, fast => 1, after => 1 }, 'each step ran once');
    cmp_ok($at{after}[0] - $at{slow}[0], '<', 1500,
           'the next step ran before the slower one was done');
};

is($t->alerts, '', 'the error log is clean');

ok($t->stop, 'nginx and the sidecar stop when asked');

done_testing();
