# Copyright (C) the nginx-durable authors

# A function of the npm SDK with a schedule, for one minute, through a kill -9
# of the server and the app.

use strict;
use warnings;

use Test::More;

use lib 't/helper', 't/sdk';
use Durable qw(wait_for);
use Clients;
use Sdk;


if (my $reason = Clients::missing('v4')) {
    plan skip_all => $reason;
}

my $t = Sdk->new(sdk => 'v4');

$t->{provider}->start;
$t->start_app(SCHEDULES => 'on');
$t->start;
$t->wait_apps;

sub planned {
    my ($function) = grep { $_->{id} eq 'sdk-cron' }
                     @{$t->api('GET', '/v1/apps/sdk/functions')->{json}};

    return $function->{next_run_at};
}


# The minute must not come while the server is away.

wait_for(30, 'there is time before the minute', sub {
    time % 60 > 1 && time % 60 < 35;
});

my $slot = planned();

like($slot, qr/:00Z\z/, 'the schedule of the SDK is planned');

$t->kill_nginx;
$t->kill_sidecar;
$t->kill_app;
$t->start;

is(planned(), $slot,
   'it is there after kill -9 of all of it, before the app is');

$t->start_app(SCHEDULES => 'on');

# There may be the run of the minute before.
my $from = substr $slot, 0, -1;
my $run = wait_for(75, 'the minute comes', sub {
    my $r = $t->api('GET', '/v1/runs?function=sdk-cron');

    return (grep { $_->{status} eq 'Completed'
                   && $_->{run_started_at} ge $from }
            @{$r->{json}{data} || []})[0];
}, 0.1);

$run = $t->api('GET', "/v1/runs/$run->{run_id}")->{json}{data};

is($run->{output}{name}, 'inngest/scheduled.timer', 'the event it was given');
is($run->{output}{id}, $slot, 'its id is the slot');
is($run->{output}{data}{cron}, '* * * * *', 'data.cron');
is($run->{output}{data}{scheduledAt}, $slot, 'data.scheduledAt');
is($run->{output}{step}, 'ran', 'its steps run');
is_deeply([$t->steps($run->{run_id})], ['work'], 'once');

my $alerts = $t->alerts;
$t->stop;
is($alerts, '', 'the logs are clean');

done_testing();
