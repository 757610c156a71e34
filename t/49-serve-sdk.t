# Copyright (C) the nginx-durable authors

# nginx as an app beside an app of the npm SDK with the same functions: a
# server that asks both for the same gets the same answer, but for what is
# listed here.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper", "$FindBin::Bin/sdk";

use Digest::SHA qw(hmac_sha256_hex sha1_hex);
use JSON::PP ();
use Test::More;

use Clients;
use Durable qw(free_port slurp wait_for);
use DurableTarget;
use HttpClient;

my $reason = Clients::missing('v4');
plan skip_all => $reason if $reason;


my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $rest = 'f00dbabedeadbeef' x 4;
my $key = "signkey-prod-$rest";
my $old = 'signkey-prod-' . '0011223344556677' x 4;

my $target = DurableTarget->start;
my $url = $target->{url};
my $port = free_port();

my $d = Durable->new(workers => 1, server => <<"SERVER");
        location = /api/inngest {
            durable_serve app=shop server=$url signing_key=$key
                          signing_key_fallback=$old event_key=events;
        }
        location = /bad   { durable_route bad;   durable_retries 2;
                            durable_forward $url/status/422; }
        location = /fails { durable_route fails; durable_retries 2;
                            durable_forward $url/status/500; }
        location = /hook  { durable_route hook;  durable_retries 2;
                            durable_forward $url/echo/hook; }
SERVER

my $sdk = start_sdk();
$d->start;

my %client = (nginx => HttpClient->new(port => $d->port),
              sdk => HttpClient->new(port => $port));


sub start_sdk {
    my ($node, $app) = Clients::command(Clients::client('v4'));
    my $log = $d->dir . '/app.log';

    $app =~ s/app\.mjs\z/serve.mjs/;

    my %clean = map { $_ => $ENV{$_} } grep { !/^INNGEST_/ } keys %ENV;
    local %ENV = (%clean, NO_COLOR => 1, PORT => $port, TARGET => $url,
                  INNGEST_DEV => 0, INNGEST_BASE_URL => $url,
                  INNGEST_EVENT_KEY => 'events',
                  INNGEST_SIGNING_KEY => $key,
                  INNGEST_SIGNING_KEY_FALLBACK => $old);

    my $pid = Durable::run_child('sdk', $log, $node, $app);

    wait_for(30, 'the app listens', sub {
        die 'the app ended: ' . slurp($log) . "\n"
            unless Durable::alive($pid);
        return slurp($log) =~ /listening/;
    });

    return $pid;
}


# The same request to both.
sub both {
    my ($method, $uri, $body, %headers) = @_;
    my $at = time;

    my %signed = ('Content-Type' => 'application/json', Host => 'shop.test',
                  'X-Inngest-Signature' =>
                      "t=$at&s=" . hmac_sha256_hex($body . $at, $rest),
                  %headers);

    return map { $_ => $client{$_}->request($method, $uri, $body, \%signed) }
           qw(nginx sdk);
}


sub type {
    my ($v) = @_;

    return 'null' unless defined $v;
    return ref $v if ref $v;
    return $json->encode($v) =~ /\A"/ ? 'string' : 'number';
}


# Each member of the SDK's is there, with the same type.
sub same_shape {
    my ($what, $got, $want, @except) = @_;
    my %except = map { $_ => 1 } @except;

    for my $name (sort keys %$want) {
        next if $except{$name};
        is(type($got->{$name}), type($want->{$name}), "$what: $name");
    }

    return;
}


sub inngest_headers {
    my ($r) = @_;

    return { map { $_ => $r->{headers}{$_} }
             grep { /^(?:x-inngest-|retry-after|content-type\z)/ }
             keys %{$r->{headers}} };
}


# What is of each alone.
sub same_headers {
    my ($nginx, $other) = @_;
    my ($got, $want) = map { inngest_headers($_) } $nginx, $other;

    for my $name (qw(x-inngest-sdk x-inngest-framework)) {
        ok(length $got->{$name}, "$name is there")
            if defined $want->{$name};
        delete $_->{$name} for $got, $want;
    }

    for my $pair ([ nginx => $got, $nginx ], [ sdk => $want, $other ]) {
        my $signature = delete $pair->[1]{'x-inngest-signature'} || '';
        my ($at) = $signature =~ /t=(\d+)/;
        is($signature, 't=' . ($at || 0) . '&s='
           . hmac_sha256_hex($pair->[2]{body} . ($at || 0), $rest),
           "$pair->[0] signs its answer");
    }

    s/;.*// for grep { defined } $got->{'content-type'},
                                 $want->{'content-type'};

    is_deeply($got, $want, 'the headers are the same')
        or diag explain [$got, $want];

    return;
}


sub event {
    my ($connector) = @_;

    return { id => '1', name => "event/api.webhooks.$connector.action",
             ts => 1, user => {}, data => { method => 'POST', body => 'hello',
                                            headers => { 'x-a' => 'b' } } };
}


my $runs = 0;

sub run_id { return sprintf '01J0000000000000000%07d', ++$runs }

sub call {
    my ($connector, %with) = @_;
    my $event = event($connector);
    my $run = $with{run} || run_id();

    return both('POST', "/api/inngest?fnId=shop-api-$connector&stepId="
                . ($with{step} || 'step'), $json->encode({
        ctx => { attempt => $with{attempt} || 0, env => '', fn_id => 'f',
                 disable_immediate_execution => $with{plan} ? \1 : \0,
                 max_attempts => 3, qi_id => $run . ($with{attempt} || 0),
                 run_id => $run, step_id => $with{step} || 'step',
                 stack => { current => 0, stack => $with{stack} || [] },
                 use_api => \0 },
        event => $event, events => [$event], steps => $with{steps} || {},
        use_api => \0, version => 2,
    }));
}


sub step_id { return sha1_hex("forward request to $url$_[0]") }


subtest 'introspection' => sub {
    my %r = both('GET', '/api/inngest', '');

    is($_->{status}, 200, 'it is answered') for @r{qw(nginx sdk)};

    my ($got, $want) = map { $_->{json} } @r{qw(nginx sdk)};
    same_shape('introspection', $got, $want, 'serve_path');

    # what names the SDK, and what it can do
    delete @$_{qw(capabilities extra framework sdk_language sdk_version
                  has_signing_key_fallback serve_path)} for $got, $want;
    is_deeply($got, $want, 'says the same')
        or diag explain [$got, $want];

    %r = both('GET', '/api/inngest', '', 'X-Inngest-Signature' => 't=1&s=ab');
    is($r{sdk}{status}, 401, 'the SDK refuses who has no key');
    is($r{nginx}{json}{authentication_succeeded}, JSON::PP::false,
       'nginx says that there is one, as the SDKs of Go and Python do');
};


subtest 'a sync in band' => sub {
    my $at = 'https://shop.example.com/api/inngest';
    my %r = both('PUT', '/api/inngest', qq({"url":"$at"}),
                 'X-Inngest-Sync-Kind' => 'in_band');
    my ($got, $want) = map { $_->{json} } @r{qw(nginx sdk)};

    is($r{nginx}{status}, $r{sdk}{status}, 'the status');
    same_headers($r{nginx}, $r{sdk});
    same_shape('sync', $got, $want, qw(featureObservations));

    my %by = map { $_->{id} => $_ } @{$want->{functions}};
    is_deeply({ map { $_->{id} => $_ } @{$got->{functions}} }, \%by,
              'the functions are the same')
        or diag explain [$got->{functions}, $want->{functions}];
    is($got->{app_id}, $want->{app_id}, 'so is the app');
    is($got->{url}, $want->{url}, 'and where it is');
};


subtest 'a sync out of band' => sub {
    my (%sent, %answer);

    for my $name (qw(sdk nginx)) {
        my $at = time;
        $answer{$name} = $client{$name}->request('PUT', '/api/inngest', '{}', {
            Host => 'shop.test', 'Content-Type' => 'application/json',
            'X-Inngest-Server-Kind' => 'cloud',
            'X-Inngest-Signature' => "t=$at&s="
                                     . hmac_sha256_hex('{}' . $at, $rest) });

        my ($head, $body) = split /\r\n\r\n/,
                            $target->request('/fn/register'), 2;
        $sent{$name} = { json => $json->decode($body),
            map { my ($k, $v) = split /: */, $_, 2; (lc $k => $v) }
            grep { /:/ } split /\r\n/, $head };
    }

    is($sent{nginx}{$_}, $sent{sdk}{$_}, "the request has $_")
        for qw(authorization content-type x-inngest-expected-server-kind
               x-inngest-sync-kind);

    my ($got, $want) = map { $_->{json} } @sent{qw(nginx sdk)};
    same_shape('payload', $got, $want, 'featureObservations');

    # each is called where it was asked
    my @both = map { $_->{json}{functions} } @sent{qw(nginx sdk)};
    @$_ = sort { $a->{id} cmp $b->{id} } @$_ for @both;
    $_->{steps}{step}{runtime}{url} =~ s{^https?://[^/]*}{} for map { @$_ } @both;
    is_deeply(@both, 'the same functions');
    is($got->{url} =~ s{^https?://[^/]*}{}r, $want->{url}
       =~ s{^https?://[^/]*}{}r, 'at the same path');

    is($answer{$_}{status} >= 400, 1, "$_ tells that it was refused")
        for qw(nginx sdk);
};


subtest 'a step that is run' => sub {
    my %r = call('hook');
    my ($got, $want) = map { $_->{json}[0] } @r{qw(nginx sdk)};

    is($r{nginx}{status}, $r{sdk}{status}, 'the status');
    same_headers($r{nginx}, $r{sdk});
    is(scalar @{$r{nginx}{json}}, 1, 'one op');
    same_shape('op', $got, $want);
    is_deeply($got->{$_}, $want->{$_}, $_)
        for qw(op id name displayName opts userland);
    is($got->{data}{status}, $want->{data}{status}, 'what it brought');

    my $memo = { step_id('/echo/hook') => { data => { a => 1 } } };
    %r = call('hook', steps => $memo, stack => [step_id('/echo/hook')]);
    is($r{nginx}{status}, $r{sdk}{status}, 'then the function ends');
    same_headers($r{nginx}, $r{sdk});
    is_deeply($r{nginx}{json}, $r{sdk}{json}, 'with the same');
};


subtest 'a step that is planned' => sub {
    my %r = call('hook', plan => 1);

    is($r{nginx}{status}, $r{sdk}{status}, 'the status');
    same_headers($r{nginx}, $r{sdk});
    is_deeply($r{nginx}{json}, $r{sdk}{json}, 'the op')
        or diag explain [$r{nginx}{json}, $r{sdk}{json}];

    %r = call('hook', plan => 1, step => step_id('/echo/hook'));
    is($r{nginx}{json}[0]{op}, $r{sdk}{json}[0]{op}, 'and then called');
};


for my $case ([ 'that failed', 'fails', 0, '/status/500' ],
              [ 'that failed for the last time', 'fails', 2, '/status/500' ],
              [ 'that cannot succeed', 'bad', 0, '/status/422' ])
{
    my ($what, $connector, $attempt, $path) = @$case;

    subtest "a step $what" => sub {
        my %r = call($connector, attempt => $attempt);
        my ($got, $want) = map { $_->{json}[0] } @r{qw(nginx sdk)};

        is($r{nginx}{status}, $r{sdk}{status}, 'the status');
        same_headers($r{nginx}, $r{sdk});
        is($got->{$_}, $want->{$_}, $_) for qw(op id name displayName);
        like($got->{error}{message}, qr/the target answered/, 'a message');

        my $memo = { step_id($path) => { error => { name => 'ForwardError',
                                                    message => 'no' } } };
        %r = call($connector, steps => $memo, stack => [step_id($path)]);
        is($r{nginx}{status}, $r{sdk}{status}, 'then the function fails');
        same_headers($r{nginx}, $r{sdk});
        is($r{nginx}{json}{message}, $r{sdk}{json}{message},
           'with the error of the step');
    };
}


subtest 'what cannot be called' => sub {
    my %r = call('gone');
    is($r{nginx}{status}, $r{sdk}{status}, 'an unknown function');

    %r = both('POST', '/api/inngest?fnId=shop-api-hook&stepId=step', '{}',
              'X-Inngest-Signature' => 't=1&s=ab');
    is($r{nginx}{status}, $r{sdk}{status}, 'who has no key');
};


$d->stop;
kill 'TERM', $sdk;
waitpid $sdk, 0;

done_testing();
