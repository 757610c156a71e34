# Copyright (C) the nginx-durable authors

# stream() of Mastra's workflows, which needs realtime: @mastra/inngest 1.9 on
# version 4 of the SDK, 1.2 on version 3, whose results come by realtime only.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper", "$FindBin::Bin/sdk";

use File::Copy 'copy';
use Test::More;

use Durable qw(build free_port missing node_bin npm_install slurp wait_for);
use HttpClient;

plan skip_all => missing() if missing();

my $node = node_bin(22);
die "node 22 is needed\n" if !$node && $ENV{CI};
plan skip_all => 'node 22 is needed' unless $node;

my $key = 'signkey-test-12345678';

# The home of 1.9 is that of its other tests.  The last package of 1.2 is one
# that the SDK would take newer, and newer does not start beside the others.
my @lines = (
    { line => '1.9', home => 'mastra', packages => ['inngest@4.24.0',
        '@mastra/inngest@1.9.0', '@mastra/core@1.71.0', 'zod@4.6.7'] },
    { line => '1.2', home => 'mastra-1.2', packages => ['inngest@3.54.2',
        '@inngest/realtime@0.4.7', '@mastra/inngest@1.2.1',
        '@mastra/core@1.13.2', 'zod@4.6.7',
        '@opentelemetry/auto-instrumentations-node@0.82.0'] },
);


sub story {
    my ($app, $id, $middle) = @_;

    $app->request('POST', "/begin?id=$id");

    my $heard = sub { $app->request('GET', "/heard?id=$id")->{json} || {} };

    if ($middle) {
        wait_for(60, 'the first steps', sub {
            @{ $heard->()->{types} || [] } >= 4;
        });
        $middle->();
    }

    eval {
        wait_for(90, 'the end of the run', sub { $heard->()->{status} });
    };

    return $heard->();
}


for my $client (@lines) {
    my $line = $client->{line};
    my $home = build("sdk/$client->{home}");

    npm_install($home, @{ $client->{packages} });
    copy('t/sdk/mastra-stream/stream.mjs', $home)
        or die "stream.mjs: $!\n";

    for my $mode (qw(dev production)) {
        my $port = free_port();
        my $d = Durable->new(mode => $mode, workers => 2,
            apps => ["http://127.0.0.1:$port/api/inngest"],
            http => $mode eq 'dev' ? '' : "durable_event_key key;\n"
                . "    durable_signing_key $key;\n");

        my %clean = map { $_ => $ENV{$_} } grep { !/^INNGEST_/ } keys %ENV;
        local %ENV = (%clean, NO_COLOR => 1, PORT => $port, LINE => $line,
            $mode eq 'dev' ? (INNGEST_DEV => $d->url)
                           : (INNGEST_DEV => 0, INNGEST_BASE_URL => $d->url,
                              NODE_ENV => 'production',
                              INNGEST_EVENT_KEY => 'key',
                              INNGEST_SIGNING_KEY => $key));

        my $pid = Durable::run_child('app', "$d->{dir}/app.log", $node,
                                     "$home/stream.mjs");
        my $app = HttpClient->new(port => $port, timeout => 30);

        $d->start;
        wait_for(60, 'the app listens', sub {
            return $app->request('GET', '/heard')->{status} == 200;
        });
        wait_for(60, 'the app is synced', sub {
            return HttpClient->new(port => $d->port)->request('GET',
                '/v1/apps', undef, { Authorization => "Bearer $key" })
                ->{body} =~ /"mastra"/;
        });

        for my $reload (0, 1) {
            my $heard = story($app, $reload,
                $reload ? sub { kill 'HUP', $d->master_pid } : undef);
            my $how = "$line, $mode" . ($reload ? ', over a reload' : '');

            is $heard->{status}, 'success', "$how: a run that is streamed ends"
                or diag slurp("$d->{dir}/app.log");
            is_deeply $heard->{result}, { n => 4 }, "$how: with its result";

            my %seen = map { $_ => 1 } @{ $heard->{types} || [] };
            ok $seen{'workflow-step-result'}, "$how: its steps are heard";
            is scalar(grep { $_ eq 'workflow-step-result' }
                      @{ $heard->{types} }) >= 3, 1, "$how: all of them";
        }

        Durable::end_process($pid, 'TERM', 5);
        is $d->alerts, '', "$line, $mode: the log is clean";
        $d->stop;
    }
}

done_testing();
