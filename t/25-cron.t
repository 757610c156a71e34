# Copyright (C) the nginx-durable authors

# Schedules over HTTP: one minute of them, through a kill -9 of everything
# while no app is there, and what is said about them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Temp qw(tempdir);
use Test::More;
use Time::HiRes qw(time);

use Durable qw(missing wait_for);
use FakeApp;

plan skip_all => missing() if missing();


my $port = Durable::free_port();
my $app = FakeApp->new(id => 'app', server => "http://127.0.0.1:$port",
    record => tempdir(CLEANUP => 1) . '/calls',
    functions => {
        minute => { triggers => [{ cron => '* * * * *' },
                                 { event => 't/minute' }],
                    result => 'done', steps => [{ run => 'work' }] },
        yearly => { triggers => [{ cron => 'TZ=Europe/Paris 0 9 1 1 *' }],
                    result => 'done' },
        other => { event => 'inngest/scheduled.timer', result => 'seen' },
        plain => { event => 't/plain', result => 'done' },
    });

$app->start;

my $d = Durable->new(port => $port, apps => [$app->url], workers => 2,
                     retry_interval => '100ms', log_level => 'notice');
$d->start;
$d->wait_registered('app');


sub function {
    my ($name) = @_;

    my $r = $d->http('GET', '/v1/apps/app/functions');

    return (grep { $_->{id} eq $name } @{$r->{json} || []})[0];
}


sub runs {
    my ($name) = @_;

    my $r = $d->http('GET', "/v1/runs?function=$name&limit=50");

    return @{$r->{json}{data} || []};
}


# The minute must not come while the server is away.

wait_for(30, 'there is time before the minute', sub {
    time % 60 > 1 && time % 60 < 35;
});

my $next = function('app-minute')->{next_run_at};

like($next, qr/\A\d{4}-\d\d-\d\dT\d\d:\d\d:00Z\z/,
     'a function tells when its schedule is due');
like(function('app-yearly')->{next_run_at},
     qr/\A\d{4}-01-01T08:00:00Z\z/, 'also one in a time zone');
is(function('app-plain')->{next_run_at}, undef, 'one without has no such');

unlike($d->error_log, qr/not enforced/, 'all of it is enforced');


# Nobody is there at the minute but nginx: the app comes back too late to
# register anything before it.

$d->kill_nginx;
$d->kill_sidecar;
$app->stop('KILL');
$d->start;

is(function('app-minute')->{next_run_at}, $next,
   'a schedule survives kill -9 of the server');

# There may be the run of the minute before.
my $from = substr $next, 0, -1;
my $run = wait_for(70, 'the minute comes', sub {
    (grep { $_->{run_started_at} ge $from } runs('app-minute'))[0];
}, 0.05);

my ($hour, $minute) = $next =~ /T(\d\d):(\d\d)/;
like($run->{run_started_at}, qr/T$hour:$minute:0/,
     'a run starts then, without the app');

$app->start;
$run = wait_for(40, 'the run is done', sub {
    my $r = $d->run($run->{run_id});
    $r && $r->{status} eq 'Completed' && $r;
});

is($run->{output}, 'done', 'it ends when the app is there');
is($run->{cron}, '* * * * *', 'and tells its schedule');

my ($event) = map { $_->{json}{data} }
              $d->http('GET', "/v1/events/$run->{event_id}");

is($event->{name}, 'inngest/scheduled.timer', 'its event');
is($event->{id}, $next, 'has the slot as its id');
is_deeply($event->{data}, { cron => '* * * * *', scheduledAt => $next,
                            fireAt => $next }, 'and says what was due');

wait_for(20, 'a function that listens has seen it', sub {
    grep { $_->{event_id} eq $run->{event_id} } runs('app-other');
});
is(scalar(grep { $_->{event_id} eq $run->{event_id} } runs('app-minute')), 1,
   'the function itself has it once');

cmp_ok(function('app-minute')->{next_run_at}, 'gt', $next,
       'the next slot is planned');


# A payload is refused whole when one of its zones is not known.

my $step = { step => { id => 'step', name => 'step', runtime => {
    type => 'http', url => "http://127.0.0.1:$port/?fnId=x&stepId=step" } } };
my $r = $d->http('POST', '/fn/register', {
    url => "http://127.0.0.1:$port/x", appName => 'atlas', sdk => 'js:v4.0.0',
    functions => [{ id => 'atlas-f', name => 'f', steps => $step, triggers =>
                    [{ cron => 'TZ=Europe/Atlantis 0 9 * * *' }] }] });

is($r->{status}, 400, 'a zone that is none is refused');
like($r->{json}{error}, qr/\Afunction\ "atlas-f":\ invalid\ triggers\.cron
                           .*"Europe\/Atlantis".*\btzdata\b/x,
     'with what to do');

my $alerts = $d->alerts;
$d->stop;
$app->stop;
is($alerts, '', 'the logs are clean');

done_testing();
