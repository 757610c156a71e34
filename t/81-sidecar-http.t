# SPDX-License-Identifier: BSD-2-Clause
#
# The sidecar's side of HTTP: what it sends to apps and targets, what it makes
# of their answers (protocol 4.1 and 4.2, design section 5).

use strict;
use warnings;

use lib 't/helper';
use Test::More;

use DurableFrame;
use DurableTarget;
use IO::Socket::INET;

my $target = DurableTarget->start;
my $elsewhere = DurableTarget->start;
my $url = $target->{url};
my $sidecar = sidecar_start([ '--deny', '127.0.0.9' ], env => {
    http_proxy => 'http://127.0.0.1:1', all_proxy => 'http://127.0.0.1:1' });
my $link = DurableFrame->hello($sidecar->{path});
my $item = 1;

sub run {
    my ($where, %o) = @_;
    my $on = delete $o{on} // $link;
    my $id = attempt(++$item);
    $on->call($id, $where, %o);
    my $r = $on->result($id) // die "no result of $where\n";
    $on->ack($id);
    return $r;
}

sub fails {
    my ($where, $kind, $like, $name, %o) = @_;
    my $r = run($where, %o);
    is($r->{ERROR_KIND}, $ERROR{$kind}, "$name: the kind");
    like($r->{ERROR}, $like, "$name: the words");
    is($r->{STATUS}, 0, "$name: no status");
    is($r->{body}, '', "$name: no body");
    return $r;
}

# The headers that the target saw, names in lower case.
sub seen {
    my ($at, $path) = @_;
    my ($head) = split /\r\n\r\n/, $at->request($path);
    return { map { /^([^:]+): ?(.*)$/ ? (lc $1, $2) : () }
        split /\r\n/, $head };
}

# A port that nobody listens on.
sub free_port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
    return $s->sockport;
}

subtest 'a request goes out as it was given' => sub {
    my $r = run("$url/echo/plain?fnId=a&stepId=b", body => 'text',
        HEADERS => "Content-Type: application/json\nX-Empty:\n"
            . "Connection: close\nContent-Length: 9\nExpect: 100-continue\n"
            . "Transfer-Encoding: chunked\nX-Last: padded value \n"
            . "broken line\n: no name\nX-Bad: a\rb\n");
    is($r->{body}, 'text', 'the body');
    is($r->{headers}{'x-uri'}, '/echo/plain?fnId=a&stepId=b', 'the query');
    my $h = seen($target, '/echo/plain');
    is($h->{'content-type'}, 'application/json', 'its type');
    is($h->{'x-empty'}, '', 'an empty header');
    is($h->{'x-last'}, 'padded value ', 'a value with spaces');
    is($h->{'content-length'}, 4, 'the length is the real one');
    ok(!exists $h->{$_}, "no $_")
        for qw(expect transfer-encoding connection x-bad);
    like($h->{'accept-encoding'}, qr/gzip/, 'gzip is accepted');
    like($h->{'user-agent'}, qr/^nginx-durable/, 'the agent has a name');

    run("$url/echo/none", body => 'x' x 2_000_000);
    $h = seen($target, '/echo/none');
    ok(!exists $h->{'content-type'}, 'no type is invented');
    ok(!exists $h->{expect}, 'a large body is sent without asking');
};

subtest 'methods' => sub {
    for my $method (qw(GET POST PUT PATCH DELETE)) {
        my $r = run("$url/echo", METHOD => $method,
            body => $method eq 'GET' ? '' : 'b');
        is($r->{headers}{'x-method'}, $method, $method);
        is($r->{body}, $method eq 'GET' ? '' : 'b', "$method: its body");
    }
    is(run("$url/echo", METHOD => 'POST')->{headers}{'x-method'}, 'POST',
        'after the others POST is POST');
    my $r = run("$url/echo/get", METHOD => 'GET', body => 'odd');
    is($r->{body}, 'odd', 'a GET with a body is sent with it');
};

subtest 'an answer comes back as it is' => sub {
    my $r = run("$url/ok");
    like($r->{HEADERS}, qr/^x-thing: Value\n/m,
        'header names in lower case, values as they are');
    is(run("$url/status/$_")->{STATUS}, $_, "status $_")
        for qw(201 206 304 400 410 500 503);
    is(run("$url/status/500")->{body}, 'status 500', 'errors have a body');
    is(length run("$url/gzip/50000")->{body}, 50000, 'gzip is unpacked');
    $r = run("$url/early");
    is($r->{STATUS}, 200, 'the answer after a 103');
    ok(!exists $r->{headers}{'x-early'}, 'without its headers');
    is($r->{headers}{'x-folded'}, 'a b', 'a folded header is one line');
    $r = run("$url/chunks/3");
    is(length $r->{body}, 3 * 4096, 'chunks');
    ok(!exists $r->{headers}{'x-late'}, 'a trailer is no header');
    $r = run("$url/headers/400");
    cmp_ok(length $r->{HEADERS}, '<=', 16 * 1024, 'headers have a limit');
    is(scalar(grep { length != 107 } map { s/x-h-\d+/x-h-0/r }
        grep { /^x-h/ } split /\n/, $r->{HEADERS}), 0,
        'and are cut between lines');
    is(run("$url/bytes/0")->{LENGTH}, 0, 'an empty body');
};

subtest 'what can go wrong with a target' => sub {
    my $port = free_port();
    fails("http://127.0.0.1:$port/", 'CONNECT',
        qr/^connection refused by 127\.0\.0\.1:$port$/, 'refused');
    fails('http://no-such-host.invalid/', 'CONNECT',
        qr/^the name of no-such-host\.invalid:80 cannot be resolved$/,
        'no such name');
    fails("$url/gate/never", 'TIMEOUT', qr/^no answer within 250 ms$/,
        'a timeout', TIMEOUT => 250);
    fails("$url/gate/never", 'TIMEOUT', qr/^no answer within 1 s$/,
        'a timeout of a second', TIMEOUT => 1000);
    ok(wait_for(sub { $target->closed('never') >= 2 }),
        'the connection is closed then');
    fails("$url/half", 'LOST', qr/closed the connection within its answer/,
        'half a body');
    fails("$url/nothing", 'LOST', qr/closed the connection without an answer/,
        'no answer');
    fails("$url/reset", 'LOST', qr/lost after the request was sent/,
        'a reset');
    fails("$url/junk", 'OTHER', qr/did not answer with HTTP/, 'junk');
    fails('http://127.0.0.9/', 'POLICY',
        qr/^the address of 127\.0\.0\.9:80 is not allowed$/, '--deny');
    fails('http://169.254.169.254/latest', 'POLICY', qr/not allowed/,
        'the metadata address');
    fails('http://[::ffff:169.254.169.254]/', 'POLICY', qr/not allowed/,
        'the same in other clothes');
    fails('http://[fe80::1]/', 'POLICY', qr/not allowed/, 'link-local');
    fails('file:///etc/hostname', 'POLICY', qr/only http: and https:/,
        'a file');
    fails('http://a b/', 'OTHER', qr/URL is not valid/, 'no URL');
    fails('', 'OTHER', qr/URL is not valid/, 'an empty URL');
    my $r = run("http://user:secret\@127.0.0.1:$port/?token=secret");
    unlike($r->{ERROR}, qr/secret|user/, 'errors never tell secrets');
    unlike(DurableFrame::sidecar_log($sidecar), qr/secret/,
        'nor does the log');
};

subtest 'answers have a maximum' => sub {
    fails("$url/bytes/1001", 'TOOBIG', qr/larger than 1000 bytes/,
        'by its length', MAX_BODY => 1000);
    fails("$url/chunks/3", 'TOOBIG', qr/larger than 1000 bytes/,
        'without a length', MAX_BODY => 1000);
    fails("$url/gzip/9000000", 'TOOBIG', qr/larger than 8 MiB/,
        'unpacked');
    is(length run("$url/bytes/1000", MAX_BODY => 1000)->{body}, 1000,
        'the maximum itself is allowed');
    is(length run("$url/gzip/8388608")->{body}, 8388608,
        'the maximum unpacked too');
};

subtest 'redirects repeat the request' => sub {
    for my $status (301, 302, 303, 307, 308) {
        my $r = run("$url/redirect/$status/%2Fecho%2F$status?fnId=f&s=1",
            body => "body $status", HEADERS => "X-Inngest-Signature: sig\n");
        is($r->{STATUS}, 200, "$status is followed");
        is($r->{body}, "body $status", "$status: the body again");
        is($r->{headers}{'x-method'}, 'POST', "$status: the method again");
        is($r->{headers}{'x-uri'}, "/echo/$status?fnId=f&s=1",
            "$status: the query again");
        is(seen($target, "/echo/$status")->{'x-inngest-signature'}, 'sig',
            "$status: the headers again");
        ok(!exists $r->{headers}{location}, "$status: none of its headers");
    }
    is(run("$url/redirect/302/%2Fecho%3Fx=9%26fnId=z?fnId=f")
        ->{headers}{'x-uri'}, '/echo?x=9&fnId=f',
        'a query of the redirect is joined');
    is(length run("$url/redirect/307/%2Fecho", body => 'x' x 3_000_000)
        ->{body}, 3_000_000, 'a large body again');
    is(run("$url/redirect/307/%2Fecho", METHOD => 'PUT', body => 'p')
        ->{headers}{'x-method'}, 'PUT', 'a PUT stays one');
    is(run("$url/status/302")->{STATUS}, 302,
        'one without a place to go is an answer');
    is(run("$url/hops/60")->{body}, 'arrived', '60 in a row');
    fails("$url/hops/61", 'OTHER', qr/more than 60 redirects/, '61 in a row');
    fails("$url/redirect/302/file:%2F%2F%2Fetc%2Fhostname", 'POLICY',
        qr/redirect to "file:" is not allowed/, 'to a file');
    fails("$url/redirect/302/http:%2F%2F127.0.0.9%2F", 'POLICY',
        qr/address of 127\.0\.0\.9:80/, 'to a denied address');
    fails("$url/redirect/307/%2Fgate%2Fredirected", 'TIMEOUT',
        qr/within 300 ms/, 'the timeout is for all of it', TIMEOUT => 300);
};

subtest 'a URL of a step is followed as browsers do' => sub {
    my @fetch = (FOLLOW => 1, body => 'b',
        HEADERS => "Content-Type: text/x\nX-Api-Key: s3cret\n");
    my %expected = (
        POST => { 301 => 'GET', 302 => 'GET', 303 => 'GET', 307 => 'POST',
                  308 => 'POST' },
        PUT => { 301 => 'PUT', 302 => 'PUT', 303 => 'GET', 307 => 'PUT' });

    for my $method (sort keys %expected) {
        for my $status (sort keys %{ $expected{$method} }) {
            my $then = $expected{$method}{$status};
            my $at = "/echo/$method-$status";
            my $r = run("$url/redirect/$status/" . $at =~ s{/}{%2F}gr
                . '?key=1', @fetch, METHOD => $method);
            my $h = seen($target, $at);
            is($r->{headers}{'x-method'}, $then,
                "$method is $then after $status");
            is($r->{body}, $then eq 'GET' ? '' : 'b', 'with its body or none');
            is($h->{'content-type'}, $then eq 'GET' ? undef : 'text/x',
                'and its type');
            is($h->{'x-api-key'}, 's3cret', 'and its key');
            is($r->{headers}{'x-uri'}, $at, 'but not its query');
        }
    }

    my $there = $elsewhere->{url} . '/redirect/307/' . "$url/echo/back"
        =~ s{([:/%])}{sprintf '%%%02X', ord $1}ger;
    $there =~ s{([:/%])}{sprintf '%%%02X', ord $1}ge;
    is(run("$url/redirect/307/$there", @fetch)->{STATUS}, 200,
        'a stranger may lead back');
    ok(!exists seen($target, '/echo/back')->{'x-api-key'},
        'but not with the key');
};

subtest 'of a request that is relayed the status is what counts' => sub {
    my @relay = (FOLLOW => 2, body => 'b', MAX_BODY => 1000);

    my $r = run("$url/redirect/307/%2Fok", @relay);
    is($r->{STATUS}, 307, 'a redirect is the answer');
    is($r->{headers}{location}, '/ok', 'with where it leads to');

    is(run("$url/bytes/1000", @relay)->{body}, DurableTarget::pattern(1000),
        'an answer that fits is whole');
    for my $size (1001, 5_000_000) {
        $r = run("$url/bytes/$size", @relay);
        is($r->{STATUS}, 200, "one of $size bytes is one");
        is($r->{body}, DurableTarget::pattern(1000), 'but cut off');
    }

    $r = run("$url/chunks/1000", @relay);
    is("$r->{STATUS} " . length $r->{body}, '200 1000', 'so are chunks');
    $r = run("$url/gzip/100000", @relay);
    is("$r->{STATUS} $r->{body}", '200 ' . DurableTarget::pattern(1000),
        'and what was packed');

    $r = run("$url/half", @relay);
    is("$r->{STATUS} $r->{body}", '200 half', 'one that breaks off counts');
    for my $status (200, 500) {
        $r = run("$url/stall/$status", @relay, TIMEOUT => 300);
        is("$r->{STATUS} $r->{body}", "$status half", 'one that stalls, too');
    }

    fails("$url/nothing", 'LOST', qr/without an answer/, 'no status is none',
        @relay);
    fails("$url/gate/relayed", 'TIMEOUT', qr/within 300 ms/, 'none in time',
        @relay, TIMEOUT => 300);
    is(run("$url/early", @relay)->{STATUS}, 200, '103 is no answer yet');
};

subtest 'secrets stay with their host' => sub {
    my $headers = join '', map { "$_: s3cret\n" } 'X-Inngest-Signature',
        'Authorization', 'Cookie', 'X-Hub-Signature-256', 'X-Api-Key',
        'X-Plain';
    my $to = $elsewhere->{url} =~ s{([:/])}{sprintf '%%%02X', ord $1}ger;
    my $r = run("$url/redirect/307/$to%2Fecho%2Ffar", body => 'b',
        HEADERS => $headers . "Host: first.example\n");
    is($r->{body}, 'b', 'another port is another host');
    my $h = seen($elsewhere, '/echo/far');
    is($h->{'x-plain'}, 's3cret', 'plain headers go along');
    ok(!exists $h->{$_}, "$_ does not")
        for qw(x-inngest-signature authorization cookie x-hub-signature-256
            x-api-key);
    is($h->{host}, "127.0.0.1:$elsewhere->{port}", 'Host is the new one');
};

subtest 'a request is never sent twice' => sub {
    my $dying = DurableTarget->start;     # one connection, ours
    my $at = $dying->{url};
    my $r = run("$at/dies/first");
    is($r->{body}, 'served', 'the first request of a connection');
    $r = run("$at/dies/second", body => 'b');
    is($r->{ERROR_KIND}, $ERROR{LOST}, 'a dead one is lost');
    like($r->{ERROR}, qr/lost after the request was sent/, 'in words');
    is($dying->count('/dies/second'), 1, 'the target saw it once');

    run("$at/dies/third");
    $r = run("$at/dies/fourth");
    is($r->{ERROR_KIND}, $ERROR{LOST}, 'one without a body too');
    is($dying->count('/dies/fourth'), 1, 'the target saw it once');
    is(run("$at/ok")->{STATUS}, 200, 'the next call has a new connection');
};

subtest 'a slow target holds up nobody' => sub {
    my @slow = map { attempt(++$item) } 1 .. 100;
    $link->call($_, "$url/gate/slow") for @slow;
    $target->wait_held('slow', 100);
    is(run("$url/ok")->{STATUS}, 200, 'of the same host');
    is(run("$elsewhere->{url}/ok")->{STATUS}, 200, 'of another one');
    is($target->held('slow'), 100, 'all of them are still waiting');
    $target->open('slow');
    is(scalar(grep { $link->result($_)->{body} eq 'opened' } @slow), 100,
        'and are answered');
    $link->ack(@slow);
};

subtest 'connections are kept' => sub {
    my $one = DurableTarget->start;
    run("$one->{url}/dies/a");
    my $r = run("$one->{url}/dies/b");
    is($r->{ERROR_KIND}, $ERROR{LOST},
        'the second request came on the first connection');
};

subtest 'a proxy of the environment is used only when asked' => sub {
    my $other = sidecar_start([ '--proxy-from-env' ], env => {
        http_proxy => "http://127.0.0.1:$target->{port}" });
    my $on = DurableFrame->hello($other->{path});
    my $r = run('http://proxied.invalid/echo', on => $on);
    is($r->{STATUS}, 404, 'asked: the proxy answers');
    like($r->{body}, qr{^no http://proxied.invalid/echo}, 'for that URL');
    is(sidecar_stop($other), 0, 'the sidecar ends well');
};

subtest 'the most specific rule decides about an address' => sub {
    my $other = sidecar_start([ '--deny', '0.0.0.0/0',
        '--allow', '127.0.0.0/8', '--deny', '127.0.0.2',
        '--allow', '169.254.1.0/24' ]);
    my $on = DurableFrame->hello($other->{path});
    is(run("$url/ok", on => $on)->{STATUS}, 200, 'allowed by a net');
    is(run('http://127.0.0.2/', on => $on)->{ERROR_KIND}, $ERROR{POLICY},
        'denied by an address in it');
    is(run('http://192.0.2.1/', on => $on)->{ERROR_KIND}, $ERROR{POLICY},
        'denied by all');
    is(run('http://169.254.2.1/', on => $on)->{ERROR_KIND}, $ERROR{POLICY},
        'denied by default');
    isnt(run('http://169.254.1.1/', on => $on, TIMEOUT => 50)
        ->{ERROR_KIND}, $ERROR{POLICY}, 'allowed out of the default');
    is(sidecar_stop($other), 0, 'the sidecar ends well');
};

# An nginx with TLS and HTTP/2 as the target, its certificate from our own CA.
sub tls_target {
    my $dir = File::Temp->newdir;
    my $port = free_port();
    for my $ca (qw(one two)) {
        system("openssl req -x509 -newkey ec -pkeyopt "
            . "ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost "
            . "-addext subjectAltName=IP:127.0.0.1 -keyout $dir/$ca.key "
            . "-out $dir/$ca.pem 2>$dir/openssl") == 0 or return undef;
    }
    open my $fh, '>', "$dir/conf" or die $!;
    print $fh <<"CONF";
daemon off;
master_process off;
pid $dir/pid;
error_log $dir/error;
events { }
http {
    access_log off;
    client_body_temp_path $dir/b;
    proxy_temp_path $dir/p;
    fastcgi_temp_path $dir/f;
    uwsgi_temp_path $dir/u;
    scgi_temp_path $dir/s;
    server {
        listen 127.0.0.1:$port ssl http2;
        ssl_certificate $dir/one.pem;
        ssl_certificate_key $dir/one.key;
        location / { return 200 "\$server_protocol \$request_method"; }
        location /down { return 307 http://127.0.0.1:1/; }
        location /side { return 307 https://127.0.0.1:$port/; }
    }
}
CONF
    close $fh;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>', "$dir/stderr" or POSIX::_exit(126);
        exec('nginx', '-p', "$dir", '-c', "$dir/conf")
            or POSIX::_exit(127);
    }
    DurableFrame::track($pid);
    wait_for(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $port) }) or return undef;
    return { pid => $pid, dir => $dir, url => "https://127.0.0.1:$port" };
}

subtest 'TLS is verified, HTTP/2 is spoken' => sub {
    my $tls = tls_target() or plan skip_all => 'no nginx or no openssl here';
    my $r = run("$tls->{url}/");
    is($r->{ERROR_KIND}, $ERROR{CONNECT}, 'an unknown CA is refused');
    like($r->{ERROR}, qr/^no TLS with 127\.0\.0\.1:\d+: .*certificate/,
        'in words');

    my $ca = "$tls->{dir}/ca.pem";
    my $copy = sub {
        system('cp', "$tls->{dir}/$_[0].pem", "$ca.new") == 0
            && rename "$ca.new", $ca;
    };
    $copy->('one');
    my $other = sidecar_start([ '--ca', $ca ]);
    my $on = DurableFrame->hello($other->{path});
    is(run("$tls->{url}/", on => $on, body => 'b')->{body}, 'HTTP/2.0 POST',
        'with --ca it is known');

    is(run("$tls->{url}/side", on => $on)->{STATUS}, 200,
        'a redirect may stay with TLS');
    fails("$tls->{url}/down", 'POLICY',
        qr/^a redirect from https: to http: is not allowed$/,
        'one that leaves it is refused', on => $on);

    my @ids = map { attempt(++$item) } 1 .. 50;
    $on->call($_, "$tls->{url}/") for @ids;
    is(scalar(grep { $on->result($_)->{STATUS} == 200 } @ids), 50,
        'many calls share a connection');
    $on->ack(@ids);

    $copy->('two');
    is(run("$tls->{url}/", on => $on)->{STATUS}, 200,
        'the CAs are read once');
    kill 'HUP', $other->{pid};
    wait_for(sub { DurableFrame::sidecar_log($other) =~ /use the CAs/ });
    is(run("$tls->{url}/", on => $on)->{ERROR_KIND}, $ERROR{CONNECT},
        'and again at SIGHUP');

    unlink $ca;
    kill 'HUP', $other->{pid};
    ok(wait_for(sub {
        DurableFrame::sidecar_log($other) =~ /stay as they are/ }),
        'a file that cannot be read changes nothing');
    ok($on->sync, 'the link lives through it');
    is(sidecar_stop($other), 0, 'the sidecar ends well');

    kill 'TERM', $tls->{pid};
    waitpid $tls->{pid}, 0;
};

$link->sync;
is(sidecar_stop($sidecar), 0, 'the sidecar ends well');
is(join('', DurableFrame::sidecar_log($sidecar)
    =~ /^(.*(?:error|warning):.*\n)/mg), '', 'without complaints');

done_testing();
