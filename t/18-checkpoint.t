# Checkpoints over HTTP (protocol 6.2): steps of a call that is still open,
# told to any worker, and what is answered to requests that are none.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;

use Digest::SHA qw(sha1_hex);
use Durable qw(missing);
use FakeApp;
use HttpClient;

plan skip_all => missing() if missing();


my $sdk = { 'X-Inngest-Sdk' => 'inngest-js:v4.24.0',
            'X-Inngest-Req-Version' => 2 };
my $complete = sha1_hex('complete');

my $d = Durable->new(workers => 2, log_level => 'warn',
                     retry_interval => '100ms', apps => []);

# The app does in its calls what the event says: each of "posts" is a path
# and a body, with RUN, ITEM and GENERATION in their places.
my $app = FakeApp->new(id => 'shop', server => $d->url,
    record => "$d->{dir}/app.calls",
    functions => { tell => { event => 'shop/tell', retries => 1,
                             code => \&tell } });

$d->{apps} = [$app->url];
$app->start;
$d->start;
$d->wait_registered('shop');


sub step {
    my ($name, $data) = @_;

    return { op => 'StepRun', id => sha1_hex($name), name => $name,
             displayName => $name, opts => {}, data => $data,
             rawArgs => [$name, undef], fulfilled => JSON::PP::true() };
}


sub tell {
    my ($call) = @_;

    my @seen;
    my $json = JSON::PP->new->utf8->canonical->allow_nonref;

    for my $post (@{$call->{request}{event}{data}{posts}}) {
        my ($path, $body) = @$post;
        my $text = ref $body ? $json->encode($body) : $body;

        for ($path, $text) {
            s/RUN/$call->{run}/g;
            s/"?GENERATION"?/$call->{generation}/g;
            s/ITEM/$call->{item}/g;
            s/LARGE/'x' x ((4 << 20) + 1)/ge;
        }

        # A connection of its own, so that either worker may take it.
        my $r = HttpClient->new(port => $d->port, keepalive => 0)
                          ->request('POST', $path, $text);

        push @seen, [$r->{status}, $r->{json} || $r->{body}];
    }

    return (206, $sdk, [{ op => 'RunComplete', id => $complete,
                          data => { seen => \@seen,
                                    memos => $call->{memos} } }]);
}


sub checkpoint {
    my ($steps, %more) = @_;

    return { run_id => 'RUN', fn_id => 'x', qi_id => 'ITEM',
             generation_id => 'GENERATION', ts => 1, steps => $steps, %more };
}


sub run_of {
    my (@posts) = @_;

    return $d->wait_run($d->send_event({ name => 'shop/tell',
                                         data => { posts => \@posts } }));
}


my $path = '/v1/checkpoint/RUN/async';

subtest 'a call tells its steps while it is open' => sub {
    my @posts = map { [$path, checkpoint([step("s$_", $_)])] } 1 .. 20;
    my $run = run_of(@posts, ['/v1/http/runs/RUN/async',
                              checkpoint([step('last', 'x')])]);

    is_deeply([map { $_->[0] } @{$run->{output}{seen}}], [(200) x 21],
              'whichever worker it asks');

    my $r = $d->http('GET', "/v0/runs/$run->{run_id}/actions");
    is(scalar keys %{$r->{json}}, 21, 'each is a memo');
    is_deeply($r->{json}{sha1_hex('s7')}, { data => 7 }, 'as it was told');
    is(scalar(grep { $_->{kind} eq 'call'
                     && $_->{run} eq $run->{run_id} } $app->calls), 1,
       'and there was one call');

    my $history = $d->http('GET', "/v1/runs/$run->{run_id}/history");
    my @steps = map { $_->{step} } grep { $_->{outcome} eq 'checkpoint' }
        @{$history->{json}{data}};
    is_deeply(\@steps, [(map { "s$_" } 1 .. 20), 'last'],
              'people see them one after the other');
};

subtest 'what is told wrongly is answered in words' => sub {
    my $nobody = '01JQDAE4RQF8MBCR55T5AK4KXR';
    my $one = [step('one', 1)];
    my @bad = (
        ['no JSON', $path, '{"steps":[', 400, qr/not JSON/],
        ['no body', $path, '', 400, qr/not JSON/],
        ['an array', $path, '[]', 400, qr/not a JSON object/],
        ['no steps', $path, {}, 400, qr/"steps" must be an array/],
        ['steps that are an object', $path,
         checkpoint({ %{$one->[0]} }), 400, qr/"steps" must be an array/],
        ['a number for a step', $path, checkpoint([7]), 400,
         qr/op 0 is not an object/],
        ['an unknown op', $path, checkpoint([@$one,
         { op => 'Bogus', id => 'x' }]), 400, qr/op 1 has an unknown "op"/],
        ['a Sleep', $path, checkpoint([@$one, { op => 'Sleep', name => '1h',
         id => sha1_hex('nap') }]), 400, qr/op 1 is Sleep/],
        ['a RunComplete', $path, checkpoint([@$one, { op => 'RunComplete',
         id => $complete, data => 1 }]), 400, qr/op 1 is RunComplete/],
        ['10,000 steps', $path, checkpoint([map { step("m$_", 1) }
         1 .. 10_000]), 413, qr/more than 1000/],
        ['an item that is a number', $path, checkpoint($one, qi_id => 7),
         400, qr/"qi_id" must be a string/],
        ['an item of another server', $path,
         checkpoint($one, qi_id => 'cWk='), 400, qr/"qi_id" is not one/],
        ['an item that is no number of ours', $path,
         checkpoint($one, qi_id => '99999999999999999999'), 400,
         qr/"qi_id" is not one/],
        ['a generation that is text', $path,
         checkpoint($one, generation_id => 'x'), 400, qr/"generation_id"/],
        ['a generation below 0', $path,
         checkpoint($one, generation_id => -1), 400, qr/"generation_id"/],
        ['another generation', $path,
         checkpoint($one, generation_id => 99), 409, qr/superseded/],
        ['an item that is gone', $path,
         checkpoint($one, qi_id => '999999'), 409, qr/superseded/],
        ['a run id that is none', '/v1/checkpoint/abc/async',
         checkpoint($one), 400, qr/"abc" is not a ULID/],
        ['a run that never was', "/v1/checkpoint/$nobody/async",
         checkpoint($one), 404, qr/there is no run $nobody/],
        ['no call', $path, checkpoint([], qi_id => undef), 200, qr/\A\z/],
    );

    my $run = run_of(map { [@$_[1, 2]] } @bad);

    for my $i (0 .. $#bad) {
        my ($title, undef, undef, $status, $sentence) = @{$bad[$i]};
        my ($got, $json) = @{$run->{output}{seen}[$i]};

        is($got, $status, $title);
        like(ref $json && $json->{error} || '', $sentence, 'and says why');
        is($json->{status}, $status, 'in the form of all errors')
            if $status >= 400;
    }

    is_deeply($d->http('GET', "/v0/runs/$run->{run_id}/actions")->{json}, {},
              'nothing of all that was stored');

    my $r = $d->http('POST', "/v1/checkpoint/$run->{run_id}/async",
                     { steps => $one });
    is($r->{status}, 409, 'a run that has ended is 409');
    like($r->{json}{error}, qr/has ended: Completed/, 'and says how');

    $r = $d->http('GET', '/v1/checkpoint/abc/async');
    is($r->{status}, 405, 'a GET is not allowed');

    $r = $d->http('POST', "/v1/checkpoint/$run->{run_id}/async",
                  'x' x (17 << 20));
    is($r->{status}, 413, 'a body beyond the limit is 413');
};

subtest 'an output that is too large ends the run' => sub {
    my $event = $d->send_event({ name => 'shop/tell', data => { posts => [
        [$path, checkpoint([step('small', 1)])],
        [$path, checkpoint([step('large', 'LARGE')])],
        [$path, checkpoint([step('after', 1)])],
    ] } });

    my $run = $d->wait_run($event, 'Failed');

    is($run->{output}{name}, 'InngestErrStateOverflowed', 'it is Failed');
    is($d->http('POST', "/v1/checkpoint/$run->{run_id}/async",
                { steps => [step('after', 1)] })->{status}, 409,
       'and takes no more');
};

is($d->alerts, '', 'the log is clean');
unlike($d->error_log, qr/\[error\]/, 'the mistakes of apps are no errors');

ok($d->stop, 'nginx and the sidecar stop when asked');
$app->stop;

done_testing();
