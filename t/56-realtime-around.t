# Copyright (C) the nginx-durable authors

# Realtime with what nginx has around it: TLS, HTTP/2, limits of connections,
# subrequests that decide, and where there are no keys.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(hmac_sha256);
use JSON::PP ();
use MIME::Base64 qw(encode_base64url);
use Test::More;

use Durable qw(free_port missing wait_for);
use HttpClient;
use WebSocket;

plan skip_all => missing() if missing();

for (['openssl version', 'openssl'], ['curl --version', 'curl']) {
    my ($command, $name) = @$_;
    `$command 2>/dev/null`;
    plan skip_all => "there is no $name here" if $?;
}


my ($tls, $limited, $asked) = map { free_port() } 1 .. 3;
my $key = 'signkey-test-12345678';
my $d = Durable->new(workers => 2, mode => 'production', http => <<"HTTP");
    durable_event_key key;
    durable_signing_key $key;
    limit_conn_zone \$server_port zone=one:1m;

    server {
        listen 127.0.0.1:$tls ssl http2;
        ssl_certificate     cert.pem;
        ssl_certificate_key key.pem;
        location / { durable_server; }
    }

    server {
        listen 127.0.0.1:$limited;
        location / { durable_server; limit_conn one 1; }
    }

    server {
        listen 127.0.0.1:$asked;
        location / { durable_server; auth_request /may; }
        location = /may { internal; if (\$http_x_may != yes) { return 403; }
                          return 204; }
    }
HTTP

my $dir = $d->dir;

`openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout $dir/key.pem -out $dir/cert.pem 2>&1`;
is $?, 0, 'a certificate' or BAIL_OUT('openssl makes no certificate');

$d->start;

my $http = HttpClient->new(port => $d->port);
my %bearer = (Authorization => "Bearer $key");


sub token {
    return $http->request('POST', '/v1/realtime/token',
        '[{"channel":"c","name":"t"}]', \%bearer)->{json}{jwt};
}


sub path { return '/v1/realtime/connect?token=' . token() }


sub says {
    my ($text, $header) = @_;

    return $http->request('POST', '/v1/realtime/publish?channel=c&topic=t',
        $text, $header || \%bearer)->{status};
}

# -- keys

is $http->request('POST', '/v1/realtime/token', '[]')->{status}, 401,
    'in production a token is for those with the signing key';
is says(1, {}), 401, 'and so is publishing';
is says(1, { Authorization => 'Bearer ' . token() }), 401,
    'a token to listen with does not allow to publish';

my $claims = encode_base64url(JSON::PP->new->encode({ iss => 'rt.inngest.com',
    exp => time + 60, publish => JSON::PP::true(), topics => [] }));
my $signed = encode_base64url('{"alg":"HS256","typ":"JWT"}') . ".$claims";
(my $raw = $key) =~ s/signkey-test-//;

my $publish = "$signed." . encode_base64url(hmac_sha256($signed, $raw));
is says(1, { Authorization => "Bearer $publish" }), 200,
    'a token whose claim says so does';

my $old = encode_base64url(JSON::PP->new->encode({ iss => 'rt.inngest.com',
    exp => time - 1, topics => [ { channel => 'c', name => 't' } ] }));
$old = encode_base64url('{"alg":"HS256","typ":"JWT"}') . ".$old";
$old .= '.' . encode_base64url(hmac_sha256($old, $raw));
is(WebSocket->new(port => $d->port,
       path => "/v1/realtime/connect?token=$old")->status, 401,
   'one that has expired lets nobody in');

my $bearer = WebSocket->new(port => $d->port, path => '/v1/realtime/connect',
    send => { Authorization => 'Bearer ' . token() });
is $bearer->status, 101, 'a token may be a bearer';
$bearer->end;

# -- TLS and HTTP/2

my $ws = WebSocket->new(port => $tls, tls => 1, path => path());
is $ws->status, 101, 'a subscriber comes over TLS';

says($_) for 2 .. 50;
my @heard = map { my $m = $ws->json; $m ? $m->{data} : 'nothing' } 1 .. 50;
is_deeply \@heard, [ 1 .. 50 ], 'and hears all in order';

says('"' . 'x' x 400_000 . '"');
is length $ws->json(10)->{data}, 400_000, 'also what is large';
$ws->frame(8, pack 'n', 1000);
is $ws->closed->[0], 1000, 'and leaves in peace';
$ws->end;

SKIP: {
    skip 'this curl has no HTTP/2', 2
        if `curl --version` !~ /^Features:.*HTTP2/m;

    my $url = "https://127.0.0.1:$tls" . path();
    my $body = `curl -s -k --http2 -w ' %{http_code}' '$url'`;
    like $body, qr/over HTTP\/1\.1; over another version use .*sse.* 426\z/s,
        'over HTTP/2 the answer says what there is instead';

    $url =~ s/connect/sse/;
    my $pid = open my $events, '-|', 'curl', '-s', '-k', '-N', '--http2',
        '--max-time', 20, $url or die "curl: $!\n";

    my $line = '';
    while (defined($line = <$events>)) {
        last if $line =~ /^data: .*"data":50\}/;
    }
    like $line // '', qr/"data":50\}$/, 'which are Server-Sent Events';
    kill 'TERM', $pid;
    close $events;
}

# -- limits

my $first = WebSocket->new(port => $limited, path => path());
is $first->status, 101, 'limit_conn lets the first subscriber in';

my $second = WebSocket->new(port => $limited, path => path());
is $second->status, 503, 'and counts it as long as it is there';
like $second->body, qr/"error":/, 'with an error in JSON';
$first->end;

ok wait_for(10, 'room for another', sub {
    WebSocket->new(port => $limited, path => path())->status == 101;
}), 'when it is gone there is room for another';

is(WebSocket->new(port => $asked, path => path())->status, 403,
   'auth_request may refuse a subscriber');
is(WebSocket->new(port => $asked, path => path(), send => { 'X-May' => 'yes' })
       ->status, 101, 'or let it in');

is $d->alerts, '', 'the log is clean';
$d->stop;

done_testing();
