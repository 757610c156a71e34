# Copyright (C) the nginx-durable authors

# Durable endpoints of the npm package inngest 4: clients that call a handler
# themselves, in dev mode and with keys.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper", "$FindBin::Bin/sdk";

use Test::More;

use File::Copy 'copy';
use JSON::PP ();

use Clients;
use Durable qw(build free_port node_bin wait_for);
use HttpClient;

if (my $reason = Clients::missing('v4')) {
    plan skip_all => $reason;
}

my $key = 'signkey-test-12345678';
my $home = build('sdk/v4');

copy('t/sdk/v4/endpoint.mjs', $home) or die "endpoint.mjs: $!\n";


# What the endpoint says in the end, and which steps ran for it.
sub ask {
    my ($d, $app, @request) = @_;

    my $r = $app->request(@request);
    my $how = $r->{status};

    if ($r->{status} == 302) {
        my ($path) = $r->{headers}{location} =~ m{^http://[^/]+(/.*)};
        $r = HttpClient->new(port => $d->port, timeout => 20)
                       ->request('GET', $path);
    }

    # What was called again is JSON of JSON.
    my $value = $r->{json};
    $value = JSON::PP->new->allow_nonref->decode($value)
        if defined $value && !ref $value && $value =~ /^[\["]/;

    return ($how, $r->{status}, $value,
            $app->request('GET', '/ran')->{json});
}


for my $mode ('dev', 'production') {
    my $d = Durable->new(mode => $mode, log_level => 'info',
        retry_interval => '200ms', http => $mode eq 'dev' ? '' :
        "durable_event_key key;\n    durable_signing_key $key;\n");
    my $port = free_port();

    $d->start;

    my %clean = map { $_ => $ENV{$_} } grep { !/^INNGEST_/ } keys %ENV;
    local %ENV = (%clean, NO_COLOR => 1, PORT => $port,
        $mode eq 'dev' ? (INNGEST_DEV => $d->url)
                       : (INNGEST_DEV => 0, INNGEST_BASE_URL => $d->url,
                          INNGEST_EVENT_KEY => 'key',
                          INNGEST_SIGNING_KEY => $key));

    my $pid = Durable::run_child('app', "$d->{dir}/app.log", node_bin(),
                                 "$home/endpoint.mjs");
    my $app = HttpClient->new(port => $port, timeout => 30);

    wait_for(20, 'the app listens', sub {
        return $app->request('GET', '/ran')->{status} == 200;
    });

    is_deeply([ask($d, $app, 'GET', '/plain')],
              [200, 200, ['a', 'b'], ['a', 'b']],
              "$mode: the client's own request runs all steps");

    is_deeply([ask($d, $app, 'GET', '/sleep?q=1')],
              [302, 200, ['before', 'after'], ['before', 'after']],
              "$mode: one that sleeps is sent away, and each step runs once");

    is_deeply([ask($d, $app, 'POST', '/sleep', '{"b": 1, "a": 2}')],
              [302, 200, ['before', 'after'], ['before', 'after']],
              "$mode: so is a POST with a body");

    my ($how, $status, $value, $ran) = ask($d, $app, 'GET', '/parallel');
    is_deeply([$how, $status, $value, [sort @$ran]],
              [302, 200, ['p1', 'p2', 'last'], ['last', 'p1', 'p2']],
              "$mode: parallel steps run once each");

    is_deeply([ask($d, $app, 'GET', '/flaky')],
              [302, 200, 'at last', ['flaky', 'flaky']],
              "$mode: a step that failed is tried again");

    is($d->alerts, '', "$mode: the error log is clean");
    ok($d->stop, "$mode: nginx and the sidecar stop when asked");
    Durable::end_process($pid, 'TERM', 5);
}

done_testing();
