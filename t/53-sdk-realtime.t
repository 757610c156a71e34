# Copyright (C) the nginx-durable authors

# Realtime with the packages that people use: version 4 of the SDK by itself,
# version 3 with @inngest/realtime; in dev mode and with keys, and over a
# reload in the middle of what a run says.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper", "$FindBin::Bin/sdk";

use File::Copy 'copy';
use JSON::PP ();
use Test::More;

use Clients;
use Durable qw(build free_port missing node_bin npm_install slurp wait_for);
use HttpClient;

plan skip_all => missing() if missing();

# WebSocket is a global of node from version 22 on
my $node = node_bin(22);
die "node 22 is needed\n" if !$node && $ENV{CI};
plan skip_all => 'node 22 is needed' unless $node;

my $key = 'signkey-test-12345678';
my %packages = (
    v4 => ['inngest@4.24.0'],
    v3 => ['inngest@3.54.2', '@inngest/realtime@0.4.7'],
);


sub story {
    my ($d, $app, $id, $middle) = @_;

    $app->request('POST', "/begin?id=$id");

    my $heard = sub { $app->request('GET', "/heard?id=$id")->{json} || [] };

    if ($middle) {
        wait_for(20, 'the second word', sub { @{ $heard->() } >= 2 });
        $middle->();
    }

    eval {
        wait_for(60, 'the end of the story', sub {
            grep { $_->[0] eq 'end' || $_->[0] eq 'error' } @{ $heard->() };
        });
    };

    return $heard->();
}


for my $sdk (qw(v4 v3)) {
    my $home = build("sdk/realtime-$sdk");

    npm_install($home, @{ $packages{$sdk} });
    copy("t/sdk/$sdk/realtime.mjs", $home) or die "realtime.mjs: $!\n";

    for my $mode (qw(dev production)) {
        my $port = free_port();
        my $d = Durable->new(mode => $mode, workers => 2,
            apps => ["http://127.0.0.1:$port/api/inngest"],
            http => $mode eq 'dev' ? '' : "durable_event_key key;\n"
                . "    durable_signing_key $key;\n");

        my %clean = map { $_ => $ENV{$_} } grep { !/^INNGEST_/ } keys %ENV;
        local %ENV = (%clean, NO_COLOR => 1, PORT => $port,
            $mode eq 'dev' ? (INNGEST_DEV => $d->url)
                           : (INNGEST_DEV => 0, INNGEST_BASE_URL => $d->url,
                              NODE_ENV => 'production',
                              INNGEST_EVENT_KEY => 'key',
                              INNGEST_SIGNING_KEY => $key));

        my $pid = Durable::run_child('app', "$d->{dir}/app.log", $node,
                                     "$home/realtime.mjs");
        my $app = HttpClient->new(port => $port, timeout => 30);

        $d->start;
        wait_for(30, 'the app listens', sub {
            return $app->request('GET', '/heard')->{status} == 200;
        });
        wait_for(30, 'the app is synced', sub {
            return HttpClient->new(port => $d->port)->request('GET',
                '/v1/apps', undef, { Authorization => "Bearer $key" })
                ->{body} =~ /"realtime"/;
        });

        my $heard = story($d, $app, 1);

        is_deeply [ map { [ @$_[0, 1] ] } @$heard ],
            [ (map { [ 'words', { n => $_ } ] } 0 .. 4), [ 'end', 'done' ] ],
            "$sdk, $mode: a subscriber hears all that a run says, in order";
        is scalar(grep { !$_->[2] } @$heard), 0,
            "$sdk, $mode: each message names the run";

        if ($sdk eq 'v4') {
            is_deeply eval {
                wait_for(20, 'the end of the run', sub {
                    return $app->request('GET', '/ended?id=1')->{json};
                });
            }, { kind => 'run', data => 'told', own => JSON::PP::true },
                "$sdk, $mode: and the run's own channel says its result";
        }

        my $over = story($d, $app, 2, sub {
            kill 'HUP', $d->master_pid;
        });

        is_deeply [ map { $_->[0] eq 'end' ? 'end' : $_->[1]{n} } @$over ],
            [ 0 .. 4, 'end' ], "$sdk, $mode: so it does over a reload";

        Durable::end_process($pid, 'TERM', 5);
        is $d->alerts, '', "$sdk, $mode: the log is clean";
        diag slurp("$d->{dir}/app.log") if !Test::More->builder->is_passing;
        $d->stop;
    }
}

done_testing();
