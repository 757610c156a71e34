# Copyright (C) the nginx-durable authors

# durable_serve: nginx as an app.  The test is the server: it looks at the
# app, has it register, calls its functions, and calls again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(hmac_sha256_hex sha1_hex sha256_hex);
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

use Durable qw(free_port missing slurp wait_for write_file);
use DurableTarget;

plan skip_all => missing() if missing();


my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $rest = 'f00dbabedeadbeef' x 4;
my $key = "signkey-prod-$rest";
my $old = '0011223344556677' x 4;

my $target = DurableTarget->start;
my $url = $target->{url};
my $away = free_port();

my $d = Durable->new(workers => 2, retry_interval => '50ms',
                     server => locations());
$d->start;


sub locations {
    my $register = $_[0] || "http://127.0.0.1:$away";

    return <<"SERVER";
        location = /hook   { durable_route hook; durable_forward $url/echo/hook; }
        location = /fails  { durable_route fails; durable_retries 2;
                             durable_forward $url/status/500; }
        location = /bad    { durable_route bad;
                             durable_forward $url/status/422; }
        location = /slow   { durable_route slow;
                             durable_forward $url/gate/slow; }
        location = /turn   { durable_route turn;
                             durable_forward $url/echo/turn ordered; }
        location = /nobody { durable_route nobody;
                             durable_forward http://127.0.0.1:$away/x; }

        location = /dev/inngest { durable_serve server=$register; }
        location = /api/inngest {
            durable_serve app=shop server=$register signing_key=$key
                          signing_key_fallback=$old event_key=secret-events;
        }
SERVER
}


# ---- the server's side

sub signature {
    my ($body, $with, $at) = @_;

    $at ||= time;
    ($with ||= $key) =~ s/^signkey-\w+-//;

    return "t=$at&s=" . hmac_sha256_hex($body . $at, $with);
}


sub signed {
    my ($method, $uri, $body, %headers) = @_;

    return $d->http($method, $uri, $body,
                    { 'Content-Type' => 'application/json',
                      'X-Inngest-Signature' => signature($body), %headers });
}


my $runs = 0;

sub run_id { return sprintf '01J0000000000000000%07d', ++$runs }

sub step_id {
    my ($path) = @_;

    return sha1_hex("forward request to $url$path");
}


sub call_body {
    my (%with) = @_;

    my $event = $with{event}
        || { id => '1', name => 'event/api.webhooks.hook.action', ts => 1,
             user => {}, data => { method => 'POST', body => 'hello',
                                   headers => { 'x-a' => 'b' } } };

    return $json->encode({
        ctx => { attempt => $with{attempt} || 0, env => '',
                 disable_immediate_execution => $with{plan} ? \1 : \0,
                 fn_id => 'f', max_attempts => 5,
                 qi_id => $with{item} || 'i', run_id => $with{run},
                 stack => { current => 0, stack => $with{stack} || [] },
                 step_id => 'step', use_api => $with{use_api} ? \1 : \0 },
        event => $event, events => [$event], steps => $with{steps} || {},
        use_api => $with{use_api} ? \1 : \0, version => -1,
    });
}


sub call {
    my ($function, %with) = @_;

    return $d->http('POST', '/dev/inngest?fnId=nginx-api-' . $function
                    . '&stepId=' . ($with{step} || 'step'), call_body(%with),
                    { 'Content-Type' => 'application/json' });
}


# ---- tests

subtest 'it says what it is' => sub {
    my $r = $d->http('GET', '/dev/inngest');

    is($r->{status}, 200, 'in dev anybody may look');
    is($r->{headers}{'x-inngest-sdk'}, 'nginx:v0.1.0', 'it is an app');
    is($r->{json}{function_count}, 6, 'it counts its functions');
    is($r->{json}{mode}, 'dev', 'its mode');
    is($r->{json}{schema_version}, '2024-05-24', 'the schema');
    ok(!exists $r->{json}{app_id}, 'not more');

    $r = $d->http('GET', '/api/inngest');
    is($r->{status}, 200, 'in production, too');
    is($r->{json}{mode}, 'cloud', 'its mode');
    is($r->{json}{authentication_succeeded}, undef, 'nobody has shown a key');
    ok($r->{json}{has_signing_key}, 'it has one');
    unlike($r->{body}, qr/hash/, 'of which it does not speak');

    $r = signed('GET', '/api/inngest', '');
    is($r->{json}{authentication_succeeded}, JSON::PP::true,
       'whoever has the key learns more');
    is($r->{json}{app_id}, 'shop', 'the name');
    is($r->{json}{api_origin}, "http://127.0.0.1:$away", 'its server');
    is($r->{json}{signing_key_hash},
       substr(sha256_hex(pack 'H*', $rest), 0, 12), 'which key it has');
    is($r->{json}{signing_key_fallback_hash},
       substr(sha256_hex(pack 'H*', $old), 0, 12), 'and the other one');
    is($r->{json}{event_key_hash}, sha256_hex('secret-events'),
       'and the event key');
    is($r->{headers}{'x-inngest-signature'} =~ /t=(\d+)/
       && signature($r->{body}, $key, $1),
       $r->{headers}{'x-inngest-signature'}, 'signed');

    $r = $d->http('GET', '/api/inngest', '',
                  { 'X-Inngest-Signature' => signature('', $key, time - 301) });
    is($r->{json}{authentication_succeeded}, JSON::PP::false,
       'a signature of 301 seconds ago is none');
};


subtest 'only who has the key may call' => sub {
    my $uri = '/api/inngest?fnId=shop-api-hook&stepId=step';
    my $body = call_body(run => run_id());
    my $n = $target->count('/echo/hook');

    for my $case ([ 'no signature', {} ],
                  [ 'an old one', { 'X-Inngest-Signature'
                                    => signature($body, $key, time - 301) } ],
                  [ 'one of the future', { 'X-Inngest-Signature'
                                    => signature($body, $key, time + 310) } ],
                  [ 'one of another body',
                    { 'X-Inngest-Signature' => signature("$body ") } ],
                  [ 'one of another key', { 'X-Inngest-Signature'
                                    => signature($body, 'ab' x 32) } ])
    {
        my $r = $d->http('POST', $uri, $body, $case->[1]);
        is($r->{status}, 401, "$case->[0] is refused");
        is($r->{json}{code}, 'sig_verification_failed', 'with a reason');
        ok(!exists $r->{headers}{'x-inngest-sdk'}, 'it says no more');
    }

    is($target->count('/echo/hook'), $n, 'nothing was executed');

    my $r = signed('POST', $uri, $body);
    is($r->{status}, 206, 'with the key it is executed');
    is($target->count('/echo/hook'), $n + 1, 'once');

    $r = $d->http('POST', $uri, call_body(run => run_id()),
                  { 'X-Inngest-Signature'
                    => signature(call_body(run => sprintf
                                 '01J0000000000000000%07d', $runs), $old) });
    is($r->{status}, 206, 'so it is with the fallback key');
    is($r->{headers}{'x-inngest-signature'} =~ /t=(\d+)/
       && signature($r->{body}, $old, $1),
       $r->{headers}{'x-inngest-signature'}, 'which signs the answer');

    $r = signed('POST', '/api/inngest?probe=trust', '{}');
    is("$r->{status} $r->{body}", '200 ', 'a probe finds trust');
    is($d->http('POST', '/api/inngest?probe=trust', '{}')->{status}, 401,
       'or not');
};


subtest 'a call executes the step and brings its result' => sub {
    my $run = run_id();
    my $r = call('hook', run => $run);
    my $op = $r->{json}[0];

    is($r->{status}, 206, 'ops');
    is($r->{headers}{'x-inngest-req-version'}, 2, 'as an SDK says it');
    is($r->{headers}{'content-type'}, 'application/json', 'in JSON');
    is(scalar @{$r->{json}}, 1, 'one');
    is($op->{op}, 'StepRun', 'that was run');
    is($op->{id}, step_id('/echo/hook'), 'by its hash');
    is($op->{displayName}, "forward request to $url/echo/hook", 'its name');
    is($op->{data}{status}, 200, 'the answer of the target');
    cmp_ok($op->{timing}{a}, '>', 1.6e18, 'when');

    my ($head, $sent) = split /\r\n\r\n/, $target->request('/echo/hook'), 2;
    is($sent, 'hello', 'the body of the webhook');
    like($head, qr/^x-a: b\r?$/m, 'and its headers');

    my $memo = { step_id('/echo/hook') => { data => $op->{data} } };
    $r = call('hook', run => $run, steps => $memo);
    is($r->{status}, 200, 'with the memo it ends');
    is_deeply($r->{json}, $op->{data}, 'with the output of the step');
};


subtest 'a call that comes again does not execute again' => sub {
    my $run = run_id();
    my $n = $target->count('/echo/hook');
    my $first = call('hook', run => $run);
    my $second = call('hook', run => $run, attempt => 1);

    is($second->{status}, 206, 'it is answered');
    is($second->{body}, $first->{body}, 'as the first one');
    is($target->count('/echo/hook'), $n + 1, 'the target was asked once');

    my $both = call('hook', run => $run, use_api => 1,
                    stack => [step_id('/echo/hook')]);
    is($both->{status}, 200, 'a memo that did not fit into the call');
    is_deeply($both->{json}, $first->{json}[0]{data}, 'is here as well');
    is($target->count('/echo/hook'), $n + 1, 'still once');
};


subtest 'a call that comes again waits for what is in flight' => sub {
    my $run = run_id();
    my $n = $target->count('/gate/slow');
    my @body = map { call_body(run => $run, attempt => $_) } 0, 1;
    my @open = map { ask_raw('slow', $body[$_]) } 0 .. 0;

    wait_for(10, 'the target is asked',
             sub { $target->count('/gate/slow') > $n });

    close shift @open;                  # the server's connection is cut
    push @open, ask_raw('slow', $body[1]);

    # nothing is asked while the step is out; a call that passes it proves
    # that the second one was handled by then
    is(call('hook', run => run_id())->{status}, 206, 'others pass');
    is($target->count('/gate/slow'), $n + 1, 'the step is not sent twice');

    $target->open('slow');
    my $answer = read_raw($open[0]);
    like($answer, qr{^HTTP/1.1 206 .*"op":"StepRun"}s,
         'the second call has the result of the first one');
    is($target->count('/gate/slow'), $n + 1, 'the target was asked once');
};


sub ask_raw {
    my ($function, $body) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $d->port) or die "connect: $!";
    print {$s} "POST /dev/inngest?fnId=nginx-api-$function&stepId=step "
        . "HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: "
        . length($body) . "\r\n\r\n$body";
    $s->flush;

    return $s;
}


sub read_raw { my ($s) = @_; local $/; return scalar <$s> }


subtest 'what failed is for the server to try again' => sub {
    my $run = run_id();
    my $n = $target->count('/status/500');
    my $r = call('fails', run => $run);

    is($r->{status}, 206, 'an op');
    is($r->{json}[0]{op}, 'StepError', 'an error');
    is($r->{json}[0]{error}{name}, 'ForwardError', 'with a name');
    like($r->{json}[0]{error}{message}, qr/HTTP 500/, 'and a message');
    is($r->{headers}{'x-inngest-no-retry'}, 'false', 'to be tried again');

    call('fails', run => $run);
    is($target->count('/status/500'), $n + 1,
       'the same attempt is not executed twice');

    $r = call('fails', run => $run, attempt => 1);
    is($target->count('/status/500'), $n + 2, 'the next one is');
    is($r->{json}[0]{op}, 'StepError', 'an error again');

    $r = call('fails', run => $run, attempt => 4);
    is($r->{json}[0]{op}, 'StepFailed', 'the last attempt is final');
    is($r->{headers}{'x-inngest-no-retry'}, 'true', 'and says so');

    my $memo = { step_id('/status/500') => { error => $r->{json}[0]{error} } };
    $r = call('fails', run => $run, steps => $memo);
    is("$r->{status} $r->{headers}{'x-inngest-no-retry'}", '400 true',
       'the function ends with the error of its step');
    is($r->{json}{name}, 'ForwardError', 'as it is');
};


subtest 'what cannot succeed is final at once' => sub {
    my $run = run_id();
    my $n = $target->count('/status/422');
    my $r = call('bad', run => $run);

    is($r->{json}[0]{op}, 'StepFailed', 'a status that is final');
    is($r->{headers}{'x-inngest-no-retry'}, 'true', 'is not tried again');
    is($r->{json}[0]{error}{data}{status}, 422, 'the answer is in the error');

    call('bad', run => $run, attempt => 1);
    is($target->count('/status/422'), $n + 1, 'not even when it is asked for');
};


subtest 'a target that is not there is a failed attempt' => sub {
    my $run = run_id();
    my @answers = map { call('nobody', run => $run, attempt => $_) } 0 .. 7;

    is($_->{json}[0]{op}, $_ == $answers[0] ? 'StepError' : $_->{json}[0]{op},
       'told at once') for $answers[0];
    is(scalar(grep { $_->{status} == 206 } @answers), 8,
       'however often: nothing is parked here');
};


subtest 'steps are planned and called one by one when the server asks' => sub {
    my $run = run_id();
    my $n = $target->count('/echo/hook');
    my $r = call('hook', run => $run, plan => 1);

    is($r->{json}[0]{op}, 'StepPlanned', 'it is planned');
    is($target->count('/echo/hook'), $n, 'and not executed');

    $r = call('hook', run => $run, step => step_id('/echo/hook'), plan => 1);
    is($r->{json}[0]{op}, 'StepRun', 'a call of the step runs it');

    $r = call('hook', run => run_id(), step => 'a' x 40);
    is($r->{status}, 500, 'a step that there is not');
    like($r->{json}{message}, qr/Could not find step/, 'is not found');
};


subtest 'what is no call is refused with a sentence' => sub {
    my $r = call('gone', run => run_id());
    is($r->{status}, 500, 'a function that there is not');
    like($r->{json}{message}, qr/no function "nginx-api-gone"/, 'is named');
    ok(!exists $r->{headers}{'x-inngest-no-retry'},
       'and may come back: it is tried again');

    for my $case ([ 'x', 'JSON object' ], [ '[]', 'JSON object' ],
                  [ '{}', '"ctx"' ], [ '{"ctx":{}}', 'run_id' ],
                  [ '{"ctx":{"run_id":"r"}}', '"event"' ],
                  [ '{"ctx":{"run_id":"r","attempt":"x"}}', 'attempts' ],
                  [ '{"ctx":{"run_id":"r"},"event":{},"steps":[]}', 'steps' ],
                  [ '{"ctx":{"run_id":"r"},"event":{},"version":7}',
                    'version' ])
    {
        $r = $d->http('POST', '/dev/inngest?fnId=nginx-api-hook', $case->[0]);
        is($r->{status}, 400, "$case->[0] is refused");
        like($r->{json}{message}, qr/\Q$case->[1]/, 'and why');
    }

    $r = $d->http('POST', '/dev/inngest?fnId=nginx-api-hook',
                  '{"ctx":{"run_id":"r"},"event":{}}');
    is($r->{status}, 400, 'an event that is no webhook');
    is($r->{headers}{'x-inngest-no-retry'}, 'true', 'will never be one');

    $r = $d->http('DELETE', '/dev/inngest');
    is("$r->{status} $r->{headers}{allow}", '405 GET, HEAD, POST, PUT',
       'other methods');
};


subtest 'a sync in band is the answer' => sub {
    my $at = 'https://shop.example.com/api/inngest';
    my $body = qq({"url":"$at"});
    my %in = ('X-Inngest-Sync-Kind' => 'in_band');
    my $r = signed('PUT', '/api/inngest', $body, %in);

    is($r->{status}, 200, 'it is answered');
    is($r->{headers}{'x-inngest-sync-kind'}, 'in_band', 'in band');
    is($r->{json}{app_id}, 'shop', 'who it is');
    is($r->{json}{url}, $at, 'where');
    is($r->{json}{sdk}, 'nginx:v0.1.0', 'with what');
    is($r->{json}{inspection}{authentication_succeeded}, JSON::PP::true,
       'introspection is in it');
    is(scalar @{$r->{json}{functions}}, 6, 'all functions');

    my ($f) = grep { $_->{id} eq 'shop-api-fails' } @{$r->{json}{functions}};
    is_deeply($f, { id => 'shop-api-fails', name => 'api-fails',
                    triggers => [{ event => 'event/api.webhooks.fails.action' }],
                    steps => { step => { id => 'step', name => 'step',
                        retries => { attempts => 2 },
                        runtime => { type => 'http',
                            url => "$at?fnId=shop-api-fails&stepId=step" } } },
                  }, 'a function as SDKs register it');

    ($f) = grep { $_->{id} eq 'shop-api-turn' } @{$r->{json}{functions}};
    is_deeply($f->{concurrency}, [{ limit => 1 }],
              'an ordered route has one run at a time');

    is($d->http('PUT', '/api/inngest', $body, \%in)->{status}, 401,
       'nobody else is answered');
    is(signed('PUT', '/api/inngest', '{"url":"http://a","x":1}', %in)
       ->{status}, 400, 'nor what says more');
};


subtest 'a sync out of band registers at the server' => sub {
    my $r = $d->http('PUT', '/dev/inngest', '');
    is($r->{status}, 500, 'without a server');
    like($r->{json}{message}, qr/127.0.0.1:$away cannot be reached/,
         'it says which');

    is($d->http('PUT', '/api/inngest', '')->{status}, 401,
       'in production the host is not believed without a signature');
};


is($d->alerts, '', 'the log is clean');
unlike(slurp($d->dir . '/error.log'), qr/$rest|$old|secret-events/,
       'no secret is in it');

$d->stop;


subtest 'conf.d: the location of the app, and the API behind a password' => sub {
    my $s = Durable->new(workers => 1, mode => 'production', http => <<"HTTP");
    durable_signing_key $key;
    durable_event_key events;
HTTP
    my ($dir, $port) = ($s->dir, $s->port);

    write_file("$dir/serve.key", "$old\n");
    write_file("$dir/users", "me:{PLAIN}word\n");
    write_file("$dir/bearer.conf", qq(set \$durable_bearer "Bearer $key";\n));

    for my $name (qw(serve durable-api)) {
        my $text = slurp("conf.d/$name.conf");
        $text =~ s{/etc/nginx/durable/}{$dir/}g;
        $text =~ s{127\.0\.0\.1:8288}{127.0.0.1:$port}g;
        $s->{server} .= $text;
    }

    $s->start;

    my $r = $s->http('GET', '/api/inngest');
    is("$r->{status} $r->{json}{mode}", '200 cloud', 'the app is there');

    is($s->http('GET', '/durable/api/v1/apps')->{status}, 401,
       'the API asks for a password');

    my %me = (Authorization => 'Basic bWU6d29yZA==');
    $r = $s->http('GET', '/durable/api/v1/apps', '', \%me);
    is($r->{status}, 200, 'with it it answers');
    is(ref $r->{json}{data}, 'ARRAY', 'as it always does');
    is($s->http('POST', '/durable/api/v1/cancellations', '{}', \%me)
       ->{status}, 403, 'but it changes nothing');

    is($s->alerts, '', 'the log is clean');
    $s->stop;
};


subtest 'nginx -t says what is wrong' => sub {
    my $store = 'durable_store DIR/store; durable_sidecar unix:DIR/s.sock;';
    my $dev = "$store durable_mode dev;";
    my $plain = Durable->new;
    my $dir = $plain->dir;

    for my $case (
        [ $dev, '', '' ],
        [ $store, "signing_key=$key", '' ],
        [ '', '', 'needs "durable_store"' ],
        [ 'durable_store DIR/store; durable_mode dev;', '',
          'needs "durable_sidecar"' ],
        [ $store, '', 'in production needs "signing_key="' ],
        [ $dev, 'app=a/b', 'is no name of an app' ],
        [ $dev, 'app=a app=b', '"app=" is duplicate' ],
        [ $dev, 'server=', '"server=" has no value' ],
        [ $dev, 'server=ftp://a', '"server=" is "http://host:port"' ],
        [ $dev, 'serve_origin=a.b', '"serve_origin=" is "http://host' ],
        [ $dev, 'signing_key=xyz', 'a signing key of "durable_serve"' ],
        [ $dev, "signing_key_fallback=$key", 'needs "signing_key="' ],
        [ $dev, 'signing_key=file:/nowhere', 'cannot be read' ],
        [ $dev, 'sing_key=secret', 'unknown option: "durable_serve" knows' ],
        [ $dev, '; durable_server', 'cannot share a location' ],
        [ $dev, '; durable_serve', 'is duplicate' ],
        [ $dev, "signing_key=$key; } location /b { durable_serve "
          . "signing_key=$old", 'is served with other keys elsewhere' ])
    {
        my ($http, $options, $wrong) = @$case;

        $http =~ s/DIR/$dir/g;
        write_file("$dir/nginx.conf", <<"CONF");
load_module @{[ Durable::build('ngx_http_durable_module.so') ]};
pid $dir/nginx.pid;
events {}
http {
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    $http
    server {
        listen 127.0.0.1:$away;
        location /a {
            durable_serve $options;
        }
    }
}
CONF
        my $binary = Durable::binary();
        my $said = `$binary -t -e $dir/error.log -c $dir/nginx.conf 2>&1`;

        if ($wrong eq '') {
            like($said, qr/test is successful/, "durable_serve $options");
            next;
        }

        like($said, qr/\[emerg\].*\Q$wrong\E/, "$options: $wrong");
        like($said, qr/nginx\.conf:\d+/, 'and where');
        unlike($said, qr/$rest|$old|=secret/, 'and no secret');
    }
};


done_testing();
