# step.fetch and step.ai.infer: requests that the server makes for a step.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(sha1_hex);
use Test::More;

use Durable qw(missing slurp wait_for);
use DurableTarget ();
use FakeApp;

plan skip_all => missing() if missing();


my $target = DurableTarget->start;
my $url = $target->{url};
my $nobody = Durable::free_port();
my $port = Durable::free_port();
my $dir = File::Temp->newdir('gateway-XXXXXX', TMPDIR => 1);

# The function's steps are the event's data; it returns their memos.
my $app = FakeApp->new(id => 'gw', server => "http://127.0.0.1:$port",
    record => "$dir/calls", functions => { f => { event => 't/f',
        retries => 1, code => \&function } })->start;
my $d = Durable->new(port => $port, apps => [$app->url],
                     retry_interval => '50ms')->start;

$d->wait_registered('gw');

# ---- fetch

my $memo = result([Gateway => { url => "$url/echo/one?a=b", method => 'PUT',
    headers => { 'X-Mine' => 'yes', Authorization => 'Basic hush1' },
    body => "text \x{e9}" }]);

is($memo->{data}{status_code}, 200, 'a fetch has a status');
is($memo->{data}{body}, "text \x{e9}", 'a body');
is($memo->{data}{headers}{'x-method'}, 'PUT', 'and headers');
is($memo->{data}{url}, "$url/echo/one?a=b", 'of the URL that was asked for');

my $seen = $target->request('/echo/one');

like($seen, qr/^X-Mine: yes\r$/m, 'the target sees its headers');
like($seen, qr/^Authorization: Basic hush1\r$/m, 'with the key');
unlike($seen, qr/inngest|x-run-id|traceparent/i, 'and nothing of ours');

is(result([Gateway => { url => "$url/status/503", method => 'GET' }])
    ->{data}{status_code}, 503, 'an error of the target is a result');

$memo = result([Gateway => { url => "$url/gzip/20", method => 'GET' }]);

is($memo->{data}{body}, '0123456789abcdef0123', 'a packed body is unpacked');
ok(!exists $memo->{data}{headers}{'content-encoding'},
   'and its headers do not say otherwise');

$memo = result([Gateway => { url => "http://127.0.0.1:$nobody/",
                             method => 'GET' }]);

is($memo->{error}{name}, 'GatewayError', 'nobody there is an error');
is($memo->{error}{message},
   "Error making the request: connection refused by 127.0.0.1:$nobody",
   'that says so');

$memo = result([Gateway => { url => 'http://169.254.169.254/latest',
                             method => 'GET' }]);

is($memo->{error}{message}, 'Error making the request: the address of '
   . '169.254.169.254:80 is not allowed',
   'the metadata of the cloud is not for steps');

$memo = result([Gateway => { url => "$url/bytes/4194305", method => 'GET' }]);

like($memo->{error}{message}, qr/ is larger than 4 MiB\z/,
     'an answer over 4 MiB is too large');

is(result([Gateway => { url => 'gopher://x/' }])->{error}{message},
   '"opts.url" is no http: or https: URL', 'not every URL can be fetched');

# ---- inference

$memo = result([AIGateway => { url => "$url/echo/ai", auth_key => 'hush2',
    format => 'openai-chat', body => { model => 'm', n => 1 } }]);

is_deeply($memo, { data => { model => 'm', n => 1 } },
          'the memo of an inference is what the provider says');

$seen = $target->request('/echo/ai');

like($seen, qr{\APOST /echo/ai }, 'it is posted');
like($seen, qr/^Authorization: Bearer hush2\r$/m, 'with the key');
like($seen, qr{^Content-Type: application/json\r$}m, 'as JSON');

result([AIGateway => { url => "$url/echo/gemini", auth_key => 'hush3',
                       format => 'gemini', body => {} }]);

like($target->request('/echo/gemini'), qr{\APOST /echo/gemini\?key=hush3 },
     'the key of Gemini is in the query');

$memo = result([AIGateway => { url => "$url/status/429", auth_key => 'hush4',
                               body => {} }]);

is($memo->{error}{name}, 'AIGatewayError', 'an error of the provider is one');
is($memo->{error}{data}, 'status 429', 'with what it said');
is($target->count('/status/429'), 2, 'after all attempts');

# ---- side by side, and what may happen meanwhile

my $event = send_steps(map { [Gateway => { url => "$url/gate/pair",
                                           method => 'GET' }] } 1 .. 2);

ok($target->wait_held('pair', 2), 'two fetches of one answer run at a time');
$target->open('pair');
is_deeply([map { $_->{data}{body} } @{$d->wait_run($event)->{output}}],
          [('opened') x 2], 'and both come back');

$event = send_steps([Gateway => { url => "$url/gate/leader",
                                  method => 'GET' }]);
$target->wait_held('leader', 1);
$d->kill_leader;
$d->wait_ready;
$target->open('leader');
is($d->wait_run($event)->{output}[0]{data}{body}, 'opened',
   'a request outlives the leader');
is($target->count('/gate/leader'), 1, 'and is made once');

$event = send_steps([Gateway => { url => "$url/gate/sidecar",
                                  method => 'GET' }]);
$target->wait_held('sidecar', 1);
$d->kill_sidecar;
$d->start_sidecar;
ok($target->wait_held('sidecar', 1), 'one of a lost sidecar is made again');
$target->open('sidecar');
is($d->wait_run($event)->{output}[0]{data}{body}, 'opened', 'and comes back');

# ---- secrets

my @history = map {
    $d->http('GET', "/v1/runs/$_->{run}/history")->{body}
        . $d->http('GET', "/v1/runs/$_->{run}")->{body}
} grep { $_->{kind} eq 'call' } $app->calls;

like("@history", qr/connection refused.*step 0|step 0.*connection refused/s,
     'people see what failed, and which step');
unlike(join("\n", @history, $d->error_log, slurp($d->dir . '/sidecar.log')),
       qr/hush/, 'no key stands in a log, in the history or in a run');

is($d->alerts, '', 'the logs are clean');
ok($d->stop, 'the server ends when asked');
$app->stop;

done_testing();


# The app: reports what has no memo yet, returns the memos.
sub function {
    my ($call) = @_;

    my $request = $call->{request};
    my @steps = @{$request->{event}{data}{steps}};
    my @memos = map { $request->{steps}{sha1_hex("step $_")} } 0 .. $#steps;
    my @open = grep { !$memos[$_] } 0 .. $#steps;

    return (200, {}, \@memos) unless @open;

    return (206, {}, [map { { op => $steps[$_][0], id => sha1_hex("step $_"),
        name => "step $_", displayName => "step $_",
        opts => $steps[$_][1], data => undef } } @open]);
}


sub send_steps {
    my (@steps) = @_;

    return $d->send_event({ name => 't/f', data => { steps => \@steps } });
}


# The memo of the only step of a run.
sub result {
    return $d->wait_run(send_steps(@_))->{output}[0];
}
