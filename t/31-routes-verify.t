# Copyright (C) the nginx-durable authors

# durable_verify: what is not signed is stored nowhere.  All vectors of all
# providers are in t/unit/verify_test.c; here is what the directive makes of
# them, with signatures of today.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(hmac_sha1_base64 hmac_sha1_hex hmac_sha256
    hmac_sha256_base64 hmac_sha256_hex sha256_hex);
use MIME::Base64 qw(decode_base64 encode_base64);
use Test::More;

use Durable qw(missing slurp wait_for);

plan skip_all => missing() if missing();


my $secret = 'test_secret_0123456789';
my $svix = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
my $discord =
    'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c';

my $d = Durable->new(workers => 1, log_level => 'info', http => <<"HTTP",
    log_format hooks '\$uri|\$status|\$durable_status';
HTTP
    server => <<"SERVER");
        access_log hooks.log hooks;

        durable_verify github file:SECRET;

        location = /github   { durable_route github; }
        location = /rotated  { durable_route r;
                               durable_verify github $secret old-secret; }
        location = /stripe   { durable_route s; durable_verify stripe $secret; }
        location = /narrow   { durable_route s;
                               durable_verify stripe $secret tolerance=30s; }
        location = /linear   { durable_route l; durable_verify linear $secret; }
        location = /slack    { durable_route k; durable_verify slack $secret; }
        location = /shopify  { durable_route f;
                               durable_verify shopify $secret; }
        location = /standard { durable_route w; durable_verify standard $svix; }
        location = /telegram { durable_route t;
                               durable_verify telegram $secret; }
        location = /twilio   { durable_route o url=https://example.com;
                               durable_verify twilio $secret; }
        location = /square   { durable_route q url=https://example.com;
                               durable_verify square $secret; }
        location = /front    { durable_route n; durable_verify front $secret; }
        location = /discord  { durable_route d;
                               durable_verify discord $discord; }
        location = /custom   { durable_route c;
                               durable_verify custom $secret
                                   algorithm=hmac-sha1 signature=X-Acme
                                   item=s "separator=;" assign=: encoding=base64
                                   timestamp=item:t unit=ms tolerance=1m
                                   id=X-Acme-Id signs=%m|%i|%t|%b
                                   dedupe=json:meta.id; }
        location = /override { durable_route v;
                               durable_verify telegram $secret;
                               durable_dedupe \$arg_id; }
        location = /never    { durable_route y;
                               durable_verify telegram $secret;
                               durable_dedupe off; }
        location = /bodies   { durable_route b; client_max_body_size 64m;
                               durable_verify github $secret; }
SERVER

Durable::write_file($d->dir . '/github.secret', "$secret\n");
$d->{server} =~ s/file:SECRET/'file:' . $d->dir . '\/github.secret'/e;
$d->start;


my $now = int time;


sub post {
    my ($path, $body, $headers) = @_;

    return $d->http('POST', $path, $body, $headers);
}


sub events {
    my ($connector) = @_;

    my $r = $d->http('GET', "/v1/events?limit=50&name="
                            . "event/api.webhooks.$connector.action");

    return @{$r->{json}{data}};
}


# One that is right is stored, the same with another body is not.
sub accepted {
    my ($path, $connector, $body, $headers, $what) = @_;

    my $before = events($connector);
    my $r = post($path, $body, $headers);

    is($r->{status}, 200, "$what: signed by its provider");
    diag($r->{body}) if $r->{status} != 200;
    is(events($connector) - $before, 1, "$what: it is stored");

    return;
}


sub refused {
    my ($path, $connector, $body, $headers, $why, $what) = @_;

    my $before = events($connector);
    my $r = post($path, $body, $headers);

    is($r->{status}, 401, "$what: is refused");
    like($r->{json}{error}, $why, "$what: and told why");
    is(events($connector), $before, "$what: nothing is stored");

    return;
}


subtest 'what is signed is accepted, what is not is 401' => sub {
    my $body = '{"action":"opened"}';
    my %good = ('X-Hub-Signature-256' => 'sha256='
                . hmac_sha256_hex($body, $secret), 'X-GitHub-Delivery' => 'g-1');

    accepted('/github', 'github', $body, \%good,
             'a secret in a file, inherited from the server');
    is((events('github'))[0]{id}, 'github:g-1',
       'the delivery is known by the id that GitHub gave it');

    refused('/github', 'github', "$body ", \%good, qr/signature is not right/,
            'another body');
    refused('/github', 'github', $body, {}, qr/no signature of github/,
            'no signature');
    refused('/github', 'github', $body, { 'X-Hub-Signature-256' => 'sha256='
            . hmac_sha256_hex($body, 'guess') }, qr/signature is not right/,
            'another secret');

    my $log = $d->error_log;
    like($log, qr/\[info\].*a webhook of "github" was refused: its signature is not right, client: 127\.0\.0\.1/,
         'the log says who was refused and why');
    unlike($log, qr/\Q$secret\E|opened/, 'but neither the secret nor the body');
    ok(wait_for(5, 'the line of the request', sub {
        slurp($d->dir . '/hooks.log') =~ m{^/github\|401\|unverified$}m
    }), '$durable_status says so');
};


subtest 'secrets may be rotated' => sub {
    for my $key ($secret, 'old-secret') {
        accepted('/rotated', 'r', 'x', { 'X-Hub-Signature-256' => 'sha256='
                 . hmac_sha256_hex('x', $key) }, $key eq $secret ? 'new'
                                                                 : 'old');
    }
};


subtest 'each provider signs in its own way' => sub {
    my $body = '{"id":"evt_1","event_id":"e-1"}';
    my ($id, $ms) = ('msg_1', $now * 1000);

    my %stripe = ('Stripe-Signature' => "t=$now,v1="
                  . hmac_sha256_hex("$now.$body", $secret));
    accepted('/stripe', 's', $body, \%stripe, 'stripe');
    is((events('s'))[0]{id}, 's:evt_1', 'an id may stand in the body');

    my $linear = qq({"webhookTimestamp":$ms});
    accepted('/linear', 'l', $linear,
             { 'Linear-Signature' => hmac_sha256_hex($linear, $secret) },
             'linear');

    my %slack = ('X-Slack-Request-Timestamp' => $now, 'X-Slack-Signature' =>
                 'v0=' . hmac_sha256_hex("v0:$now:$body", $secret));
    accepted('/slack', 'k', $body, \%slack, 'slack');

    accepted('/shopify', 'f', $body, { 'X-Shopify-Hmac-Sha256' =>
             hmac_sha256_base64($body, $secret) . '=' }, 'shopify');

    my $key = decode_base64($svix =~ s/^whsec_//r);
    accepted('/standard', 'w', $body, { 'webhook-id' => $id,
             'webhook-timestamp' => $now, 'webhook-signature' => 'v1,'
             . hmac_sha256_base64("$id.$now.$body", $key) . '=' },
             'Standard Webhooks');

    accepted('/telegram', 't', $body,
             { 'X-Telegram-Bot-Api-Secret-Token' => $secret }, 'telegram');
    refused('/telegram', 't', $body,
            { 'X-Telegram-Bot-Api-Secret-Token' => "${secret}x" },
            qr/signature is not right/, 'telegram, another token');

    my $url = 'https://example.com/twilio?a=1';
    accepted('/twilio?a=1', 'o', 'B=2&A=1', { 'Content-Type' =>
             'application/x-www-form-urlencoded', 'X-Twilio-Signature' =>
             hmac_sha1_base64("${url}A1B2", $secret) . '=' },
             'twilio, over the URL it knows');

    accepted('/square', 'q', $body, { 'X-Square-HmacSha256-Signature' =>
             hmac_sha256_base64("https://example.com/square$body", $secret)
             . '=' }, 'square, over the URL it knows');
};


subtest 'replays are refused' => sub {
    my $stripe = sub {
        my ($time) = @_;
        return { 'Stripe-Signature' => "t=$time,v1="
                 . hmac_sha256_hex("$time.{}", $secret) };
    };

    refused('/stripe', 's', '{}', $stripe->($now - 400), qr/seconds old/,
            'after five minutes');
    accepted('/narrow', 's', '{}', $stripe->($now), 'at once');
    refused('/narrow', 's', '{}', $stripe->($now - 60),
            qr/seconds old, more than 30/, 'where tolerance= is 30s');
};


subtest 'custom: a provider that is not in the table' => sub {
    my $ms = $now * 1000;
    my $body = '{"meta":{"id":77}}';
    my %headers = ('X-Acme-Id' => 'i-1', 'X-Acme' => "t:$ms; s:"
        . hmac_sha1_base64("POST|i-1|$ms|$body", $secret) . '=');

    accepted('/custom', 'c', $body, \%headers, 'its own rules');
    is((events('c'))[0]{id}, 'c:77', 'the id is where it says');
    refused('/custom', 'c', $body, { %headers, 'X-Acme-Id' => 'i-2' },
            qr/signature is not right/, 'another id');
    refused('/custom', 'c', $body, {}, qr/no signature of custom \(X-Acme\)/,
            'no signature');
};


subtest 'the id of a delivery may be another one, or none' => sub {
    my %token = ('X-Telegram-Bot-Api-Secret-Token' => $secret);

    post('/override?id=7', '{"update_id":1}', \%token);
    is((events('v'))[0]{id}, 'v:7', 'durable_dedupe wins');

    post('/never', '{"update_id":1}', \%token);
    unlike((events('y'))[0]{id}, qr/:/, 'durable_dedupe off');
};


subtest 'challenges are answered, and are no events' => sub {
    my $body = '{"type":"url_verification","challenge":"c-1"}';
    my %signed = ('X-Slack-Request-Timestamp' => $now, 'X-Slack-Signature' =>
                  'v0=' . hmac_sha256_hex("v0:$now:$body", $secret));
    my $before = events('k');

    my $r = post('/slack', $body, \%signed);
    is($r->{status}, 200, 'Slack asks whether the URL is ours');
    is($r->{body}, 'c-1', 'and reads its challenge');
    is($r->{headers}{'content-type'}, 'text/plain', 'as text');
    is(events('k'), $before, 'nothing is stored');

    is(post('/slack', $body, {})->{status}, 401,
       'it is not answered to anybody');

    my $ms = $now * 1000;
    $r = post('/front', '{}', { 'X-Front-Challenge' => 'f-1',
        'X-Front-Request-Timestamp' => $ms, 'X-Front-Signature' =>
        hmac_sha256_base64("$ms:{}", $secret) . '=' });
    is($r->{body}, 'f-1', "Front's challenge");
    is(events('n'), 0, 'is no event either');

    is(post('/discord', '{"type":1}', { 'X-Signature-Timestamp' => $now,
            'X-Signature-Ed25519' => '00' x 64 })->{status}, 401,
       'Discord probes with signatures that are wrong');

    is($d->http('HEAD', '/slack')->{status}, 200,
       'HEAD is answered without a signature');
};


subtest 'bodies in files are verified where they are' => sub {
    my $body = join '', map { "line $_\n" } 1 .. 300_000;
    my %good = ('X-Hub-Signature-256' => 'sha256='
                . hmac_sha256_hex($body, $secret));

    is(post('/bodies', $body, \%good)->{status}, 200, 'a large one');
    substr $body, 1_000_000, 1, 'X';
    is(post('/bodies', $body, \%good)->{status}, 401, 'with one byte changed');
};


is($d->alerts, '', 'the log is clean');
unlike($d->error_log, qr/\Q$secret\E/, 'no secret is in the log');
ok($d->stop, 'all of it stops when asked');

done_testing();
