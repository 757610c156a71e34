# What apps answer, through sockets: streams, redirects, pages of somebody
# else, packed and large bodies.  The rules themselves: t/unit/answer_test.c.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(sha1_hex);
use IO::Compress::Gzip ();
use JSON::PP ();
use Test::More;

use Durable qw(missing wait_for);
use FakeApp;
use HttpClient;

plan skip_all => missing() if missing();


my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $port = Durable::free_port();
my $dir = File::Temp->newdir('answers-XXXXXX', TMPDIR => 1);
my %no_sdk = ('X-Inngest-Sdk' => undef, 'X-Inngest-Req-Version' => undef);
my $op = { op => 'StepRun', id => sha1_hex('a'), name => 'a',
           displayName => 'a', opts => {}, data => { a => 1 } };
my $url;

# name => what the attempts are answered with; the last one for all others.
my %answers = (
    stream => [sub { (201, { raw => 1 }, '     ' . $json->encode({
        status => $_[0]{memos}[0] ? 200 : 206, headers => {},
        body => $json->encode($_[0]{memos}[0] ? 'streamed' : [$op]) })) }],
    half_stream => [sub { (201, { raw => 1 }, '     {"status":20') },
                    done('whole')],
    go_stream => [sub { (201, { raw => 1 }, $json->encode({ status => 500,
        body => { message => 'no' }, noRetry => JSON::PP::true() })) }],
    page => [sub { (200, { %no_sdk, raw => 1,
                           'Content-Type' => 'text/html' }, '<p>hi') },
             done('after a page')],
    proxy => [sub { (502, { %no_sdk, raw => 1 }, '<p>bad') },
              done('after a proxy')],
    no_ops => [sub { (206, { raw => 1 }, '') }, done('after nothing')],
    not_now => [sub { (200, { 'Retry-After' => 1 }, { message => 'later' }) },
                done('later')],
    never => [sub { (200, { 'X-Inngest-No-Retry' => 'true' },
                     { name => 'Mine', message => 'never' }) }],
    large => [sub { (200, { raw => 1 }, '"' . 'x' x (8 << 20) . '"') },
              done('smaller')],
    largest => [sub { (200, { raw => 1 }, '"' . 'x' x ((8 << 20) - 2)
                                          . '"') }],
    packed => [sub { (200, { raw => 1, 'Content-Encoding' => 'gzip' },
                      packed('{"packed":true}')) }],
    elsewhere => [sub { (307, { %no_sdk, Location => "$url?again=1" }, {}) },
                  done('there')],
    changed => [sub { (303, { %no_sdk, Location => $url }, {}) },
                done('posted again')],
    loop => [sub { (302, { %no_sdk, Location => $url }, {}) }],
    go_step => [sub { (206, {}, [{ %$op, op => 'StepPlanned',
                                   data => undef }]) },
                sub { (200, { 'X-Inngest-Sdk' => 'go:v0.13.1' }, undef) },
                done('not of the step')],
    state => [\&state],
);

my $app = FakeApp->new(id => 'an', server => "http://127.0.0.1:$port",
    record => "$dir/calls", functions => { map { $_ => function($_) }
                                           keys %answers });
$url = $app->url;
$app->start;

my $d = Durable->new(port => $port, apps => [$url],
                     retry_interval => '20ms')->start;

$d->wait_registered('an');

# ---- streams

is(output('stream'), 'streamed', 'a stream is what it holds, steps and end');
is(output('half_stream'), 'whole', 'half a stream is tried again');
is(failure('go_stream')->{message}, 'no', 'the stream of Go fails for good');
is(calls('go_stream'), 1, 'when it says so');

# ---- pages, and no answers

is(output('page'), 'after a page', 'a page that is no SDK is tried again');
is(output('proxy'), 'after a proxy', 'and a page of a proxy');
is(output('no_ops'), 'after nothing', 'and an empty 206');
is(output('not_now'), 'later', 'and 200 with Retry-After');
is_deeply(failure('never'), { error => 'never', message => 'never',
                              name => 'Mine' },
          '200 with no-retry is a final error');

# ---- bodies

is(output('large'), 'smaller', 'an answer over 8 MiB is tried again');
like(history('large')->[0]{error}, qr/is larger than 8 MiB/,
     'the history says why');
is(length output('largest'), (8 << 20) - 2, '8 MiB are allowed');
is_deeply(output('packed'), { packed => JSON::PP::true() },
          'a packed answer is unpacked');

# ---- redirects

is(output('elsewhere'), 'there', 'a redirect is followed');
is(calls('elsewhere'), 2, 'by a second request');
is(scalar(grep { $_->{item} && $_->{fn} eq 'elsewhere'
                 && $_->{attempt} == 0 && $_->{target} eq 'step' }
          $app->calls), 2, 'with the body and the query of the first');
is(output('changed'), 'posted again', 'whatever its status');
is(failure('loop', 60)->{message}, 'more than 60 redirects',
   'a loop of them is a failed call');

# ---- a call of one step

is(output('go_step'), 'not of the step',
   'a step that is not found does not end the run');

# ---- a state that does not fit into a call

is_deeply(output('state'), { use_api => 1, steps => 0, actions => 2,
                             events => 1, length => 3 << 20 },
          'what does not fit into a call is fetched');

my $r = $d->http('GET', '/v0/runs/01JQDAE4RQF8MBCR55T5AK4KXR/actions');

is($r->{status}, 410, 'of a run that is gone nothing can be');
is($r->{json}{status}, 410, 'as an error that SDKs read');
is($d->http('GET', '/v0/runs/nonsense/batch')->{status}, 400,
   'what is no id is a mistake');

is($d->alerts, '', 'the logs are clean');
ok($d->stop, 'the server ends when asked');
$app->stop;

done_testing();


sub done {
    my ($value) = @_;

    return sub { (200, {}, $value) };
}


sub packed {
    my ($text) = @_;

    IO::Compress::Gzip::gzip(\$text, \my $packed);

    return $packed;
}


# The function plays its answers, one each call.
sub function {
    my ($name) = @_;

    my $n = 0;

    return { event => "t/$name", retries => 1, code => sub {
        my $list = $answers{$name};
        my $answer = $list->[$n < @$list ? $n : -1];

        $n++;

        return $answer->(@_);
    } };
}


# Two steps of 3 MiB, then what a call has of them and what can be fetched.
sub state {
    my ($call) = @_;

    my $request = $call->{request};
    my @ids = map { sha1_hex($_) } 'a', 'b';
    my $done = @{$request->{ctx}{stack}{stack}};

    return (206, {}, [{ %$op, id => $ids[$done], data => 'x' x (3 << 20) }])
        if $done < 2;

    my $client = HttpClient->new(port => $port, keepalive => 0);
    my $actions = $client->request('GET', "/v0/runs/$call->{run}/actions");
    my $batch = $client->request('GET', "/v0/runs/$call->{run}/batch");

    return (200, {}, {
        use_api => ($request->{use_api} && $request->{ctx}{use_api}) ? 1 : 0,
        steps => scalar keys %{$request->{steps}},
        actions => scalar keys %{$actions->{json}},
        events => scalar @{$batch->{json}},
        length => length $actions->{json}{$ids[1]}{data} });
}


my %event;

sub ended {
    my ($name, $status, $seconds) = @_;

    $event{$name} = $d->send_event({ name => "t/$name", data => {} });

    return $d->wait_run($event{$name}, $status, $seconds)->{output};
}

sub output { return ended($_[0], 'Completed') }

sub failure { return ended($_[0], 'Failed', $_[1]) }


sub history {
    my ($name) = @_;

    my ($run) = $d->event_runs($event{$name});

    return $d->http('GET', "/v1/runs/$run->{run_id}/history")->{json}{data};
}


# How many requests of the function the app had.
sub calls {
    my ($name) = @_;

    return scalar grep { $_->{kind} eq 'call' && $_->{fn} eq $name }
                  $app->calls;
}
