# Copyright (C) the nginx-durable authors

# durable_route: what becomes of a request, and what nginx offers in such a
# location besides.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

use Durable qw(missing slurp wait_for);

plan skip_all => missing() if missing();


my $ulid = qr/[0-9A-HJKMNP-TV-Z]{26}/;

my $d = Durable->new(workers => 1, http => <<'HTTP', server => <<'SERVER');
    log_format hooks '$uri|$status|$durable_status|$durable_event_id'
                     '|$durable_run_id';
    limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;

    map $http_x_kind $kind { default ""; ~. $http_x_kind; }
HTTP
        access_log hooks.log hooks;

        location /linear/      { durable_route; }
        location = /api/github { durable_route; }
        location /webhooks/    { durable_route; }
        location ~ ^/any/(\w*) { durable_route $1; }
        location ~ \.hook$     { durable_route; }
        location = /told       { durable_route told also=webhooks;
                                 durable_dedupe $http_x_delivery; }
        location = /named      { durable_route named also=event/api.a.b; }
        location = /base       { durable_route base url=https://example.com/; }
        location = /variable   { durable_route x url=https://$host:8443; }
        location = /get        { durable_route get methods=GET,POST; }
        location = /dedupe     { durable_route dd;
                                 durable_dedupe $http_x_delivery; }
        location = /201        { durable_route a; durable_respond 201; }
        location = /204        { durable_route a; durable_respond 204; }
        location = /marked     { durable_route a;
                                 add_header X-Event $durable_event_id always;
                                 add_header X-Run $durable_run_id always;
                                 add_header X-Status $durable_status always; }

        location /secret/ {
            durable_verify   telegram top-secret;
            durable_respond  202;

            location /secret/one { durable_route one; }
            location /secret/two { durable_route two; durable_verify off;
                                   durable_respond 200; }
        }

        location = /limited { durable_route a; limit_req zone=one; }
        location = /denied  { durable_route a; deny all; }
        location = /private { durable_route a; auth_basic "hooks";
                              auth_basic_user_file users; }
        location = /small   { durable_route a; client_max_body_size 1k; }
        location = /big     { durable_route big; client_max_body_size 64m; }
        location = /real    { durable_route real; set_real_ip_from 127.0.0.1;
                              real_ip_header X-Real-IP; }
        location = /if      { durable_route if-one;
                              if ($kind = two) { durable_route if-two; }
                              if ($kind = set) { set $x 1; }
                              if ($kind = no) { return 403; } }
        location = /except  { durable_route except methods=GET,POST;
                              limit_except GET { deny 198.51.100.1; } }
SERVER

Durable::write_file($d->dir . '/users', "me:{PLAIN}secret\n");
$d->start;


sub post {
    my ($path, $body, $headers) = @_;

    return $d->http('POST', $path, $body, $headers);
}


# The events of a name that are stored now, the latest first.
sub events {
    my ($name) = @_;

    my $r = $d->http('GET', "/v1/events?name=$name&limit=50");
    die "$r->{status} $r->{body}\n" if $r->{status} != 200;

    return @{$r->{json}{data}};
}


sub latest {
    my ($connector) = @_;

    return (events("event/api.webhooks.$connector.action"))[0];
}


# The next line of the access log for the path, as fields; it is there when the
# client has its answer, or a little later.
my %lines;

sub logged {
    my ($uri) = @_;
    my @all;

    wait_for(5, "a line of $uri in the log", sub {
        @all = grep { index($_, "$uri|") == 0 }
               split /\n/, slurp($d->dir . '/hooks.log');
        return @all > ($lines{$uri} || 0);
    });

    $lines{$uri} = @all;

    return split /\|/, $all[-1], -1;
}


subtest 'a request becomes an event, and is answered when that is durable' =>
sub {
    my $r = post('/linear/webhook?team=1&x=%20', qq({"a": "\x{c3}\x{a9}\\n"}\n),
                 { 'Linear-Delivery' => 'd-1', Host => 'hooks.example.com',
                   'X-Forwarded-For' => '198.51.100.7' });

    is($r->{status}, 200, 'the provider is told at once');
    is($r->{body}, '', 'and nothing more than that');

    my @field = logged('/linear/webhook');
    is($field[2], 'accepted', 'the log says what became of it');
    like($field[3], qr/\A$ulid\z/, 'and the id of the event');
    is($field[4], '-', 'no function listens, so there is no run');

    my $e = latest('linear');

    is($e->{internal_id} || $e->{id}, $field[3], 'it is the event of the log');
    is($e->{name}, 'event/api.webhooks.linear.action',
       'its name has the connector, the first segment of the path');
    is($e->{data}{method}, 'POST', 'the method');
    is($e->{data}{body}, qq({"a": "\x{e9}\\n"}\n), 'the body as received');
    ok(!exists $e->{data}{bodyEncoding}, 'it is text');
    is($e->{data}{query}, 'team=1&x=%20', 'the query');
    is($e->{data}{remote}, '127.0.0.1', 'the address of the sender');
    is($e->{data}{url},
       'http://hooks.example.com/linear/webhook?team=1&x=%20', 'the URL');
    is($e->{data}{headers}{'linear-delivery'}, 'd-1', 'headers in lower case');
    is($e->{data}{headers}{'x-forwarded-for'}, '198.51.100.7, 127.0.0.1',
       'with the chain of proxies');
    is($e->{data}{headers}{'x-forwarded-host'}, 'hooks.example.com',
       'and the host that was asked');
    ok(!exists $e->{data}{headers}{'content-length'},
       'what fetch() would refuse is not there');
};


subtest 'the connector is the first segment, or what the directive says' =>
sub {
    for (['/api/github', 'github'], ['/webhooks/slack/action', 'webhooks'],
         ['/any/thing', 'thing'], ['/deep/x.hook', 'deep'],
         ['/api/deep/x.hook', 'deep'])
    {
        my ($path, $connector) = @$_;
        my $before = events("event/api.webhooks.$connector.action");

        is(post($path, '{}')->{status}, 200, "$path is accepted");
        is(events("event/api.webhooks.$connector.action") - $before, 1,
           "as $connector");
    }

    my $r = post('/any/', '{}');
    is($r->{status}, 404, 'a path without a connector is none');
    like($r->{json}{error}, qr/names no connector/, 'and says so');
    is((logged('/any/'))[2], 'refused', 'as the log does');
};


subtest 'both names of a webhook can be sent' => sub {
    my $before = events('event/api.webhooks.webhooks.action');

    is(post('/told', '{"n":1}', { 'X-Delivery' => 'd-1' })->{status}, 200,
       'one request');
    is(latest('told')->{data}{body}, '{"n":1}', 'is the event of its name');
    is(events('event/api.webhooks.webhooks.action') - $before, 1,
       'and that of the other one');
    is(latest('webhooks')->{data}{body}, '{"n":1}', 'with the same data');
    is(latest('webhooks')->{id}, 'told:d-1', 'and the same id');

    post('/named', '{"n":2}');
    is((events('event/api.a.b'))[0]{data}{body}, '{"n":2}',
       'the second one may be any name');
};


subtest 'the URL is that of the provider behind a proxy too' => sub {
    post('/base?a=1', '');
    my $e = latest('base');
    is($e->{data}{url}, 'https://example.com/base?a=1', 'a fixed one');
    is($e->{data}{headers}{'x-forwarded-proto'}, 'https',
       'x-forwarded-proto goes with it');

    post('/variable', '', { Host => 'h.example' });
    is(latest('x')->{data}{url}, 'https://h.example:8443/variable',
       'or one with variables');
};


subtest 'bodies of any kind arrive whole' => sub {
    my $binary = join '', map { chr } 0 .. 255;

    is(post('/linear/x', $binary)->{status}, 200, 'bytes');
    my $e = latest('linear');
    is($e->{data}{bodyEncoding}, 'base64', 'that are no text say so');
    is($e->{data}{body}, encode_base64($binary, ''), 'and are base64');

    post('/linear/x', "\0\x{c3}\x{a9}\"");
    is(latest('linear')->{data}{body}, "\0\x{e9}\"", 'U+0000 is text');

    post('/linear/x', '');
    is(latest('linear')->{data}{body}, '', 'an empty body is an empty string');

    # larger than client_body_buffer_size: nginx has it in a file
    my $large = join '', map { "line $_ \x{e2}\x{82}\x{ac}\n" } 1 .. 40_000;
    is(post('/big', $large)->{status}, 200, 'a large body in a file');
    my $text = latest('big')->{data}{body};
    utf8::encode($text);
    is(sha256_hex($text), sha256_hex($large), 'is the same in the event');

    substr $large, 100_000, 1, "\xff";
    is(post('/big', $large)->{status}, 200, 'one that is no text');
    is(latest('big')->{data}{body}, encode_base64($large, ''), 'is the same');

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $d->port);
    print {$socket} "POST /linear/x HTTP/1.1\r\nHost: a\r\n"
        . "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        . "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n";
    my $answer = join '', <$socket>;
    like($answer, qr{\AHTTP/1\.1 200 }, 'a chunked body');
    my $chunked = latest('linear');
    is($chunked->{data}{body}, 'abcdefg', 'is put together');
    ok(!exists $chunked->{data}{headers}{'transfer-encoding'},
       'and is no longer chunked');

    is(post('/big', 'x' x 17_000_000)->{status}, 413,
       'what is larger than durable_request_max_size is refused');
    is(post('/big', "\x01" x 4_000_000)->{status}, 413,
       'also as an event that would be');
};


subtest 'probes and methods' => sub {
    my $before = events('event/api.webhooks.linear.action');

    my $r = $d->http('HEAD', '/linear/webhook');
    is($r->{status}, 200, 'HEAD is answered');
    like(join('|', (logged('/linear/webhook'))[1, 2]), qr/\A200\|probe\z/, 'as a probe');

    $r = $d->http('GET', '/linear/webhook');
    is($r->{status}, 405, 'GET is not allowed');
    is($r->{headers}{allow}, 'HEAD, POST, PUT, PATCH, DELETE',
       'the answer says what is');

    $r = $d->http('OPTIONS', '/linear/webhook');
    is($r->{status}, 405, 'neither is OPTIONS');
    is(events('event/api.webhooks.linear.action'), $before,
       'none of these is an event');

    for my $method ('PUT', 'PATCH', 'DELETE') {
        is($d->http($method, '/linear/webhook', 'x')->{status}, 200, $method);
        is(latest('linear')->{data}{method}, $method, 'is an event');
    }

    is($d->http('GET', '/get?a=1')->{status}, 200, 'GET where it is listed');
    my $e = latest('get');
    is($e->{data}{method}, 'GET', 'is an event');
    ok(!exists $e->{data}{body}, 'without a body');
    is($d->http('PUT', '/get', '')->{status}, 405,
       'where others are not listed they are not allowed');
};


subtest 'a delivery is known by its id' => sub {
    for (1 .. 2) {
        is(post('/dedupe', '{}', { 'X-Delivery' => 'd-7' })->{status}, 200,
           'delivery d-7');
    }

    is(latest('dd')->{id}, 'dd:d-7',
       'the id of the event is that of the delivery, of this connector');

    post('/dedupe', '{}');
    like(latest('dd')->{id}, qr/\A$ulid\z/, 'without one it has its own');

    post('/dedupe', '{}', { 'X-Delivery' => 'x' x 1000 });
    like(latest('dd')->{id}, qr/\Add:[0-9a-f]{64}\z/,
         'a long one is told by its hash');
};


subtest 'the answer is what the directive says' => sub {
    is(post("/201", "")->{status}, 201, "201 Created");
    my $r = post('/204', '');
    is($r->{status}, 204, "204 No Content");
    ok(!exists $r->{headers}{'content-length'}, 'without a body');

    $r = post('/marked', '');
    like($r->{headers}{'x-event'}, qr/\A$ulid\z/,
         'headers may have the id of the event');
    is($r->{headers}{'x-status'}, 'accepted', 'and what became of it');
    ok(!exists $r->{headers}{'x-run'}, 'what is not known is not there');
};


subtest 'directives are inherited, and may be changed' => sub {
    is(post('/secret/one', '')->{status}, 401, 'a location inside verifies');
    is(post('/secret/one', '',
            { 'X-Telegram-Bot-Api-Secret-Token' => 'top-secret' })->{status},
       202, 'and answers as the one around it');
    is(post('/secret/two', '')->{status}, 200, 'another one has its own');
};


subtest 'what nginx does before is done' => sub {
    my $stored = events('event/api.webhooks.a.action');

    is(post('/denied', '{}')->{status}, 403, 'deny');
    my $r = post('/denied', '{}');
    is_deeply($r->{json}, { status => 403,
        error => 'access is forbidden by the configuration of this server' },
        'with an error in JSON');
    is((logged('/denied'))[2], '-', 'it never was a webhook');

    is(post('/private', '{}')->{status}, 401, 'auth_basic');
    is(post('/private', '{}',
            { Authorization => 'Basic bWU6c2VjcmV0' })->{status}, 200,
       'with the password');

    is(post('/small', 'x' x 1025)->{status}, 413, 'client_max_body_size');
    is(post('/small', 'x' x 1024)->{status}, 200, 'up to it');

    my @status = map { post('/limited', '{}')->{status} } 1 .. 2;
    is("@status", '200 503', 'limit_req');

    is(events('event/api.webhooks.a.action') - $stored, 3,
       'what was refused is not stored');

    post('/real', '{}', { 'X-Real-IP' => '198.51.100.9' });
    is(latest('real')->{data}{remote}, '198.51.100.9', 'realip');
};


subtest 'if and limit_except are their location' => sub {
    for (['', 'if-one'], ['two', 'if-two'], ['set', 'if-one']) {
        my ($kind, $connector) = @$_;
        my $before = events("event/api.webhooks.$connector.action");

        is(post('/if', '{}', { 'X-Kind' => $kind })->{status}, 200,
           "\"$kind\" is accepted");
        is(events("event/api.webhooks.$connector.action") - $before, 1,
           "as $connector");
    }

    is(post('/if', '{}', { 'X-Kind' => 'no' })->{status}, 403, 'or not');
    is(post('/except', '{}')->{status}, 200, 'limit_except');
    is(latest('except')->{data}{method}, 'POST', 'is the location as well');
};




is($d->alerts, '', 'the log is clean');
ok($d->stop, 'all of it stops when asked');

done_testing();
