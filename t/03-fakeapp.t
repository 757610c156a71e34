# The fake app of the scenario tests, asked the way a server asks: this file
# plays the server.

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes ();

use lib 't/helper';
use FakeApp;
use HttpClient;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $server = IO::Socket::INET->new(Listen => 8, LocalAddr => '127.0.0.1')
    or die "listen: $!\n";

my $app = FakeApp->new(
    id => 'shop',
    server => 'http://127.0.0.1:' . $server->sockport,
    record => tempdir(CLEANUP => 1) . '/calls',
    functions => {
        order => {
            event => 'shop/order', retries => 2,
            config => { concurrency => 3 },
            steps => [
                { run => 'charge', data => { ok => JSON::PP::true() },
                  fail => 1 },
                { sleep => 'nap', for => '2s' },
                { all => [{ run => 'mail', data => 'm' },
                          { run => 'ship', final => 1 },
                          { wait => 'reply', event => 'shop/reply' }] },
            ],
        },
        asks => {
            event => 'shop/asks',
            steps => [{ all => [
                { wait => 'reply', event => 'shop/reply',
                  if => 'event.data.id == 7' },
                { signal => 'ready', timeout => '5s',
                  for => sub { return "go-$_[0]{ctx}{run_id}" } },
                { invoke => 'ask', function => 'mail-send',
                  data => sub { return { run => $_[0]{ctx}{run_id} } } },
                { fetch => 'page', url => sub {
                    return "http://127.0.0.1:9/$_[0]{ctx}{run_id}" } }] }],
        },
        told => {
            event => 'shop/told', checkpoint => 1,
            steps => [{ run => 'one' }, { run => 'two' },
                      { sleep => 'nap', for => '1s' }],
        },
        short => {
            event => 'shop/short', run_complete => 1, result => [1],
            steps => [{ run => 'slow', delay => 0.3, data => 1 }],
        },
        broken => {
            event => 'shop/broken',
            steps => [{ run => 'x', hang_up => 1, error => 2 }],
        },
        odd => {
            event => 'shop/odd',
            code => sub { my ($call) = @_;
                return (400, { 'X-Inngest-No-Retry' => 'true' },
                        { message => "odd $call->{attempt}" }) },
        },
    })->start;

my $client = HttpClient->new(port => $app->{port}, timeout => 5);


# One call of a function; the answer.
sub call {
    my ($name, %is) = @_;

    my $target = $is{target} || 'step';
    my $body = { version => -1, event => { name => 'e', id => 'E' },
        events => [], steps => $is{steps} || {},
        ctx => { run_id => $is{run} || 'R',
                 $is{fn_id} ? (fn_id => $is{fn_id}) : (), attempt => $is{attempt} || 0,
                 max_attempts => 3, stack => { stack => [], current => 0 },
                 disable_immediate_execution => $is{plan}
                     ? JSON::PP::true() : JSON::PP::false() } };

    return ($is{client} || $client)->request('POST',
        "/api/inngest?fnId=shop-$name&stepId=$target", $json->encode($body),
        { 'X-Inngest-Job-Id' => 7, 'X-Inngest-Generation-Id' => 2 });
}


sub op_names {
    my ($r) = @_;

    return join ' ', map { "$_->{op}:$_->{displayName}" } @{$r->{json}};
}


subtest 'GET introspects' => sub {
    my $r = $client->request('GET', '/api/inngest');

    is($r->{status}, 200, 'status');
    is($r->{json}{function_count}, 6, 'functions');
    like($r->{headers}{'x-inngest-sdk'}, qr/^inngest-js:v/, 'sdk header');
};


subtest 'PUT registers with the server' => sub {
    my $put = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                    PeerPort => $app->{port});
    syswrite $put, "PUT /api/inngest HTTP/1.1\r\nHost: x\r\n"
        . "X-Inngest-Server-Kind: dev\r\nContent-Length: 2\r\n\r\n{}";

    my $register = $server->accept;
    my $text = '';

    while (1) {
        my ($length) = $text =~ /^Content-Length: (\d+)\r\n/mi;
        my ($body) = $text =~ /\r\n\r\n(.*)\z/s;

        last if defined $length && defined $body && length $body >= $length;
        sysread $register, $text, 65536, length $text or last;
    }

    # other calls are answered meanwhile
    is(call('odd')->{status}, 400, 'the app is not blocked');

    my ($head, $body) = split /\r\n\r\n/, $text, 2;
    my $payload = $json->decode($body);

    like($head, qr{\APOST /fn/register HTTP}, 'path');
    like($head, qr{^X-Inngest-Expected-Server-Kind: dev}m, 'kind');
    is($payload->{appName}, 'shop', 'app name');
    is($payload->{url}, $app->url, 'url');

    my ($order) = grep { $_->{id} eq 'shop-order' } @{$payload->{functions}};

    is_deeply($order, {
        id => 'shop-order', name => 'order', concurrency => 3,
        triggers => [{ event => 'shop/order' }],
        steps => { step => { id => 'step', name => 'step',
            retries => { attempts => 2 }, runtime => { type => 'http',
                url => $app->url . '?fnId=shop-order&stepId=step' } } },
    }, 'a function');

    my $answer = '{"ok":true,"modified":true}';

    syswrite $register, "HTTP/1.1 200 OK\r\nContent-Length: "
        . length($answer) . "\r\n\r\n$answer";
    close $register;

    local $/;
    my $said = <$put>;

    like($said, qr{\AHTTP/1.1 200 }, 'the PUT is answered');
    like($said, qr{^X-Inngest-Sync-Kind: out_of_band}m, 'sync kind');
    like($said, qr{"modified":true}, 'modified');
};


subtest 'a function is played step by step' => sub {
    my $r = call('order');

    is($r->{status}, 206, 'the first attempt of a step fails');
    is(op_names($r), 'StepError:charge', 'with StepError');
    is($r->{headers}{'x-inngest-no-retry'}, 'false', 'it may be retried');

    $r = call('order', attempt => 1);
    is(op_names($r), 'StepRun:charge', 'the second one runs it');
    is_deeply($r->{json}[0]{data}, { ok => JSON::PP::true() }, 'its data');
    is($r->{json}[0]{id}, sha1_hex('charge'), 'its id is the SHA-1');
    is($r->{headers}{'x-inngest-req-version'}, 2, 'request version');

    my %steps = (sha1_hex('charge') => { data => { ok => 1 } });

    $r = call('order', steps => \%steps);
    is(op_names($r), 'Sleep:nap', 'a sleep is reported');
    is($r->{json}[0]{name}, '2s', 'with its time');

    $steps{sha1_hex('nap')} = undef;
    $r = call('order', steps => \%steps);
    is(op_names($r), 'StepPlanned:mail StepPlanned:ship WaitForEvent:reply',
       'steps side by side are planned');

    $r = call('order', steps => \%steps, target => sha1_hex('mail'));
    is(op_names($r), 'StepRun:mail', 'a targeted call runs its step');

    $r = call('order', steps => \%steps, target => sha1_hex('ship'));
    is(op_names($r), 'StepFailed:ship', 'a final failure');
    is($r->{headers}{'x-inngest-no-retry'}, 'true', 'is not retried');

    $r = call('order', steps => \%steps, target => sha1_hex('nothing'));
    is($r->{status}, 500, 'an unknown target is an error');

    $steps{sha1_hex($_)} = { data => 1 } for 'mail', 'reply';
    $steps{sha1_hex('ship')} = { error => { name => 'E', message => 'm' } };

    $r = call('order', steps => \%steps);
    is($r->{status}, 400, 'a step that failed ends the function');
    is($r->{json}{message}, 'm', 'with its message');

    $steps{sha1_hex('ship')} = { data => 1 };
    $r = call('order', steps => \%steps);
    is($r->{status}, 200, 'the end');
    is($r->{body}, 'null', 'without a result');
};


subtest 'no immediate execution when the server says so' => sub {
    is(op_names(call('order', attempt => 1, plan => 1)), 'StepPlanned:charge',
       'a single step is planned');
};


subtest 'slow calls do not hold up each other' => sub {
    my @clients = map { HttpClient->new(port => $app->{port}) } 1 .. 30;
    my $start = Time::HiRes::time();

    # all requests are written before the first answer is read
    my @pids = map {
        my $c = $_;
        my $pid = fork;
        if (!$pid) {
            my $r = call('short', client => $c, run => 'slow');
            POSIX::_exit($r->{status} == 206 ? 0 : 1);
        }
        $pid;
    } @clients;
    my $bad = 0;

    for my $pid (@pids) {
        waitpid $pid, 0;
        $bad++ if $?;
    }

    is($bad, 0, 'all were answered');
    cmp_ok(Time::HiRes::time() - $start, '<', 4, 'at the same time');
};


subtest 'other ends, and calls that go wrong' => sub {
    my $r = call('short', steps => { sha1_hex('slow') => { data => 1 } });

    is($r->{status}, 206, 'RunComplete');
    is_deeply($r->{json}, [{ op => 'RunComplete', data => [1],
                             id => sha1_hex('complete') }], 'its op');

    $r = call('broken', run => 'B');
    is($r->{status}, 0, 'the connection breaks');
    is(call('broken', attempt => 1)->{status}, 500, 'a status of its own');
    is(op_names(call('broken', attempt => 2)), 'StepRun:x', 'then it runs');
    is(call('odd', attempt => 5)->{json}{message}, 'odd 5', 'code answers');
    is(call('unknown')->{status}, 500, 'an unknown function');
};


subtest 'everything is on record' => sub {
    my @calls = $app->calls;
    my @charged = grep { ($_->{does} || '') eq 'charge' && $_->{ok} } @calls;
    my ($broken) = grep { $_->{kind} eq 'broken' } @calls;
    my ($of) = grep { $_->{kind} eq 'call' && $_->{seq} eq $broken->{seq} }
               @calls;

    is(scalar @charged, 1, 'a step that ran');
    is($charged[0]{attempt}, 1, 'in its second attempt');
    is($charged[0]{item}, 7, 'the item');
    is($charged[0]{generation}, 2, 'the generation');
    is($of->{run}, 'B', 'a connection that broke');
    ok((grep { $_->{kind} eq 'answered' && $_->{seq} eq $charged[0]{seq} }
        @calls), 'an answer that was written');
    is_deeply([map { scalar @{$_->{memos}} } grep { $_->{kind} eq 'call'
                  && $_->{fn} eq 'order' && $_->{status} == 200 } @calls],
              [5], 'the memos that came with a call');
    cmp_ok($calls[-1]{t}, '>=', $calls[0]{t}, 'in order of time');
};


subtest 'waits, signals, invokes and gateways are reported' => sub {
    my $r = call('asks', run => 'A7');
    my %opts = map { $_->{op} => $_->{opts} } @{$r->{json}};

    is_deeply(\%opts, {
        WaitForEvent => { timeout => '1h', if => 'event.data.id == 7' },
        WaitForSignal => { timeout => '5s', signal => 'go-A7' },
        InvokeFunction => { function_id => 'mail-send',
                            payload => { data => { run => 'A7' } } },
        Gateway => { method => 'GET', url => 'http://127.0.0.1:9/A7' },
    }, 'with what the script says, or its code');

    my ($call) = grep { ($_->{run} || '') eq 'A7' } $app->calls;
    is_deeply($call->{reports}, [qw(reply ready ask page)],
              'which is on record');
};


# The request of a checkpoint: its path and its body; answered with a status.
sub checkpoint {
    my ($status) = @_;

    my $socket = $server->accept;
    my $text = '';

    until ($text =~ /^Content-Length: (\d+)\r\n(?:.*?\r\n)?\r\n(.*)\z/ms
           && length $2 >= $1)
    {
        sysread $socket, $text, 65536, length $text or last;
    }

    syswrite $socket, "HTTP/1.1 $status X\r\nContent-Length: 0\r\n\r\n";
    close $socket;

    my ($path, $body) = $text =~ m{\APOST (\S+) .*?\r\n\r\n(.*)\z}s;

    return ($path, $json->decode($body));
}


subtest 'steps are told while the call is open' => sub {
    my $pid = fork;

    if ($pid == 0) {
        my $r = call('told', run => 'T', fn_id => 'F',
                     client => HttpClient->new(port => $app->{port}));
        POSIX::_exit(op_names($r) eq 'Sleep:nap' ? 0 : 1);
    }

    my ($path, $body) = checkpoint(200);

    is($path, '/v1/checkpoint/T/async', 'at the path of the run');
    is($body->{qi_id}, 7, 'with the item');
    is($body->{generation_id}, 2, 'the generation');
    is($body->{fn_id}, 'F', 'the function');
    is($body->{steps}[0]{name}, 'one', 'and a step');
    checkpoint(503);
    is((checkpoint(200))[1]{steps}[0]{name}, 'two', 'a refused one again');

    waitpid $pid, 0;
    is($?, 0, 'the call is answered by what cannot be told');
    is(join(' ', map { "$_->{does}:$_->{status}" }
            grep { $_->{kind} eq 'told' } $app->calls),
       'one:200 two:503 two:200', 'all of it is on record');

    is(op_names(call('told', run => 'U')), 'StepRun:one',
       'a call that does not allow it has one step');
};


subtest 'it ends and comes back on the same port' => sub {
    my $port = $app->{port};

    $app->stop('KILL');
    is($client->request('GET', '/api/inngest')->{status}, 0, 'gone');
    $app->start;
    is($app->{port}, $port, 'the same port');
    is($client->request('GET', '/api/inngest')->{status}, 200, 'back');
    is(call('odd')->{status}, 400, 'and answers');
};

$app->stop;

done_testing();
