# Copyright (C) the nginx-durable authors

# The app, or the server, goes away in the middle of a run and comes back.

use strict;
use warnings;

use Test::More;

use lib 't/helper', 't/sdk';
use Durable qw(wait_for write_file);
use Clients;
use Sdk;


if (my $reason = Clients::missing('v4')) {
    plan skip_all => $reason;
}

my $t = Sdk->start_all(sdk => 'v4');


# Waits until a step of the event's run has been noted; the run's id.
sub reached {
    my ($event, $step) = @_;

    return wait_for(20, "step $step", sub {
        my ($run) = $t->event_runs($event) or return;
        return (grep { $_ eq $step } $t->steps($run->{run_id}))
            && $run->{run_id};
    }, 0.02);
}


# Waits until the server has it: a step is a checkpoint of the call that goes
# on, or what the call has answered.
sub remembered {
    my ($event, $step) = @_;

    my $id = reached($event, $step);

    wait_for(10, "step $step is remembered", sub {
        my $r = $t->api('GET', "/v1/runs/$id/history");
        grep { $_->{outcome} =~ /^(?:ok|checkpoint)$/ }
            @{$r->{json}{data} || []};
    });

    return $id;
}


subtest 'a step whose app was killed is tried again' => sub {
    my $gate = "$t->{dir}/gate";
    my $event = $t->fire('sdk/gated', { gate => $gate });

    my $id = reached($event, 'gate');
    my $pid = $t->{app};

    $t->kill_app;
    $t->start_app;
    write_file($gate, '');

    my $run = $t->ended($event);

    is($run->{status}, 'Completed', 'the run completed');
    isnt($run->{output}{pid}, $pid, 'in the new process');
    cmp_ok($run->{output}{attempt}, '>=', 1, 'as another attempt');
    is_deeply([$t->steps($run->{run_id})], [qw(before gate gate after)],
              'the steps that ran');
};


subtest 'a run sleeps while its app is away' => sub {
    my $event = $t->fire('sdk/long-sleep');

    remembered($event, 'before');
    $t->kill_app;
    $t->start_app;

    my $run = $t->ended($event);

    is($run->{output}, 'slept', 'the run completed');
    is_deeply([$t->steps($run->{run_id})], [qw(before after)],
              'the steps that ran');
};


subtest 'a sleeping run survives kill -9 of the whole server' => sub {
    my $event = $t->fire('sdk/long-sleep');
    my $id = reached($event, 'before');

    # The step is a checkpoint of the call that reports the sleep.
    wait_for(10, 'the sleep is reported', sub {
        my $r = $t->api('GET', "/v1/runs/$id/history");
        grep { $_->{outcome} eq 'ok' } @{$r->{json}{data} || []};
    });

    $t->kill_nginx;
    $t->kill_sidecar;
    $t->start;

    my $run = $t->ended($event);

    is($run->{output}, 'slept', 'the run completed');
    is_deeply([$t->steps($run->{run_id})], [qw(before after)],
              'the steps that ran');

    my @at = map { $_->{ts} } $t->notes(kind => 'step', run => $id);
    cmp_ok($at[1] - $at[0], '>=', 4000, 'after the whole time');
};


subtest 'a step that is running survives kill -9 of the server' => sub {
    my $gate = "$t->{dir}/gate2";
    my $event = $t->fire('sdk/gated', { gate => $gate });

    reached($event, 'gate');
    $t->kill_nginx;
    $t->kill_sidecar;
    $t->start;
    write_file($gate, '');

    my $run = $t->ended($event);

    is($run->{status}, 'Completed', 'the run completed');
    is((grep { $_ eq 'before' } $t->steps($run->{run_id})), 1,
       'what was remembered did not run again');
};


is($t->alerts, '', 'the error log is clean');

ok($t->stop, 'nginx and the sidecar stop when asked');

done_testing();
