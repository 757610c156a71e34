# Runs as people see and end them; nothing is executed here.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;

use Durable qw(missing wait_for);

plan skip_all => missing() if missing();


my $url = 'http://127.0.0.1:1/api/inngest';
my $d = Durable->new(workers => 1, log_level => 'warn');

$d->start_nginx;
$d->wait_ready;

my $r = $d->http('POST', '/fn/register', {
    url => $url, appName => 'shop', sdk => 'js:v4.24.0', v => '0.1',
    functions => [{
        id => 'shop-one', name => 'one', triggers => [{ event => 't/one' }],
        steps => { step => { id => 'step', name => 'step',
            runtime => { type => 'http',
                         url => "$url?fnId=shop-one&stepId=step" } } },
    }],
});

is($r->{status}, 200, 'the app is registered');

my ($first, $event) = started({ n => 1 });
my ($second) = started({ n => 2 });

# ---- what can be read of a run

$r = $d->http('GET', "/v1/runs/$first");

is($r->{status}, 200, 'the run can be read');
is($r->{json}{data}{run_id}, $first, 'it is the one');
is($r->{json}{data}{event_id}, $event, 'it names its event');
like($r->{json}{data}{status}, qr/\A(?:Running|Scheduled)\z/, 'it waits');
is($r->{json}{data}{ended_at}, undef, 'it has not ended');
like($r->{json}{metadata}{fetched_at}, qr/\A\d{4}-\d\d-\d\dT.*Z\z/,
     'the envelope has the time');

$r = $d->http('GET', "/v0/runs/$first/batch");

is($r->{status}, 200, 'its events can be read');
is(ref $r->{json}, 'ARRAY', 'as a bare array');
is_deeply($r->{json}[0]{data}, { n => 1 }, 'of what was sent');

$r = $d->http('GET', "/v0/runs/$first/actions");

is($r->{status}, 200, 'its steps can be read');
is_deeply($r->{json}, {}, 'as a bare map');

$r = $d->http('GET', "/v1/runs/$first/history");

is($r->{status}, 200, 'its history can be read');
is_deeply($r->{json}{data}, [], 'and has no attempt yet');

$r = $d->http('GET', "/v1/runs/$first/tree");

is($r->{status}, 200, 'its tree can be read');
is($r->{json}{data}{function}, 'shop-one', 'with its function');
is_deeply($r->{json}{data}{event_ids}, [$event], 'its event');
is_deeply($r->{json}{data}{steps}, [], 'its steps, none yet');
like($r->{json}{data}{waits}{for}, qr/\A(?:queue|call|parked)\z/,
     'and why it waits');

$r = $d->http('GET', "/v1/runs/$first/jobs");

is($r->{status}, 200, 'its jobs can be read');
is(scalar @{$r->{json}{data}}, 1, 'the first call is one');
is($r->{json}{data}[0]{kind}, 'discovery', 'of this kind');

$r = $d->http('POST', "/v1/runs/$first/metadata", {
    target => { run_id => $first },
    metadata => [{ kind => 'note', op => 'set', values => { a => 1 } }],
});

is($r->{status}, 200, 'metadata of it is taken');

$r = $d->http('GET', "/v2/runs/$first/trace");

is($r->{status}, 200, 'its trace can be read');
is($r->{json}{data}{rootSpan}{spanId}, $first, 'with the run at its root');
is($d->http('GET', "/v2/runs/$first")->{json}{data}{id}, $first,
   'and the run itself in the words of the second API');
is($d->http('GET', "/v2/events/$event/runs")->{json}{data}[0]{id}, $first,
   'also by its event');

my $page = $d->http('GET', '/v1/runs?limit=1')->{json};

is($page->{data}[0]{run_id}, $second, 'runs are listed newest first');
is($d->http('GET', "/v1/runs?cursor=$page->{metadata}{cursor}")
     ->{json}{data}[0]{run_id}, $first, 'and the cursor goes on');

# ---- cancelling

$r = $d->http('DELETE', "/v1/runs/$first");

is($r->{status}, 200, 'a run can be cancelled');

$r = $d->http('GET', "/v1/runs/$first");

is($r->{json}{data}{status}, 'Cancelled', 'and is cancelled then');
like($r->{json}{data}{ended_at}, qr/\A\d{4}-/, 'and has ended');

$r = $d->http('DELETE', "/v0/runs/$second");

is($r->{status}, 204, 'the older path answers with 204');
is($r->{body}, '', 'and without a body');

my $ended = $d->http('GET', "/v1/runs/$second")->{json}{data}{ended_at};

$r = $d->http('DELETE', "/v1/runs/$second");

is($r->{status}, 200, 'cancelling again is no mistake');
is($d->http('GET', "/v1/runs/$second")->{json}{data}{ended_at}, $ended,
   'and changes nothing');

my ($third) = started({ n => 3 });

$r = $d->http('POST', "/v2/runs/$third/cancel", {});

is($r->{status}, 200, 'the second API cancels too');
is($r->{json}{data}{runId}, $third, 'names the run');
ok(!$r->{json}{data}{ended}, 'and says that it had not ended');
is($d->http('GET', "/v2/runs/$third")->{json}{data}{status}, 'CANCELLED',
   'as it has now');

is($d->alerts, '', 'the log is clean');
unlike($d->error_log, qr/\[error\]/, 'the mistakes of clients are no errors');

$d->stop;

done_testing();


# The run of a new event, and the event.
sub started {
    my ($data) = @_;

    my $id = $d->send_event({ name => 't/one', data => $data });
    my $run = wait_for(10, "the run of $id", sub {
        my ($found) = $d->event_runs($id);
        return $found;
    });

    return ($run->{run_id}, $id);
}
