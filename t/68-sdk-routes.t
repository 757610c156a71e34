# Copyright (C) the nginx-durable authors

# Webhooks for apps that listen themselves and forward what they get, as agent
# templates do, on both major versions of the npm package.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_hex);
use Test::More;

use lib 't/helper', 't/sdk';
use Clients;
use Durable qw(wait_for);
use Sdk;


my $secret = 'test_secret_0123456789';

my $locations = <<"SERVER";
        location /linear/         { durable_route;
                                    durable_verify github $secret; }
        location /webhooks/       { durable_route methods=GET,POST; }
        location = /stripe/events { durable_route stripe
                                        also=event/api.stripe.events; }
SERVER

for my $client ('v3', 'v4') {
    if (my $reason = Clients::missing($client)) {
        plan skip_all => $reason;
    }
}

play($_) for 'v3', 'v4';

done_testing();


sub play {
    my ($client) = @_;

    my $t = Sdk->new(sdk => $client, server => $locations);

    # a body says with which status it is answered; "once" is so once
    $t->{provider}{answer} = sub {
        my ($path, $header, $body) = @_;

        return ($body =~ /status=(\d+)/ ? "$1 as asked" : '200 OK',
                'text/plain', 'answer') if $body !~ /once/;

        my $before = grep { $_->{body} eq $body } $t->{provider}->requests;

        return ($before > 1 ? '200 OK' : '503 Busy', 'text/plain', '');
    };

    $t->{provider}->start;
    $t->start_app;
    $t->start;
    $t->wait_apps;

    subtest $client => sub { scenarios($t) };

    is($t->alerts, '', "$client: the log is clean");
    ok($t->stop, 'all of it stops when asked');

    return;
}


sub scenarios {
    my ($t) = @_;

    my $requests = sub {
        my ($path) = @_;
        return grep { $_->{path} eq $path } $t->{provider}->requests;
    };

    # the runs of the function that ended with the status
    my $ended = sub {
        my ($function, $n, $status) = @_;

        return wait_for(20, "$n of $function are $status", sub {
            my $r = $t->api('GET', "/v1/runs?function=sdk-$function"
                                   . "&status=$status");
            my @runs = @{$r->{json}{data}};
            return @runs == $n && \@runs;
        });
    };

    my $body = qq({"n": 1, "text": "\x{c3}\x{a4} \x{f0}\x{9f}\x{98}\x{80}"}\n);
    my %signed = ('X-Hub-Signature-256' => 'sha256='
                  . hmac_sha256_hex($body, $secret),
                  'X-GitHub-Delivery' => 'd-1');

    is($t->http('POST', '/linear/webhook?lost=1', $body,
                { %signed, 'Content-Type' => 'application/json; charset=utf-8',
                  Connection => 'keep-alive, X-Hop', 'X-Hop' => 1,
                  TE => 'trailers', 'Keep-Alive' => 'timeout=5',
                  'X-Note' => "caf\xe9" })->{status},
       200, 'a webhook of one segment');

    $ended->('api-linear', 1, 'Completed');
    my ($r) = $requests->('/linear/webhook');

    is($r->{method}, 'POST', 'is made again: its method');
    is($r->{body}, $body, 'its bytes');
    is($r->{headers}{'x-hub-signature-256'}, $signed{'X-Hub-Signature-256'},
       'its signature');
    is($r->{headers}{'content-type'}, 'application/json; charset=utf-8',
       'its type');
    is($r->{headers}{'x-note'}, "caf\xe9", 'bytes of its headers');
    is($r->{headers}{'x-forwarded-for'}, '127.0.0.1', 'who sent it');
    ok(!exists $r->{headers}{'x-hop'}, 'and nothing of its connection');

    $t->http('POST', '/linear/webhook', $body, \%signed) for 1 .. 2;
    $t->http('POST', '/linear/webhook', $body,
             { %signed, 'X-GitHub-Delivery' => 'd-2' });
    $ended->('api-linear', 2, 'Completed');
    is(scalar $requests->('/linear/webhook'), 2,
       'a delivery that is sent again is no second one');

    is($t->http('POST', '/linear/webhook', "$body ", \%signed)->{status}, 401,
       'one with another body is none');

    $t->http('POST', '/webhooks/slack/action', 'payload=%7B%7D',
             { 'Content-Type' => 'application/x-www-form-urlencoded' });
    $ended->('api-webhooks', 1, 'Completed');
    is(($requests->('/webhooks/slack/action'))[0]{body}, 'payload=%7B%7D',
       'the connector of a deeper path is its first segment');

    $t->http('GET', '/webhooks/slack/action');
    $ended->('api-webhooks', 2, 'Completed');
    is(($requests->('/webhooks/slack/action'))[-1]{method}, 'GET',
       'a GET has no body that fetch() would refuse');

    $t->http('POST', '/stripe/events', '{}');
    $ended->('api-stripe-events', 1, 'Completed');
    is(scalar $requests->('/stripe/events'), 1,
       'apps of the older form have their event as well');

    $t->http('POST', '/webhooks/slack/action', 'status=404');
    my $runs = $ended->('api-webhooks', 1, 'Failed');
    is(scalar(grep { $_->{body} eq 'status=404' }
              $requests->('/webhooks/slack/action')), 1,
       'a refusal is final');

    $t->http('POST', '/webhooks/slack/action', 'once');
    $ended->('api-webhooks', 3, 'Completed');
    is(scalar(grep { $_->{body} eq 'once' }
              $requests->('/webhooks/slack/action')), 2,
       'a target that is busy is asked again');

    return;
}
