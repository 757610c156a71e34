# Runs that are started by name: steps that invoke, POST /invoke, and the
# events about runs that handlers and defers are started by.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(sha1_hex);
use File::Temp;
use JSON::PP ();
use Test::More;

use Durable qw(missing wait_for);
use FakeApp;

plan skip_all => missing() if missing();


my $port = Durable::free_port();
my $dir = File::Temp->newdir('durable-XXXXXX', TMPDIR => 1);
my $ulid = qr/[0-9A-HJKMNP-TV-Z]{26}/;

my $mail = FakeApp->new(id => 'mail', server => "http://127.0.0.1:$port",
    record => "$dir/mail", functions => {
        send => { event => 't/nobody',
            steps => [{ run => 'post', data => { ok => 1 } }],
            result => sub { return { to => $_[0]{event}{data}{to} } } },
        slow => { event => 't/nobody',
            steps => [{ sleep => 'long', for => '1h' }] },
        fail => { event => 't/nobody', retries => 0, code => sub {
            return (400, { 'X-Inngest-No-Retry' => 'true' },
                    { name => 'TypeError', message => 'no such address',
                      stack => 'at send', cause => { message => 'dns' } });
        } },
        'fail-failure' => {
            triggers => [{ event => 'inngest/function.failed',
                expression => "event.data.function_id == 'mail-fail'" }],
            steps => [],
            result => sub { return $_[0]{event}{data}{error} } },
    });

my $shop = FakeApp->new(id => 'shop', server => "http://127.0.0.1:$port",
    record => "$dir/shop", functions => {
        order => { event => 'shop/order', retries => 0,
            steps => [{ run => 'charge', data => 1 },
                      { invoke => 'mail', function => 'mail-send',
                        data => { to => 'a@b' } }],
            result => sub { return $_[0]{steps}{sha1_hex('mail')} } },
        both => { event => 'shop/both', retries => 0,
            steps => [{ all => [
                { invoke => 'one', function => 'mail-send',
                  data => { to => 1 } },
                { invoke => 'two', function => 'mail-send',
                  data => { to => 2 } } ] }],
            result => sub { return [map {
                $_[0]{steps}{sha1_hex($_)}{data}{to} } 'one', 'two'] } },
        broken => { event => 'shop/broken', retries => 0,
            steps => [{ invoke => 'mail', function => 'mail-fail' }] },
        nobody => { event => 'shop/nobody', retries => 0,
            steps => [{ invoke => 'mail', function => 'mail-none' }] },
        late => { event => 'shop/late', retries => 0,
            steps => [{ invoke => 'mail', function => 'mail-slow',
                        timeout => '1s' }] },
        defer => { event => 'shop/defer', code => sub {
            my ($call) = @_;

            return (200, {}, $call->{request}{defers})
                if $call->{request}{defers}{sha1_hex('later')};

            return (206, {}, [
                { op => 'DeferAdd', id => sha1_hex('later'),
                  opts => { fn_slug => 'shop-later', input => { n => 7 } } },
                { op => 'StepRun', id => sha1_hex('later'), name => 'later',
                  opts => {}, data => 1 } ]);
        } },
        later => {
            triggers => [{ event => 'inngest/deferred.schedule',
                expression => "event.data._inngest.fn_slug == 'shop-later'"
            }],
            steps => [],
            result => sub { return $_[0]{event}{data} } },
    });

my $d = Durable->new(port => $port, apps => [$mail->url, $shop->url],
                     retry_interval => '100ms');

$_->start for $mail, $shop;
$d->start;
$d->wait_registered($_) for 'mail', 'shop';

# ---- a step

is_deeply(output('shop/order'), { data => { to => 'a@b' } },
          'a step has the result of a function of another app');
is_deeply(output('shop/both'), [1, 2],
          'two steps side by side have one each');

my $error = output('shop/broken', 'Failed');

is($error->{message}, 'no such address', 'a failure is thrown in the parent');
is($error->{name}, 'TypeError', 'by its name');
is_deeply($error->{cause}, { message => 'dns' }, 'with its cause');

is_deeply(handled()->{cause}, { message => 'dns' },
          'and the failure handler of the child is started');

like(output('shop/nobody', 'Failed')->{message},
     qr/\Acould not find function with ID: mail-none\z/,
     'a function that is not there is an error that names it');
is(output('shop/late', 'Failed')->{name}, 'InngestInvokeTimeoutError',
   'a function that takes too long is one as well');

my @slow = runs_of('mail-slow');

is(scalar @slow, 1, 'it was started');
is($slow[0]{status}, 'Running', 'and goes on');

# ---- a step, and everything dies in between

my $id = $d->send_event({ name => 'shop/late' });

wait_for(20, 'the second slow run', sub { return runs_of('mail-slow') == 2 });

$d->kill_nginx;
$d->start_nginx;
$d->wait_ready;

is($d->wait_run($id, 'Failed')->{output}{name}, 'InngestInvokeTimeoutError',
   'the step times out after a crash');

# ---- defers

my $later = output('shop/defer');

is_deeply($later, { sha1_hex('later') => { abortable => JSON::PP::true() } },
          'a call knows the defers of its run');

my $event = wait_for(20, 'the deferred event', sub {
    my ($found) = events('inngest/deferred.schedule');
    return $found;
});

is($d->wait_run($event->{internal_id})->{output}{n}, 7,
   'the deferred function has its input when the run has ended');

# ---- a request

my $r = invoke('mail-send', { data => { to => 'c@d',
                                        _inngest => { fn_id => 'x' } } });

is($r->{status}, 200, 'a function is started by name');
like($r->{body}, qr/\A\{"id":"$ulid","run_id":"$ulid","status":200\}\z/,
     'the answer has the event and the run');
is($d->wait_run($r->{json}{id})->{run_id}, $r->{json}{run_id},
   'which is the one of the event');
is_deeply($d->run($r->{json}{run_id})->{output}, { to => 'c@d' },
          'and has the data');

my ($sent) = events('inngest/function.invoked');

is_deeply($sent->{data}, { to => 'c@d', _inngest => { fn_id => 'mail-send' } },
          'the event says which function, whatever the caller said');
is($sent->{id}, $r->{json}{id}, 'and has the id of the answer');

$r = invoke('mail-send', { user => { u => 1 }, v => '2', ts => 1700000000000,
                           meta => { sessions => { s => '1' } } });
($sent) = events('inngest/function.invoked');

is_deeply([@$sent{qw(user v ts meta)}],
          [{ u => 1 }, '2', 1700000000000, { sessions => { s => '1' } }],
          'user, v, ts and meta are those of the request');

$r = invoke('mail-none', {});

is($r->{status}, 404, 'an unknown function is 404');
is_deeply($r->{json}, { status => 404, data => undef,
    error => 'could not find function with ID: mail-none' },
    'with a sentence');

for my $case (
    [undef, qr/no body/, 'no body'],
    ['  ', qr/no body/, 'an empty one'],
    ['[{}]', qr/must be a JSON object/, 'an array'],
    ['{"data":', qr/not valid JSON/, 'half a JSON'],
    ['{"data":[]}', qr/data must be an object/, 'data that is no object'],
    ['{"ts":"x"}', qr/ts must be an integer/, 'a ts that is no number'],
    ['{"id":7}', qr/id must be a string/, 'an id that is no string'],
) {
    my ($body, $like, $title) = @$case;

    $r = $d->http('POST', '/invoke/mail-send', $body);

    is($r->{status}, 400, "$title is refused");
    like($r->{json}{error}, $like, 'with a sentence that says why');
    is($r->{json}{status}, 400, 'and the status');
}

is($d->http('GET', '/invoke/mail-send')->{status}, 405, 'only POST invokes');

# ---- a request that is sent again

my $first = invoke('mail-send', { id => 'mine' });
my $second = invoke('mail-send', { id => 'mine' });

ok($first->{json}{run_id}, 'the id of a caller starts a run');
is($second->{status}, 200, 'sent again it is taken');
ok(!exists $second->{json}{run_id}, 'and starts none');

my $seed = { 'X-Inngest-Event-Id-Seed' => int(time) . '000,eii2YKXRVTJPuA==' };

$first = invoke('mail-send', { data => {} }, $seed);
$second = invoke('mail-send', { data => {} }, $seed);

is($first->{status}, 200, 'a request with a seed is taken');
is($second->{body}, $first->{body}, 'sent again it has the same answer');
is(scalar $d->event_runs($first->{json}{id}), 1, 'and there is one run');

# ---- the end

is($d->alerts, '', 'the logs are clean');
unlike($d->error_log, qr/\[error\]/, 'the mistakes of clients are no errors');

$d->stop;

# ---- production

my $key = 'signkey-test-12345678';
my $hash = 'b2ed992186a5cb19f6668aade821f502c1d00970dfd0e35128d51bac4649916c';
my $p = Durable->new(workers => 1, mode => 'production', http => <<"CONF");
durable_event_key first;
durable_signing_key $key;
CONF

$p->start_nginx;
$p->wait_ready;

$r = $p->http('POST', '/invoke/mail-send', {});

is($r->{status}, 401, 'production asks for the signing key');
is($r->{json}{status}, 401, 'in JSON');

$r = $p->http('POST', '/invoke/mail-send', {},
              { Authorization => "Bearer signkey-test-$hash" });

is($r->{status}, 404, 'and lets it in, to find no such function');

$p->stop;

done_testing();


# What the run of a new event put out.
sub output {
    my ($name, $status) = @_;

    return $d->wait_run($d->send_event({ name => $name }), $status)->{output};
}


sub invoke {
    my ($slug, $body, $headers) = @_;

    return $d->http('POST', "/invoke/$slug", $body, $headers);
}


# Newest first.
sub events {
    my ($name) = @_;

    return @{$d->http('GET', "/v1/events?name=$name")->{json}{data}};
}


# The runs of a function that is invoked, as far as they are there.
sub runs_of {
    my ($slug) = @_;

    return grep { $_->{function} eq $slug }
           map { $d->event_runs($_->{internal_id}) }
           grep { $_->{data}{_inngest}{fn_id} eq $slug }
           events('inngest/function.invoked');
}


# What the failure handler of mail-fail returned.
sub handled {
    my ($failed) = grep { $_->{data}{function_id} eq 'mail-fail' }
                   events('inngest/function.failed');

    return $d->wait_run($failed->{internal_id})->{output};
}
