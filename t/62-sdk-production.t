# Copyright (C) the nginx-durable authors

# Production mode: keys, and signatures that both majors of the SDK check.

use strict;
use warnings;

use Digest::SHA 'sha256_hex';
use Test::More;

use lib 't/helper', 't/sdk';
use Clients;
use Sdk;


my $signing_key = 'signkey-prod-'
    . 'f00dbabedeadbeef00112233445566778899aabbccddeeff0011223344556677';
my $other_key = 'signkey-prod-' . '00112233445566778899aabbccddeeff' x 2;


sub replay {
    my ($t, $call, $body, %headers) = @_;

    return $t->ask_app('POST', $call->{path}, $body,
                       { 'Content-Type' => 'application/json', %headers })
           ->{status};
}


sub signatures {
    my ($t, $event) = @_;

    my $run = $t->ended($event);

    is($run->{status}, 'Completed', 'a signed run completes');
    is_deeply([$t->steps($run->{run_id})], [qw(a b c)],
              'the steps that ran');

    my ($call) = grep { $_->{step} && $_->{step} eq 'step' }
        $t->notes(kind => 'request', run => $run->{run_id});
    my $signature = $call->{headers}{'x-inngest-signature'};

    like($signature, qr/^t=\d+&s=[0-9a-f]{64}$/, 'the signature of a call');

    my %signed = ('x-inngest-signature' => $signature);
    my $body = $call->{body};

    # One that checkpoints is told that the run has ended, and answers 400.
    like(replay($t, $call, $body, %signed), qr/^(?:206|400)$/,
         'the SDK accepts it');

    (my $tampered = $body) =~ s/"x":1/"x":2/g;
    isnt($tampered, $body, 'a body with another value');
    is(replay($t, $call, $tampered, %signed), 401, 'is refused');
    is(replay($t, $call, $body), 401, 'so is one without a signature');

    (my $moved = $signature) =~ s/t=(\d+)/'t=' . ($1 + 1)/e;
    is(replay($t, $call, $body, 'x-inngest-signature' => $moved), 401,
       'and one with another time');
}


sub keys_are_needed {
    my ($t, $event) = @_;

    my ($run) = $t->event_runs($event);
    my $path = "/v1/runs/$run->{run_id}";
    my $hash = 'signkey-prod-'
        . sha256_hex(pack 'H*', substr $signing_key, 13);

    my %want = (
        ''                     => 401,
        'Bearer'               => 401,
        'Bearer undefined'     => 401,
        "Bearer $other_key"    => 401,
        'Bearer signkey-prod-' => 401,
        "Bearer $signing_key"  => 200,
        "Bearer $hash"         => 200,
        "bearer $hash"         => 200,
    );

    for my $header (sort keys %want) {
        my $r = $t->api('GET', $path, undef, { Authorization => $header });
        is($r->{status}, $want{$header}, "GET with '$header'");
    }

    is($t->api('POST', '/fn/register', {}, {})->{status},
       401, 'registering needs the signing key');
    is($t->api('POST', '/e/wrong', { name => 'a' })->{status}, 401,
       'an event needs an event key');
    is($t->api('POST', '/e/wrong', { name => 'a' })->{json}{status}, 401,
       'the body says so too');
}


sub wrong_key {
    my ($t) = @_;

    $t->kill_app;
    $t->start_app(INNGEST_SIGNING_KEY => $other_key);

    my $r = $t->ask_app('PUT', '/api/inngest');
    isnt($r->{status}, 200, 'it cannot register');

    my $event = $t->fire('sdk/no-steps', { x => 1 });

    is($t->ended($event)->{status}, 'Failed', 'it refuses our calls');
}


sub fallback_key {
    my ($t) = @_;

    $t->kill_app;
    $t->start_app(INNGEST_SIGNING_KEY => $other_key,
                  INNGEST_SIGNING_KEY_FALLBACK => $signing_key);

    my $r = $t->ask_app('PUT', '/api/inngest');
    is($r->{status}, 200, 'it registers');

    my $event = $t->fire('sdk/sequence', { x => 1 });

    is($t->ended($event)->{status}, 'Completed', 'and runs');
}


for my $version ('v4', 'v3') {
    SKIP: {
        if (my $reason = Clients::missing($version)) {
            skip $reason, 1;
        }

        my $t = Sdk->start_all(sdk => $version,
                               event_key => 'test-event-key',
                               signing_key => $signing_key);

        my $event = $t->fire('sdk/sequence', { x => 1 });
        my $send = $t->fire('sdk/send-event');

        subtest "$version: a call is signed, and tampering shows" =>
            sub { signatures($t, $event) };
        subtest "$version: events sent inside of a run use the key" =>
            sub { is($t->ended($send)->{status}, 'Completed', 'it runs') };
        subtest "$version: nothing opens without a key" =>
            sub { keys_are_needed($t, $event) };
        subtest "$version: an app with another key stays outside" =>
            sub { wrong_key($t) };
        subtest "$version: an app whose fallback key fits is served" =>
            sub { fallback_key($t) };

        is($t->alerts, '', "$version: the error log is clean");
        ok($t->stop, 'nginx and the sidecar stop when asked');
    }
}

done_testing();
