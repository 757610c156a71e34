#!/usr/bin/env perl

# Copyright (C) the nginx-durable authors

# make bench: one table, measured on loopback with the store on disk and every
# commit synced, beside what stock nginx and LMDB alone do on this machine.
#
#   BENCH_RUNS=100000   runs of the memory and cost rows (make bench RUNS=)
#   BENCH_SECONDS=5     time of each row that is measured by time
#   BENCH_WORKERS=1,2   worker_processes, one table each
#   BENCH_LARGE=1       also the start on a store with BENCH_FINISHED=1000000
#                       ended and BENCH_SLEEPING=10000 sleeping runs
#   BENCH_DIR=DIR       where stores are made (default: under build)
#   BENCH_ONLY=WORD     only the rows of one group: accept, runs, backlog,
#                       checkpoint, alone, wake, waits, forward, workflow,
#                       webhook, large, serve, cron, flow, cost, start,
#                       future, realtime, dashboard, bulk, lists
#   BENCH_WAITING=100000  runs that wait for an event
#   BENCH_LIMIT=1800    seconds after which a single measurement is given up
#   BENCH_STRICT=1      fail when a row of the first table misses its "must"

use strict;
use warnings;

use Digest::SHA 'hmac_sha256_hex';
use File::Path qw(make_path remove_tree);
use File::Spec;
use FindBin;
use IO::Socket::INET;
use POSIX ();
use POSIX 'strftime';
use Time::HiRes ();
use lib $FindBin::Bin, "$FindBin::Bin/../helper";

use Bench;
use Durable qw(build slurp wait_for write_file);
use HttpClient;

my $runs = $ENV{BENCH_RUNS} || 100_000;
my $seconds = $ENV{BENCH_SECONDS} || 5;
my @workers = split /,/, $ENV{BENCH_WORKERS} || '1,2';
my $finished = $ENV{BENCH_FINISHED} || 1_000_000;
my $sleeping = $ENV{BENCH_SLEEPING} || 10_000;
my $backlog = $ENV{BENCH_BACKLOG} || 20_000;
my $waiting = $ENV{BENCH_WAITING} || 100_000;
my $limit = $ENV{BENCH_LIMIT} || 1800;
my $secret = 'test_secret_0123456789';
my $dir = File::Spec->rel2abs($ENV{BENCH_DIR} || build('bench/run'));

# What each row has to reach, and what it aims at.  'up': more is better.
my %goal = (
    events   => ['up', 25_000, 45_000],
    arrays   => ['up', 80_000, 200_000],
    accept   => ['down', 0.45, 0.38],
    one      => ['up', 4_000, 8_000],
    three    => ['up', 2_500, 5_000],
    all      => ['up', 4_000, 8_000],
    told     => ['up', 2_000, 4_000],
    sdk      => ['down', 3, 2.2],
    backlog  => ['up', 2_500, 5_000],
    flow     => ['up', 60, 85],
    alone    => ['down', 1.6, 1.2],
    wake     => ['down', 3, 1.5],
    match    => ['down', 4, 2],
    none     => ['up', 80, 95],
    cel      => ['up', 1_000_000, 2_000_000],
    forward  => ['up', 3_000, 6_000],
    workflow => ['up', 2_000, 4_500],
    plan     => ['up', 100_000, 500_000],
    webhook  => ['up', 18_000, 35_000],
    large    => ['down', 4, 2],
    sent     => ['down', 4, 2],
    serve    => ['up', 2_000, 5_000],
    enqueue  => ['down', 2.5, 1.5],
    pick     => ['down', 2.5, 1.5],
    publish  => ['up', 10_000, 30_000],
    hear     => ['down', 1, 0.4],
    hear99   => ['down', 5, 2],
    listener => ['down', 16, 8],
    listened => ['up', 95, 98],
    watched  => ['up', 95, 98],
    bulk     => ['up', 90, 97],
    idle     => ['down', 40, 25],
    after    => ['down', 80, 40],
    start    => ['down', 300, 50],
    list     => ['down', 30, 15],
    tree     => ['down', 50, 25],
    cron     => ['down', 2_000, 1_000],
);

my %base;                       # stock nginx and LMDB alone
my ($met, $missed) = (0, 0);


# ---- the programs

sub program {
    my ($name, @arguments) = @_;

    my $command = join ' ', 'timeout', $limit, build("bench/$name"),
        @arguments;
    my $line = `$command`;

    die "$command: failed with status " . ($? >> 8) . "\n" if $?;

    return { $line =~ /(\w+)=([\d.]+)/g };
}


sub load {
    my ($server, $mode, @arguments) = @_;

    push @arguments, '-A', $server->{app_address} if $mode ne 'post';

    my $r = program('load', $mode, '-s', $server->address, @arguments);

    die "the server refused $r->{refused} of $r->{posted} requests\n"
        if $r->{refused};

    return $r;
}


# ---- the table

sub title {
    printf "\n%s\n%-40s %10s %-8s %9s %9s %9s %9s\n", $_[0], '', 'measured',
        '', 'must', 'aim', 'of nginx', 'of LMDB';
}


sub figure {
    my ($value) = @_;

    return '-' unless defined $value;

    return sprintf $value < 10 ? '%.2f' : $value < 100 ? '%.1f' : '%.0f',
        $value;
}


# of nginx, of LMDB: the measured value divided by that of stock nginx
# (same connections) and of a loop of synced LMDB commits of one event.
sub row {
    my ($key, $name, $value, $unit, $nginx, $lmdb) = @_;

    my ($must, $aim) = (undef, undef);
    my $note = '';

    if ($goal{$key}) {
        my $way = $goal{$key}[0];
        ($must, $aim) = @{$goal{$key}}[1, 2];

        if ($way eq 'up' ? $value < $must : $value > $must) {
            $note = '  MISSED';
            $missed++;

        } else {
            $note = '  aim'
                if $way eq 'up' ? $value >= $aim : $value <= $aim;
            $met++;
        }
    }

    printf "%-40s %10s %-8s %9s %9s %9s %9s%s\n", $name, figure($value),
        $unit, figure($must), figure($aim),
        $nginx ? sprintf('%.3fx', $value / $nginx) : '-',
        $lmdb ? sprintf('%.2fx', $value / $lmdb) : '-', $note;
}


# ---- what everything is compared with

sub measure_stock {
    my ($workers) = @_;

    my $server = Bench->start_stock(workers => $workers, dir => $dir);

    $base{nginx} = load($server, 'post', '-c', 64, '-t', $seconds)->{rate};
    $base{nginx_alone} =
        load($server, 'post', '-c', 1, '-t', $seconds)->{p50_us} / 1000;

    $server->end;

    row('', 'nginx `return 200`, 64 connections', $base{nginx}, 'req/s');
    row('', 'nginx `return 200`, 1 connection, p50', $base{nginx_alone},
        'ms');
}


sub measure_lmdb {
    for my $events (1, 64) {
        my $r = program('commit', $dir, $seconds, $events);
        unlink "$dir/data.mdb", "$dir/lock.mdb";

        if ($events == 1) {
            $base{commits} = $r->{commits};
            $base{commit_ms} = $r->{p50_us} / 1000;
        }

        row('', "LMDB, synced commits of $events event(s)", $r->{events_s},
            'events/s');
        row('', "LMDB, one commit of $events event(s), p50",
            $r->{p50_us} / 1000, 'ms');
    }
}


# ---- the groups of rows; each gives back its last server

sub measure_accept {
    my ($workers) = @_;

    my $server = start($workers, closed => 1);

    my $r = load($server, 'post', '-c', 1, '-t', $seconds);
    row('accept', 'event accepted, 1 connection, p50', $r->{p50_us} / 1000,
        'ms', $base{nginx_alone}, $base{commit_ms});
    row('', 'event accepted, 1 connection, p99', $r->{p99_us} / 1000, 'ms',
        undef, $base{commit_ms});

    $r = load($server, 'post', '-c', 64, '-t', $seconds);
    row('events', 'durable events, 64 connections', $r->{rate}, 'events/s',
        $base{nginx}, $base{commits});
    row('', 'the same, p99 of a request', $r->{p99_us} / 1000, 'ms');

    finish($server);
    $server = start($workers, closed => 1);

    $r = load($server, 'post', '-c', 64, '-a', 20, '-t', $seconds);
    row('arrays', 'durable events, arrays of 20', $r->{rate}, 'events/s',
        $base{nginx}, $base{commits});
    row('', 'the same, p99 of a request', $r->{p99_us} / 1000, 'ms');
}


sub measure_runs {
    my ($workers) = @_;

    my $server = start($workers);

    for my $function ('one', 'three') {
        my $r = load($server, 'runs', '-i', 64, '-t', $seconds,
                     '-e', "bench/$function");
        row($function, "$function-step runs, 64 in flight", $r->{rate},
            'runs/s', $base{nginx}, $base{commits});
    }
}


# Runs of three steps that are one call each.
sub measure_checkpoint {
    my ($workers) = @_;

    my $server = start($workers);

    my $r = load($server, 'runs', '-i', 64, '-t', $seconds,
                 '-e', 'bench/checkpoint');
    row('told', 'three checkpoints in a call, 64 in flight', $r->{rate},
        'runs/s', $base{nginx}, $base{commits});

    $r = load($server, 'runs', '-i', 64, '-t', $seconds, '-e', 'bench/all');
    row('all', 'three steps in one answer, 64 in flight', $r->{rate},
        'runs/s', $base{nginx}, $base{commits});

    $r = load($server, 'alone', '-n', 1000, '-e', 'bench/checkpoint');
    row('', 'three checkpoints in a call, alone, p50', $r->{p50_us} / 1000,
        'ms', $base{nginx_alone}, $base{commit_ms});

    my $sdk = $server->start_sdk or return;

    $r = $sdk->(300);
    row('sdk', 'npm SDK, three checkpoints alone, p50', $r->{p50}, 'ms',
        $base{nginx_alone}, $base{commit_ms});
    row('', 'the same, p99', $r->{p99}, 'ms');
}


sub measure_backlog {
    my ($workers) = @_;

    my $server = start($workers, closed => 1);
    my $arrays = int(($backlog + 19) / 20);

    load($server, 'post', '-c', 4, '-a', 20, '-n', $arrays,
         '-e', 'bench/three');

    my $r = load($server, 'drain', '-n', $arrays * 20, '-t', 300);
    row('backlog', "backlog of $backlog three-step runs", $r->{rate},
        'runs/s', $base{nginx}, $base{commits});
}


sub measure_alone {
    my ($workers) = @_;

    my $server = start($workers);

    my $r = load($server, 'alone', '-n', 1000, '-e', 'bench/one');
    row('alone', 'one-step run alone, to Completed, p50',
        $r->{p50_us} / 1000, 'ms', $base{nginx_alone}, $base{commit_ms});
    row('', 'the same, p99', $r->{p99_us} / 1000, 'ms');
}


# All sleep until the same second; the last one is called after it.
sub measure_wake {
    my ($workers) = @_;

    my $server = start($workers);
    my $naps = int(($sleeping + 19) / 20) * 20;
    my $alarm = int(time) + 8 + int($naps / 2000);

    $server->ask_app('POST', '/alarm/'
                     . strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $alarm));
    load($server, 'post', '-c', 4, '-a', 20, '-n', $naps / 20,
         '-e', 'bench/wake');

    wait_for(120, 'the runs sleep', sub {
        $server->counts->{steps} >= $naps
    });

    die "the runs fell asleep too late\n" if time > $alarm - 1;

    my $r = load($server, 'last', '-n', $naps, '-t', 120);
    row('wake', "$naps sleeping runs wake at once, the last after",
        $r->{at_ms} / 1000 - $alarm, 's');
}


# Runs that wait for an event, each for one with an id of its own.
sub measure_waits {
    my ($workers) = @_;

    my $server = start($workers);
    my @nobody = ('post', '-c', 64, '-t', $seconds, '-e', 'bench/go',
                  '-k', 1_000_000_000);
    my $empty = load($server, @nobody)->{rate};
    my $n = int(($waiting + 19) / 20) * 20;

    load($server, 'post', '-c', 4, '-a', 20, '-n', $n / 20,
         '-e', 'bench/wait', '-k', 0);
    wait_for(600, 'the runs wait', sub { $server->counts->{steps} >= $n });

    my $r = load($server, 'match', '-n', 1000, '-e', 'bench/go', '-k', 0);
    row('match', "event to the call of 1 of $n, p50", $r->{p50_us} / 1000,
        'ms');
    row('', 'the same, p99', $r->{p99_us} / 1000, 'ms');

    $r = load($server, @nobody);
    row('', 'events that match none of them', $r->{rate}, 'events/s');
    row('none', 'the same, of the rate with an empty store',
        100 * $r->{rate} / $empty, '%');

    row('cel', '`event.data.id == async.data.id`',
        program('cel', $seconds)->{rate}, '/s');
}


# The provider's answers come before the deliveries: both are in the time.
sub measure_forward {
    my ($workers) = @_;

    my $stock = Bench->start_stock(workers => 1, dir => "$dir-target");
    my $server = start($workers, forward => $stock->{port},
                       secret => $secret);
    my $engine = sub { $server->status->{engine} };
    my $before = $engine->();
    my $start = Time::HiRes::time();
    my $r = load($server, 'post', '-p', '/hook', '-c', 64, '-t', $seconds);

    wait_for(300, 'all is delivered', sub { $engine->()->{runs_live} == 0 },
             0.01);

    my $took = Time::HiRes::time() - $start;
    my $after = $engine->();

    $stock->end;
    remove_tree("$dir-target");

    die "$after->{runs_failed} deliveries failed\n" if $after->{runs_failed};

    row('forward', 'webhooks sent on to nginx, 64 connections',
        ($after->{runs_completed} - $before->{runs_completed}) / $took,
        'calls/s', $base{nginx}, $base{commits});
    row('', 'the same, p99 of the answer to the provider',
        $r->{p99_us} / 1000, 'ms');
}


# Three steps of a durable_function: 64 clients send what starts it.
sub measure_workflow {
    my ($workers) = @_;

    my $stock = Bench->start_stock(workers => 1, dir => "$dir-target");
    my $server = start($workers, forward => $stock->{port},
                       secret => $secret);
    my $engine = sub { $server->status->{engine} };
    my $before = $engine->();
    my $start = Time::HiRes::time();

    load($server, 'post', '-p', '/flow', '-c', 64, '-t', $seconds);

    wait_for(300, 'all runs have ended',
             sub { $engine->()->{runs_live} == 0 }, 0.01);

    my $took = Time::HiRes::time() - $start;
    my $after = $engine->();

    $stock->end;
    remove_tree("$dir-target");

    die "$after->{runs_failed} runs failed\n" if $after->{runs_failed};

    row('workflow', 'workflows of three steps to nginx, 64 in flight',
        ($after->{runs_completed} - $before->{runs_completed}) / $took,
        'runs/s', $base{nginx}, $base{commits});
    row('plan', 'planner alone, 50 steps',
        program('plan', $seconds)->{rate}, '/s');
}


# A request as GitHub would send it, but without an id of its own.
sub signed {
    my ($server, $length) = @_;

    my $body = 'x' x $length;
    my $head = 'X-Hub-Signature-256: sha256='
               . hmac_sha256_hex($body, $secret) . "\r\n";

    write_file("$dir/request", 'POST /signed HTTP/1.1' . "\r\n"
        . 'Host: ' . $server->address . "\r\n"
        . "Content-Type: application/json\r\n$head"
        . "Content-Length: $length\r\n\r\n$body");

    return ('-f', "$dir/request");
}


# HMAC-SHA256 and a body of 1 KB.
sub measure_webhook {
    my ($workers) = @_;

    my $server = start($workers, forward => 9, secret => $secret);
    my $r = load($server, 'post', '-c', 64, '-t', $seconds,
                 signed($server, 1024));

    row('webhook', 'verified webhooks, 64 connections', $r->{rate},
        'events/s', $base{nginx}, $base{commits});
    row('', 'the same, p99 of a request', $r->{p99_us} / 1000, 'ms');
}


# What the workers take in addition while one request is there: the most that
# was seen of their own memory.  Pages of files, as of the store and of the
# body, are the system's.
sub grown {
    my ($server, $code, @pids) = @_;

    my $own = sub {
        my $sum = 0;
        for my $pid (@pids ? @pids : $server->worker_pids) {
            my ($kb) = slurp("/proc/$pid/status") =~ /^RssAnon:\s*(\d+)/m;
            $sum += $kb || 0;
        }
        return $sum;
    };

    my ($before, $most) = ($own->(), 0);
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        POSIX::_exit(eval { $code->(); 1 } ? 0 : 1);
    }

    until (waitpid($pid, POSIX::WNOHANG()) == $pid) {
        my $now = $own->();
        $most = $now if $now > $most;
        Time::HiRes::sleep(0.0003);
    }

    die "the request failed\n" if $?;

    return $most > $before ? ($most - $before) / 1024 : 0;
}


# Calls of another server, each of a run of its own: the step is sent to a
# stock nginx and durable before it is answered.
sub measure_serve {
    my ($workers) = @_;

    my $stock = Bench->start_stock(workers => 1, dir => "$dir-target");
    my $server = start($workers, forward => $stock->{port},
                       secret => $secret);
    my $before = '"run_id":"01J0000000000000';
    my $event = '{"data":{"body":"' . 'a' x 200 . '","headers":{},"method":'
        . '"POST"},"id":"1","name":"event/api.webhooks.bench.action","ts":1,'
        . '"user":{}}';
    my $body = '{"ctx":{"attempt":0,"max_attempts":5,"qi_id":"1",' . $before
        . '0000000000","stack":{"current":0,"stack":[]}},"event":' . $event
        . ",\"events\":[$event],\"steps\":{},\"version\":2}";

    write_file("$dir/request", 'POST /api/inngest?fnId=nginx-api-bench'
        . "&stepId=step HTTP/1.1\r\nHost: " . $server->address . "\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body");

    my $r = load($server, 'post', '-c', 64, '-t', $seconds, '-k', 1,
                 '-b', "'$before'", '-f', "$dir/request");

    $stock->end;
    remove_tree("$dir-target");

    row('serve', 'calls of another server, 64 connections', $r->{rate},
        'calls/s', $base{nginx}, $base{commits});
    row('', 'the same, p99 of a call', $r->{p99_us} / 1000, 'ms');
}


# Starts in the future, in the engine alone: with a million of them that wait
# against an empty queue.
sub measure_future {
    make_path("$dir-future");

    my $r = eval { program('future', "$dir-future", 1_000_000) };
    my $error = $@;

    remove_tree("$dir-future");
    die $error if $error;

    row('', 'start in the future, enqueue, none waits', $r->{enqueue}, 'us');
    row('enqueue', 'beside 1,000,000 that wait', $r->{full_enqueue}
        / $r->{enqueue}, 'x');
    row('', 'the same, due pick, none waits', $r->{pick}, 'us');
    row('pick', 'beside 1,000,000 that wait', $r->{full_pick} / $r->{pick},
        'x');
}


# Subscribers over WebSocket, of which about half are in another worker than a
# publisher.
sub measure_realtime {
    my $server = start(2, connections => 8192);
    my $http = HttpClient->new(port => $server->{port});

    my $listen = sub {
        my ($mode, @arguments) = @_;

        my $token = $http->request('POST', '/v1/realtime/token',
            '[{"channel":"bench","name":"t"}]')->{json}{jwt};

        return ($mode, '-s', $server->address, '-k', $token, @arguments);
    };

    my $r = program('listen', $listen->('talk', '-l', 10, '-c', 32, '-t',
                                        $seconds));
    die "of $r->{published} messages $r->{heard} were heard\n"
        if $r->{heard} != 10 * $r->{published};

    row('publish', 'messages to 10 subscribers', $r->{rate}, 'msg/s',
        $base{nginx});

    $r = program('listen', $listen->('talk', '-l', 10, '-c', 1, '-t',
                                     $seconds, '-r', 500));
    row('hear', 'publish to receive, 500 msg/s, p50', $r->{p50_us} / 1000,
        'ms');
    row('hear99', 'the same, p99', $r->{p99_us} / 1000, 'ms');

    my @plain = map { load($server, 'post', '-c', 64, '-t', $seconds / 2)
                          ->{rate} } 1 .. 3;
    my $hold = sub {
        my ($n) = @_;

        open my $in, '|-', join ' ', build('bench/listen'),
            $listen->('hold', '-l', $n), ">$dir/held" or die "listen: $!\n";
        wait_for(60, "$n subscribers", sub {
            return slurp("$dir/held") =~ /open=$n/;
        });

        return $in;
    };

    my $in = $hold->(100);
    my @heard = map { load($server, 'post', '-c', 64, '-t', $seconds / 2)
                          ->{rate} } 1 .. 3;
    close $in;

    my ($before, $with) = map { (sort { $a <=> $b } @$_)[1] } \@plain, \@heard;
    row('listened', 'accepts beside 100 subscribers', 100 * $with / $before,
        '%');

    my $own = sub {
        my $sum = 0;
        for my $pid ($server->worker_pids) {
            my ($kb) = slurp("/proc/$pid/status") =~ /^RssAnon:\s*(\d+)/m;
            $sum += $kb || 0;
        }
        return $sum;
    };

    my $free = $own->();
    $in = $hold->(5000);
    row('listener', '5,000 idle subscribers: memory each',
        ($own->() - $free) / 5000, 'KiB');
    close $in;
}


# 20 people at the list of runs, each with its feed, which reads its page again
# when something has happened.  The rates with and without them are taken in
# turn, against what else goes on; what these people cost on this machine is in
# them as well as what they cost the server.
sub measure_dashboard {
    my ($workers) = @_;

    my $server = start($workers);
    my %rate;
    my %load = (
        accept => sub { load($server, 'post', '-c', 64, '-t', $seconds / 2,
                             '-e', 'bench/nobody') },
        one    => sub { load($server, 'runs', '-i', 64, '-t', $seconds / 2,
                             '-e', 'bench/one') },
    );

    for my $turn (1 .. 5) {
        for my $what (sort keys %load) {
            push @{$rate{$what}{alone}}, $load{$what}->()->{rate};

            my $in = watchers($server, 20);
            push @{$rate{$what}{watched}}, $load{$what}->()->{rate};
            close $in or die "the watchers failed\n";
        }
    }

    my ($watch) = slurp("$dir/watched") =~ /^(pages=.*)/m;
    my %watch = $watch =~ /(\w+)=(\d+)/g;

    for (['accept', 'accepts'], ['one', 'one-step runs']) {
        my ($what, $name) = @$_;
        my @share = sort { $a <=> $b } map {
            100 * $rate{$what}{watched}[$_] / $rate{$what}{alone}[$_]
        } 0 .. 4;

        row('watched', "$name beside 20 open dashboards", $share[2], '%');
    }

    row('', 'their pages, p50', $watch{p50_us} / 1000, 'ms');
    row('', 'pages they read in a second', $watch{pages} / ($seconds / 2),
        '/s');

    # Events that nobody listens to, ten a second: the feed goes on.
    my $in = watchers($server, 20);
    my ($cpu, $start) = ($server->usage->{cpu}, Time::HiRes::time());

    while (Time::HiRes::time() < $start + $seconds) {
        load($server, 'post', '-c', 1, '-n', 1, '-e', 'bench/nobody');
        Time::HiRes::sleep(0.1);
    }

    row('', 'CPU of nginx for them alone, of a core',
        100 * ($server->usage->{cpu} - $cpu)
        / (Time::HiRes::time() - $start), '%');
    close $in or die "the watchers failed\n";
}


# So many, until the handle is closed.
sub watchers {
    my ($server, $n) = @_;

    write_file("$dir/watched", '');
    open my $in, '|-', join ' ', build('bench/watch'), '-s',
        $server->address, '-l', $n, ">$dir/watched" or die "watch: $!\n";
    wait_for(20, "$n dashboards", sub {
        return slurp("$dir/watched") =~ /open=$n/;
    });

    return $in;
}


# Bulk jobs that run 10,000 runs again, one after the other, while events are
# accepted.  Their function is paused: this is what the jobs cost, and not what
# the runs do.
sub measure_bulk {
    my ($workers) = @_;

    my $server = start($workers);
    my (@alone, @beside);
    my $accept = sub {
        return load($server, 'post', '-c', 64, '-t', $seconds / 2)->{rate};
    };

    load($server, 'runs', '-i', 64, '-n', 10_000, '-e', 'bench/one');
    HttpClient->new(port => $server->{port})
        ->request('POST', '/v1/functions/bench-one/pause');

    my $begin = Time::HiRes::time();
    replay($server);
    my $took = Time::HiRes::time() - $begin;

    for (1 .. 5) {
        push @alone, $accept->();

        my $jobs = fork;

        if ($jobs == 0) {
            $SIG{TERM} = sub { POSIX::_exit(0) };
            replay($server) while 1;
        }

        push @beside, $accept->();
        kill 'TERM', $jobs;
        waitpid $jobs, 0;
    }

    my @share = sort { $a <=> $b } map { 100 * $beside[$_] / $alone[$_] }
                0 .. 4;

    row('bulk', 'accepts beside bulk replays', $share[2], '%');
    row('', 'one of 10,000 runs, alone', 10_000 / $took, 'runs/s');
}


# A job over all runs that have completed; when it is done.
sub replay {
    my ($server) = @_;

    my $http = HttpClient->new(port => $server->{port});
    my $r = $http->request('POST', '/v1/bulk',
        { action => 'replay', filter => { status => 'Completed' } });

    die "no job: $r->{status}\n" if $r->{status} != 201;

    wait_for($limit, 'a bulk job', sub {
        my $id = $r->{json}{data}{id};
        return $http->request('GET', "/v1/bulk/$id")->{json}{data}{done};
    }, 0.01);

    return;
}


sub measure_large {
    my ($workers) = @_;

    my $stock = Bench->start_stock(workers => 1, dir => "$dir-target");
    my $server = start($workers, forward => $stock->{port},
                       secret => $secret);
    my @signed = signed($server, 10_000_000);
    my $engine = sub { $server->status->{engine} };

    # what a first request leaves behind is not what a body costs
    load($server, 'post', '-c', 1, '-n', 20, signed($server, 70_000));
    signed($server, 10_000_000);

    my $most = 0;

    for (1 .. 5) {
        my $now = grown($server, sub {
            load($server, 'post', '-c', 1, '-n', 1, @signed);
        });
        $most = $now if $now > $most;
    }

    row('large', 'webhook of 10 MB, verified: memory', $most, 'MiB');

    my $r = load($server, 'post', '-c', 1, '-n', 20, @signed);
    row('', 'the same, p50 of a request', $r->{p50_us} / 1000, 'ms');

    my $http = HttpClient->new(port => $server->{port});
    my $send = sub {
        $http->request('POST', '/hook', 'x' x 10_000_000)->{status} == 200
            or die "not accepted\n";
        wait_for(60, 'it is sent on', sub {
            $engine->()->{runs_live} == 0;
        }, 0.01);
    };

    row('sent', 'webhook of 10 MB, sent on: memory', grown($server, $send),
        'MiB');
    row('', 'the same, of the sidecar',
        grown($server, $send, $server->sidecar_pid), 'MiB');

    $stock->end;
    remove_tree("$dir-target");
}


# When an id was made, in ms.
sub made {
    my ($id) = @_;

    my $ms = 0;
    $ms = $ms * 32 + index '0123456789ABCDEFGHJKMNPQRSTVWXYZ', $_
        for split //, substr $id, 0, 10;

    return $ms;
}


# 10,000 functions that are due at the same minute: their runs, and the first
# call of each.
sub measure_cron {
    my ($workers) = @_;

    my $many = 10_000;
    my $server = start($workers);
    my $url = "http://$server->{app_address}/api";
    my @functions = map { { id => "crons-$_", name => "cron $_",
        triggers => [{ cron => '* * * * *' }], steps => { step => {
            id => 'step', name => 'step', runtime => { type => 'http',
                url => "$url/inngest?fnId=bench-zero&stepId=step" } } } } }
        1 .. $many;

    # all of them in one minute, which is not over yet
    wait_for(60, 'a minute begins', sub { Time::HiRes::time() % 60 < 20 });

    my $from = Time::HiRes::time();
    my $r = $server->http('POST', '/fn/register', { url => "$url/crons",
        appName => 'crons', sdk => 'js:v4.0.0', functions => \@functions });

    die "the functions are refused: $r->{status} $r->{body}\n"
        if $r->{status} != 200;

    row('', "$many schedules are registered",
        (Time::HiRes::time() - $from) * 1000, 'ms');

    my $slot = (int($from / 60) + 1) * 60;
    my $before = $server->counts->{finals};
    my $ended = wait_for(120, 'all runs end', sub {
        $server->counts->{finals} - $before >= $many && Time::HiRes::time();
    }, 0.02);

    my ($last, $made, $count, $cursor) = (0, 0, 0, '');

    do {
        $r = $server->http('GET', "/v1/runs?app=crons&limit=50$cursor");

        for my $run (@{$r->{json}{data}}) {
            my ($s) = $run->{run_started_at} =~ /(\d\d(?:\.\d+)?)Z\z/;
            $last = $s if $s > $last;
            $made = made($run->{run_id}) if made($run->{run_id}) > $made;
            $count++;
        }

        my $next = $r->{json}{metadata}{cursor};
        $cursor = $next ? "&cursor=$next" : '';
    } while ($cursor && $count < $many);

    row('', "$many schedules, last run is there after",
        $made - $slot * 1000, 'ms');
    row('cron', 'the same, last start after', $last * 1000, 'ms');
    row('', 'the same, the last one has ended', ($ended - $slot) * 1000,
        'ms');
}


# A backlog of a function with limits, beside one without any.
sub measure_flow {
    my ($workers) = @_;

    my $arrays = int(($backlog + 19) / 20);
    my (%rate, %cpu);

    for my $event ('one', 'limited') {
        my $server = start($workers, closed => 1);
        my $url = "http://$server->{app_address}/api";
        my $r = $server->http('POST', '/fn/register', { url => "$url/limits",
            appName => 'limits', sdk => 'js:v4.0.0', functions => [
                { id => 'limits-limited', name => 'limited',
                  triggers => [{ event => 'bench/limited' }],
                  concurrency => [{ limit => 50 },
                                  { limit => 1,
                                    key => 'int(event.data.id) % 1000' }],
                  steps => { step => { id => 'step', name => 'step',
                      runtime => { type => 'http',
                          url => "$url/inngest?fnId=bench-one&stepId=step" },
                  } } } ] });

        die "the function is refused: $r->{status} $r->{body}\n"
            if $r->{status} != 200;

        load($server, 'post', '-c', 4, '-a', 20, '-n', $arrays,
             '-e', "bench/$event", '-k', 0);
        my $before = $server->usage->{cpu};

        $rate{$event} = load($server, 'drain', '-n', $arrays * 20,
                             '-t', 300)->{rate};
        $cpu{$event} = ($server->usage->{cpu} - $before) * 1e6
            / ($arrays * 20);

        finish();
        remove_tree($dir);
    }

    row('', "backlog of $backlog one-step runs", $rate{one}, 'runs/s',
        $base{nginx}, $base{commits});
    row('', 'the same, 50 at a time, 1 of each of 1,000 keys', $rate{limited},
        'runs/s', $base{nginx}, $base{commits});
    row('', 'CPU per run without limits, nginx and sidecar', $cpu{one}, 'us');
    row('', 'the same with them', $cpu{limited}, 'us');
    row('flow', 'of the rate without limits', 100 * $rate{limited}
        / $rate{one}, '%');
}


sub measure_cost {
    my ($workers) = @_;

    my $server = start($workers);
    my ($before, $size, $counts) =
        ($server->usage, $server->store_size, $server->counts);

    row('idle', 'memory, idle', $before->{memory} / 1048576, 'MiB');

    my $r = load($server, 'runs', '-i', 64, '-n', $runs,
                 '-e', 'bench/three');
    my $after = $server->usage;
    my $steps = $server->counts->{steps} - $counts->{steps};

    print "  # $steps steps for $runs runs of three: some ran again\n"
        if $steps != 3 * $runs;

    row('after', "memory, after $runs three-step runs",
        $after->{memory} / 1048576, 'MiB');
    row('', 'rate of these runs', $r->{rate}, 'runs/s');
    row('', 'CPU per three-step run, nginx and sidecar',
        ($after->{cpu} - $before->{cpu}) * 1e6 / $runs, 'us');
    row('', 'written per three-step run',
        ($after->{written} - $before->{written}) / 1024 / $runs, 'KiB');
    row('', 'growth of the store per three-step run',
        ($server->store_size - $size) / 1024 / $runs, 'KiB');
}


sub measure_start {
    my ($workers) = @_;

    my $server = start($workers);

    row('', 'start to the first event, small store',
        $server->restart_nginx * 1000, 'ms');

    return unless $ENV{BENCH_LARGE};

    my $naps = int(($sleeping + 19) / 20);

    load($server, 'runs', '-i', 512, '-n', $finished, '-e', 'bench/zero');
    load($server, 'post', '-c', 4, '-a', 20, '-n', $naps,
         '-e', 'bench/sleep');

    wait_for(120, 'the sleeping runs sleep', sub {
        $server->counts->{steps} >= $naps * 20
    });

    row('start', "start, $finished ended, $sleeping sleeping runs",
        $server->restart_nginx * 1000, 'ms');
}


# The p50 of a request, in ms, and the answer; as it is on the wire.
sub timed {
    my ($server, $target) = @_;

    my (@took, $body);
    my $address = $server->address;
    my $request = "GET $target HTTP/1.1\r\nHost: bench\r\n"
                  . "Connection: close\r\n\r\n";

    for (0 .. 40) {
        my $socket = IO::Socket::INET->new($address) or die "connect: $!\n";
        my $began = Time::HiRes::time;

        print {$socket} $request;
        $body = do { local $/; <$socket> };
        push @took, 1000 * (Time::HiRes::time - $began) if $_;

        die "$target: $body\n" unless $body =~ m{\AHTTP/1.1 200};
    }

    @took = sort { $a <=> $b } @took;

    return ($took[$#took / 2], $body);
}


# Lists of a store with many runs that have ended, the first page each; a
# filter that finds little says how far it looked.
sub measure_lists {
    my ($workers) = @_;

    my $server = start($workers, made => 1, make => sub {
        program('lists', $_[0], $finished);
    });

    my (undef, $all) = timed($server, '/v1/runs?limit=51');
    my @ids = $all =~ /"run_id":"(\w{26})"/g;
    my ($event) = $all =~ /"event_id":"(\w{26})"/;
    my $part = substr $ids[30], 14;

    my @rows = (
        ['no filter', ''],
        ['a status that is frequent', 'status=Completed'],
        ['a status that is rare', 'status=Failed'],
        ['a status that none has', 'status=Cancelled'],
        ['a function', 'function=bench-order3'],
        ['a function that is rare', 'function=bench-rare'],
        ['an event', 'event=bench/order3'],
        ['an event that is rare', 'event=bench/rare'],
        ['the start of an event that is not there', 'event=none/*'],
        ['a whole id', "id=$ids[30]"],
        ['the id of an event', "id=$event"],
        ['text in an id', "id=$part"],
        ['text that no id has', 'id=0000000000'],
        ['an expression over the event',
         'q=event.data.customer.plan+==+"pro"'],
        ['the same, of one run', 'q=event.data.needle+==+true'],
        ['an expression over the output', 'q=output.total+>+9000'],
        ['the same, of none', 'q=output.total+<+0'],
        ['an expression over the run', 'q=run.duration_ms+>+100000'],
    );

    for (@rows) {
        my ($name, $query) = @$_;

        $query =~ s/([<>"])/sprintf '%%%02X', ord $1/ge;

        my ($took, $body) = timed($server, "/v1/runs?limit=51&$query");
        my $found = () = $body =~ /"run_id"/g;
        my ($scanned) = $body =~ /"rows":(\d+)/;

        row('list', "runs, $name ($found of $scanned)", $took, 'ms');
    }

    row('list', 'events, no filter',
        (timed($server, '/v1/events?limit=51'))[0], 'ms');
    row('list', 'events, an expression that finds none',
        (timed($server, '/v1/events?q=event.data.order+==+-1'))[0], 'ms');
    row('tree', 'the tree of a run with 1,000 steps',
        (timed($server, "/v1/runs/$ids[0]/tree"))[0], 'ms');
    row('', 'figures of 10,000 runs, one in 2 s is made',
        (timed($server, '/v1/figures?window=24h'))[0], 'ms');
    row('', 'the system', (timed($server, '/v1/system'))[0], 'ms');
}


# One server at a time: $current is what finish() ends.
my $current;


sub start {
    my ($workers, %option) = @_;

    my $how = $option{forward} ? 'start_forward'
              : $option{made} ? 'start_made' : 'start_all';

    return $current = Bench->$how(workers => $workers, dir => $dir, %option);
}


sub finish {
    return unless $current;

    $current->end;

    my @bad = grep { /\[(?:alert|emerg|crit|error)\]/ }
        split /^/, $current->error_log;

    printf "  # %d lines of level error or worse in the log, first: %s",
        scalar @bad, $bad[0] if @bad;

    undef $current;
}


# ---- all of it

my @groups = (
    accept  => \&measure_accept,
    runs    => \&measure_runs,
    checkpoint => \&measure_checkpoint,
    backlog => \&measure_backlog,
    alone   => \&measure_alone,
    wake    => \&measure_wake,
    waits   => \&measure_waits,
    forward => \&measure_forward,
    workflow => \&measure_workflow,
    webhook => \&measure_webhook,
    large   => \&measure_large,
    serve   => \&measure_serve,
    cron    => \&measure_cron,
    flow    => \&measure_flow,
    future  => \&measure_future,
    realtime => \&measure_realtime,
    dashboard => \&measure_dashboard,
    bulk    => \&measure_bulk,
    cost    => \&measure_cost,
    start   => \&measure_start,
    lists   => \&measure_lists,
);

$| = 1;
$SIG{INT} = $SIG{TERM} = sub { exit 130 };

die Durable::missing(), ": run `make bench`\n" if Durable::missing();

my $first = 1;

for my $workers (@workers) {
    title("worker_processes $workers");
    measure_stock($workers);
    measure_lmdb();

    for (my $i = 0; $i < @groups; $i += 2) {
        next if $ENV{BENCH_ONLY} && $ENV{BENCH_ONLY} ne $groups[$i];

        # These do not change with a second worker.
        next if !$first
            && $groups[$i]
               =~ /^(?:waits|cron|flow|realtime|future|cost|start|lists)$/;

        eval { $groups[$i + 1]->($workers) };

        my $error = $@;
        finish();

        if ($error) {
            print "  # $groups[$i]: $error";
            $missed++;
            rename $dir, "$dir.failed-$groups[$i]";
        }

        remove_tree($dir);
    }

    last if $first && $ENV{BENCH_STRICT} && $missed;
    $first = 0;
}

print "\n$met rows reach what they must, $missed do not.\n";

exit($ENV{BENCH_STRICT} && $missed ? 1 : 0);

