# Durable endpoints over HTTP (protocol 6.3): the reports of a handler, what
# is called when the client is gone or was sent away, and the output.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;

use Digest::SHA qw(hmac_sha256 sha1_hex);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use POSIX ();
use Time::HiRes ();

use Durable qw(missing slurp wait_for);
use HttpClient;

plan skip_all => missing() if missing();


my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $complete = sha1_hex('complete');
my $count = 0;


# A server with endpoints: it notes each request that comes with a run id, and
# ends the run with its method, path and body.
sub endpoint {
    my ($log) = @_;

    my $listen = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
        LocalAddr => '127.0.0.1') or die "listen: $!\n";
    my $parent = $$;
    my $pid = fork // die "fork: $!\n";

    return ($pid, $listen->sockport) if $pid;

    # whatever ends the test ends this, and the harness waits for its end
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    POSIX::close($_) for 3 .. fileno($listen) - 1,
        fileno($listen) + 1 .. 255;

    while (getppid() == $parent) {
        next unless IO::Select->new($listen)->can_read(0.2);
        my $c = $listen->accept or next;
        my ($head, $body) = ('', '');

        while (defined(my $line = <$c>)) {
            last if $line eq "\r\n";
            $head .= $line;
        }

        read $c, $body, $1 if $head =~ /^content-length: (\d+)/mi;

        my ($method, $uri) = split ' ', $head;
        my $op = $json->encode({ op => 'RunComplete', id => $complete,
            data => { status => 202, body => "$method $uri $body",
                      headers => { 'x-mine' => 'yes', connection => 'close',
                                   'content-type' => 'text/x-mine',
                                   'bad name' => 'x', 'x-bad' => "a\nb" } } });

        open my $fh, '>>', $log or die "$log: $!\n";
        print $fh $json->encode({ head => $head, body => $body }), "\n";
        close $fh;

        print $c "HTTP/1.1 206 OK\r\nx-inngest-sdk: inngest-js:v4.24.0\r\n"
            . "x-inngest-req-version: 2\r\nconnection: close\r\n"
            . 'content-length: ' . length($op) . "\r\n\r\n$op";
        close $c;
    }

    POSIX::_exit(0);
}


my $key = 'signkey-test-12345678';
my $d = Durable->new(workers => 2, log_level => 'warn', mode => 'production',
    retry_interval => '100ms',
    http => "durable_event_key key;\n    durable_signing_key $key;\n");
my ($server, $port) = endpoint("$d->{dir}/endpoint.log");

$d->start;


sub ulid {
    my @digit = split //, '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    my ($ms, $text) = (int(1000 * Time::HiRes::time()), '');

    for (1 .. 10) {
        $text = $digit[$ms % 32] . $text;
        $ms = int($ms / 32);
    }

    return $text . sprintf '%016d', ++$count;
}


sub post {
    my ($path, $body, %headers) = @_;

    return $d->http('POST', $path, $body,
                    { Authorization => "Bearer $key", %headers });
}


sub first {
    my ($run, $steps, %data) = @_;

    return { run_id => $run, ts => 1, request_version => 2, retries => 3,
             steps => $steps, event => { name => 'inngest/http.request',
                 data => { domain => "http://127.0.0.1:$port", ip => '',
                           method => 'GET', path => '/hello', fn => '',
                           query_params => 'q=1', content_type => '',
                           body => '', %data } } };
}


sub step {
    my ($name) = @_;

    return { op => 'StepRun', id => sha1_hex($name), name => $name,
             displayName => $name, data => $name };
}


sub nap {
    return { op => 'Sleep', id => sha1_hex('nap'), name => $_[0] };
}


sub done {
    return { op => 'RunComplete', id => $complete, data => $_[0] };
}


sub output {
    my ($run, $token, $path) = @_;

    return HttpClient->new(port => $d->port, timeout => 20)->request('GET',
        ($path || '/v1/http/runs') . "/$run/output?token=$token");
}


sub calls {
    return map { $json->decode($_) } split /^/, slurp("$d->{dir}/endpoint.log");
}


# A token that somebody else made of claims.
sub token {
    my ($claims, $secret, $header) = @_;

    my $text = join '.', map { encode_base64url($json->encode($_)) }
        $header || { alg => 'HS256', typ => 'JWT' }, $claims;

    return "$text." . encode_base64url(hmac_sha256($text, $secret));
}


subtest 'a client executes its run itself' => sub {
    for my $path (['/v1/checkpoint', '/v1/checkpoint'],
                  ['/v1/http/runs', '/v1/http/runs'])
    {
        my $run = ulid();
        my $r = post($path->[0], first($run, [step('a')]));

        is($r->{status}, 200, "POST $path->[0]");

        my $data = $r->{json}{data};
        is($data->{run_id}, $run, 'the run');
        like($data->{$_}, qr/^[0-9a-f-]{36}$/, "its $_")
            for 'app_id', 'fn_id';
        like($data->{$_}, qr/^[\w-]+\.[\w-]+\.[\w-]+$/, "a $_")
            for 'token', 'realtime_token';
        isnt($data->{token}, $data->{realtime_token}, 'two of them');

        $r = post("$path->[1]/$run/steps", { steps => [step('b')] });
        is($r->{status}, 200, "POST $path->[1]/{run}/steps");

        $r = $d->http('GET', "/v0/runs/$run/actions", undef,
                      { Authorization => "Bearer $key" });
        is_deeply($r->{json}, { sha1_hex('a') => { data => 'a' },
                  sha1_hex('b') => { data => 'b' } }, 'its steps are kept');

        $r = $d->http('GET', "/v0/runs/$run/batch", undef,
                      { Authorization => "Bearer $key" });
        is($r->{json}[0]{name}, 'inngest/http.request', 'and its event');

        post("$path->[1]/$run/steps", { steps => [done({ status => 418,
             headers => { 'x-a' => 'b' }, body => 'short and stout' })] });

        $r = output($run, $data->{token}, $path->[1]);
        is($r->{status}, 418, 'the output has the status');
        is($r->{headers}{'x-a'}, 'b', 'the headers');
        is($r->{body}, 'short and stout', 'and the body');
    }

    is(scalar(calls()), 0, 'the endpoint was not called');
};


subtest 'a client is sent away while its run sleeps' => sub {
    my $run = ulid();
    my $r = post('/v1/checkpoint', first($run, [step('a'), nap('1s')],
        method => 'POST', content_type => 'application/json',
        body => '{"b":1, "a":2}'));

    my $answer = output($run, $r->{json}{data}{token});

    is($answer->{status}, 202, 'its output waits for the end');
    is($answer->{headers}{'content-type'}, 'text/x-mine', 'its type');
    is($answer->{headers}{'x-mine'}, 'yes', 'its headers');
    is($answer->{headers}{'x-bad'}, undef, 'but none that would break it');
    is($answer->{body}, 'POST /hello?q=1 {"b":1, "a":2}',
       'the request was made once more');

    my ($call) = calls();
    like($call->{head}, qr/^X-Run-ID: $run\r/m, 'for the run');
    like($call->{head}, qr/^X-Inngest-Signature: t=\d+&s=[0-9a-f]{64}\r/m,
         'signed');
    like($call->{head}, qr{^Content-Type: application/json\r}m,
         'with its type');
};


subtest 'a body that came as bytes goes out as bytes' => sub {
    my $run = ulid();
    my $r = post('/v1/checkpoint', first($run, [nap('0s')],
        method => 'PUT', body => 'aGVsbG8='), 'X-Inngest-Sdk' => 'go:v0.14');

    is(output($run, $r->{json}{data}{token})->{body},
       'PUT /hello?q=1 hello', 'of the Go SDK');
};


subtest 'only the token of the run opens its output' => sub {
    my ($run, $other) = (ulid(), ulid());
    my $token = post('/v1/checkpoint', first($run, [done({ status => 200,
                     body => 'mine' })]))->{json}{data}{token};
    my $realtime = post('/v1/checkpoint', first($run, []))->{json}{data}
                   {realtime_token};
    my $theirs = post('/v1/checkpoint', first($other, []))->{json}{data}
                 {token};

    my %claims = (iss => 'api.inngest.com', sub => 'run-claim',
                  RunID => $run, exp => time + 60);

    is(output($run, $token)->{body}, 'mine', 'that token');
    is(output($run, token(\%claims, '12345678'))->{body}, 'mine',
       'or one that was signed with the key');

    my @bad = (
        ['no token', ''],
        ['the token of another run', $theirs],
        ['the token for realtime', $realtime],
        ['half a token', substr $token, 0, -1],
        ['no signature', $token =~ s/[^.]+\z//r],
        ['another key', token(\%claims, 'x')],
        ['a token that has expired',
         token({ %claims, exp => time - 1 }, '12345678')],
        ['one that never does',
         token({ %claims, exp => undef }, '12345678')],
        ['another subject', token({ %claims, sub => 'x' }, '12345678')],
        ['another issuer', token({ %claims, iss => 'x' }, '12345678')],
        ['no algorithm', token(\%claims, '12345678', { alg => 'none' })],
        ['no run', token({ %claims, RunID => undef }, '12345678')],
        ['garbage', 'x.y.z'],
        ['a long one', 'a' x 6000],
    );

    for my $bad (@bad) {
        my $r = output($run, $bad->[1]);
        is($r->{status}, 401, $bad->[0]);
        like($r->{json}{error}, qr/does not open the output/, 'and says so');
    }

    my $never = ulid();
    is(output($never, token({ %claims, RunID => $never }, '12345678'))
       ->{status}, 404, 'a run that never was');
    is(output('x', $token)->{status}, 400, 'no run id');
};


subtest 'a run that failed has no output' => sub {
    my $run = ulid();
    my $r = post('/v1/checkpoint', first($run, [{ op => 'StepFailed',
        id => $complete, error => { name => 'Error', message => 'boom' } }]));

    $r = output($run, $r->{json}{data}{token});
    is($r->{status}, 500, 'but an error');
    is($r->{json}{error}, 'the run did not complete: boom', 'that says why');
};


subtest 'what is wrong is said in words' => sub {
    my $run = ulid();
    my $id = ulid();

    is(post('/v1/checkpoint', first($id, []))->{status}, 200, 'a run');

    my @bad = (
        ['no JSON', '/v1/checkpoint', '{', 400, qr/not JSON/],
        ['no run id', '/v1/checkpoint', {}, 400, qr/"run_id" must be/],
        ['a run id that is none', '/v1/checkpoint', { run_id => 7 }, 400,
         qr/"run_id" must be/],
        ['no event', '/v1/checkpoint', { run_id => $run }, 400, qr/"event"/],
        ['no host', '/v1/checkpoint', first($run, [], domain => 'x'), 400,
         qr/"event.data.domain"/],
        ['two lines', '/v1/checkpoint', first($run, [], content_type =>
         "a\r\nb: c"), 400, qr/control character/],
        ['steps that are none', '/v1/checkpoint', first($run, 7), 400,
         qr/"steps" must be/],
        ['10,000 steps', '/v1/checkpoint', first($run, [map { step("s$_") }
         1 .. 10_000]), 413, qr/more than 1000/],
        ['another request', '/v1/checkpoint', first($id, [], path => '/x'),
         409, qr/another run/],
        ['no run', "/v1/checkpoint/$run/steps", { steps => [] }, 404,
         qr/no run/],
        ['no ULID', '/v1/checkpoint/x/steps', { steps => [] }, 400,
         qr/not a ULID/],
        ['no object', "/v1/checkpoint/$id/steps", '[]', 400,
         qr/not a JSON object/],
    );

    for my $bad (@bad) {
        my ($title, $path, $body, $status, $sentence) = @$bad;
        my $r = post($path, $body);

        is($r->{status}, $status, $title);
        like($r->{json}{error} || '', $sentence, 'in words');
    }

    is($d->http('POST', '/v1/checkpoint', first($run, []))->{status}, 401,
       'the signing key is needed');
};


subtest 'who waits for an output holds nobody up' => sub {
    my $run = ulid();
    my $token = post('/v1/checkpoint', first($run, [nap('1h')]))
                ->{json}{data}{token};
    my @waiting = map {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                      PeerPort => $d->port) or die $!;
        print $s "GET /v1/http/runs/$run/output?token=$token HTTP/1.1\r\n"
            . "Host: x\r\nConnection: close\r\n\r\n";
        $s;
    } 1 .. 10;

    close shift @waiting for 1 .. 5;
    is(post('/v1/checkpoint', first(ulid(), []))->{status}, 200,
       'the server goes on');

    $d->reload;

    for my $s (@waiting) {
        my $text = do { local $/; <$s> };
        like($text, qr/^HTTP\/1\.1 200 .*"status":"running"/s,
             'a worker that exits answers at once');
    }
};


is($d->alerts, '', 'the log is clean');
unlike($d->error_log, qr/\[error\]/, 'the mistakes of clients are no errors');
unlike($d->error_log, qr/eyJ/, 'and no token stands in it');

ok($d->stop, 'nginx and the sidecar stop when asked');

kill TERM => $server;
waitpid $server, 0;

done_testing();
