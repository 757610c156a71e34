#!/usr/bin/env perl

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
#                       alone, cost, start
#   BENCH_STRICT=1      fail when a row of the first table misses its "must"

use strict;
use warnings;

use File::Spec;
use File::Path qw(make_path remove_tree);
use FindBin;
use lib $FindBin::Bin;
use Time::HiRes qw(time sleep);

use Bench qw(build free_port http pids_of start_child stop_child stop_all
    wait_for write_file slurp usage);

my $runs = $ENV{BENCH_RUNS} || 100_000;
my $seconds = $ENV{BENCH_SECONDS} || 5;
my @workers = split /,/, $ENV{BENCH_WORKERS} || '1,2';
my $finished = $ENV{BENCH_FINISHED} || 1_000_000;
my $sleeping = $ENV{BENCH_SLEEPING} || 10_000;
my $backlog = $ENV{BENCH_BACKLOG} || 20_000;
my $dir = $ENV{BENCH_DIR} || File::Spec->rel2abs(build('bench/run'));
my $module = File::Spec->rel2abs(build('ngx_http_durable_module.so'));
my $nginx = $ENV{NGINX} || 'nginx';

# What each row has to reach, and what it aims at.  'up': more is better.
my %goal = (
    events   => ['up', 25_000, 45_000],
    arrays   => ['up', 80_000, 200_000],
    accept   => ['down', 0.45, 0.38],
    one      => ['up', 4_000, 8_000],
    three    => ['up', 2_500, 5_000],
    backlog  => ['up', 2_500, 5_000],
    alone    => ['down', 1.6, 1.2],
    idle     => ['down', 40, 25],
    after    => ['down', 80, 40],
    start    => ['down', 300, 50],
);

my %base;                       # stock nginx and LMDB alone
my ($met, $missed) = (0, 0);


# ---- the server under test

my %server;


sub configuration {
    my ($workers) = @_;

    my $user = $> == 0 ? "user root;\n" : '';

    return <<"CONF";
${user}worker_processes $workers;
daemon off;
pid $dir/nginx.pid;
error_log $dir/error.log warn;
load_module $module;

events {
    worker_connections 4096;
}

http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    client_max_body_size 20m;

    durable_store $dir/store;
    durable_sidecar unix:$dir/sidecar.sock;
    durable_mode dev;
    durable_app http://127.0.0.1:$server{app_port}/api/inngest;

    server {
        listen 127.0.0.1:$server{port};

        location / {
            durable_server;
        }

        location = /durable/status {
            durable_status;
        }
    }
}
CONF
}


sub start_sidecar {
    $server{sidecar} = start_child('sidecar', "$dir/sidecar.log",
        build('durable'), 'sidecar', '--socket', "$dir/sidecar.sock");

    wait_for(5, 'the socket of the sidecar', sub { -S "$dir/sidecar.sock" });
}


# Seconds from the start of nginx until it accepts an event.
sub start_nginx {
    my ($workers) = @_;

    write_file("$dir/nginx.conf", configuration($workers));

    my $start = time;

    $server{nginx} = start_child('nginx', "$dir/nginx.out", $nginx,
        '-p', $dir, '-e', "$dir/error.log", '-c', "$dir/nginx.conf");

    wait_for(30, "nginx accepts an event (see $dir/error.log)", sub {
        my ($status) = http('POST', $server{port}, '/e/bench',
                            '{"name":"bench/nobody"}');
        return $status == 200;
    }, 0.001);

    return time - $start;
}


sub start_all {
    my ($workers, %option) = @_;

    remove_tree($dir);
    make_path($dir);

    $server{port} = free_port();
    $server{app_port} = free_port();

    $server{app} = start_child('app', "$dir/app.log", build('bench/app'),
        "127.0.0.1:$server{app_port}", "127.0.0.1:$server{port}");

    wait_for(5, 'the app listens', sub {
        (http('GET', $server{app_port}, '/counts'))[0] == 200
    });

    gate('closed') if $option{closed};

    start_sidecar();
    start_nginx($workers);

    wait_for(30, "the app is synced (see $dir/error.log)", sub {
        (http('GET', $server{port}, '/v1/apps/bench/functions'))[1]
            =~ /bench-three/
    });
}


sub stop_server {
    stop_child(delete $server{$_}) for grep { $server{$_} }
        qw(nginx sidecar);
    unlink "$dir/sidecar.sock";
}


sub end_all {
    stop_server();
    stop_child(delete $server{app}) if $server{app};
    complain_of_log();
    remove_tree($dir) unless $_[0];
}


sub complain_of_log {
    my @bad = grep { /\[(?:alert|emerg|crit|error)\]/ }
        split /^/, slurp("$dir/error.log");

    return unless @bad;

    printf "  # %d lines of level error or worse in the log, first: %s",
        scalar @bad, $bad[0];
}


sub gate {
    my ($state) = @_;

    my ($status) = http('POST', $server{app_port}, "/gate/$state");
    die "the app does not answer\n" unless $status == 200;
}


sub counts {
    my (undef, $body) = http('GET', $server{app_port}, '/counts');

    return { $body =~ /"(\w+)":(\d+)/g };
}


sub processes {
    return pids_of($server{nginx}, $server{sidecar});
}


# ---- the programs

sub program {
    my ($name, @arguments) = @_;

    my $limit = $ENV{BENCH_LIMIT} || 1800;
    my $command = join ' ', 'timeout', $limit, build("bench/$name"),
        @arguments;
    my $line = `$command`;

    die "$command: failed with status " . ($? >> 8) . "\n" if $?;

    return { $line =~ /(\w+)=([\d.]+)/g };
}


sub load {
    my ($mode, @arguments) = @_;

    my $r = program('load', $mode, '-s', "127.0.0.1:$server{port}",
                    @arguments);

    die "the server refused $r->{refused} of $r->{posted} requests\n"
        if $r->{refused};

    return $r;
}


sub app { return ('-A', "127.0.0.1:$server{app_port}") }


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

    remove_tree($dir);
    make_path($dir);
    $server{port} = free_port();

    my $user = $> == 0 ? 'user root;' : '';

    write_file("$dir/nginx.conf", <<"CONF");
$user worker_processes $workers; daemon off; pid $dir/nginx.pid;
error_log $dir/error.log warn;
events { worker_connections 4096; }
http {
    access_log off; keepalive_requests 1000000000;
    client_body_temp_path $dir/body; proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi; uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    server {
        listen 127.0.0.1:$server{port};
        default_type application/json;
        return 200 '{"ids":["01JQDAE4RQF8MBCR55T5AK4KXR"],"status":200}';
    }
}
CONF

    my $pid = start_child('stock nginx', "$dir/nginx.out", $nginx, '-p', $dir,
        '-e', "$dir/error.log", '-c', "$dir/nginx.conf");

    wait_for(5, 'stock nginx answers', sub {
        (http('POST', $server{port}, '/e/bench', '{}'))[0] == 200
    });

    $base{nginx} = load('post', '-c', 64, '-t', $seconds)->{rate};
    $base{nginx_alone} =
        load('post', '-c', 1, '-t', $seconds)->{p50_us} / 1000;

    stop_child($pid);

    row('', 'nginx `return 200`, 64 connections', $base{nginx}, 'req/s');
    row('', 'nginx `return 200`, 1 connection, p50', $base{nginx_alone},
        'ms');
}


sub measure_lmdb {
    for my $events (1, 64) {
        make_path("$dir/lmdb$events");
        my $r = program('commit', "$dir/lmdb$events", $seconds, $events);
        remove_tree("$dir/lmdb$events");

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


# ---- the groups of rows

sub measure_accept {
    my ($workers) = @_;

    start_all($workers, closed => 1);

    my $r = load('post', '-c', 1, '-t', $seconds);
    row('accept', 'event accepted, 1 connection, p50', $r->{p50_us} / 1000,
        'ms', $base{nginx_alone}, $base{commit_ms});
    row('', 'event accepted, 1 connection, p99', $r->{p99_us} / 1000, 'ms',
        undef, $base{commit_ms});

    $r = load('post', '-c', 64, '-t', $seconds);
    row('events', 'durable events, 64 connections', $r->{rate}, 'events/s',
        $base{nginx}, $base{commits});
    row('', 'the same, p99 of a request', $r->{p99_us} / 1000, 'ms');

    end_all();
    start_all($workers, closed => 1);

    $r = load('post', '-c', 64, '-a', 20, '-t', $seconds);
    row('arrays', 'durable events, arrays of 20', $r->{rate}, 'events/s',
        $base{nginx}, $base{commits});
    row('', 'the same, p99 of a request', $r->{p99_us} / 1000, 'ms');

    end_all();
}


sub measure_runs {
    my ($workers) = @_;

    start_all($workers);

    for my $function ('one', 'three') {
        my $r = load('runs', app(), '-i', 64, '-t', $seconds,
                     '-e', "bench/$function");
        row($function, "$function-step runs, 64 in flight", $r->{rate},
            'runs/s', $base{nginx}, $base{commits});
    }

    end_all();
}


sub measure_backlog {
    my ($workers) = @_;

    start_all($workers, closed => 1);

    my $arrays = int(($backlog + 19) / 20);

    load('post', '-c', 4, '-a', 20, '-n', $arrays, '-e', 'bench/three');

    my $r = program('load', 'drain', app(), '-n', $arrays * 20, '-t', 300);
    row('backlog', "backlog of $backlog three-step runs", $r->{rate},
        'runs/s', $base{nginx}, $base{commits});

    end_all();
}


sub measure_alone {
    my ($workers) = @_;

    start_all($workers);

    my $r = load('alone', app(), '-n', 1000, '-e', 'bench/one');
    row('alone', 'one-step run alone, to Completed, p50',
        $r->{p50_us} / 1000, 'ms', $base{nginx_alone}, $base{commit_ms});
    row('', 'the same, p99', $r->{p99_us} / 1000, 'ms');

    end_all();
}


sub blocks {
    return ((stat "$dir/store/data.mdb")[12] || 0) * 512;
}


sub measure_cost {
    my ($workers) = @_;

    start_all($workers);

    my $before = usage(processes());
    row('idle', 'memory, idle', $before->{memory} / 1048576, 'MiB');

    my $size = blocks();
    my $counts = counts();
    my $r = load('runs', app(), '-i', 64, '-n', $runs, '-e', 'bench/three');
    my $after = usage(processes());
    my $now = counts();

    my $steps = $now->{steps} - $counts->{steps};
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
        (blocks() - $size) / 1024 / $runs, 'KiB');

    end_all();
}


sub measure_start {
    my ($workers) = @_;

    start_all($workers);
    stop_server();
    start_sidecar();
    row('', 'start to the first event, small store',
        start_nginx($workers) * 1000, 'ms');

    if (!$ENV{BENCH_LARGE}) {
        end_all();
        return;
    }

    my $naps = int(($sleeping + 19) / 20);

    load('runs', app(), '-i', 512, '-n', $finished, '-e', 'bench/zero');
    load('post', '-c', 4, '-a', 20, '-n', $naps, '-e', 'bench/sleep');

    wait_for(120, 'the sleeping runs sleep', sub {
        counts()->{steps} >= $naps * 20
    });

    stop_server();
    start_sidecar();
    row('start', "start, $finished ended, $sleeping sleeping runs",
        start_nginx($workers) * 1000, 'ms');

    end_all();
}


# ---- all of it

my @groups = (
    accept  => \&measure_accept,
    runs    => \&measure_runs,
    backlog => \&measure_backlog,
    alone   => \&measure_alone,
    cost    => \&measure_cost,
    start   => \&measure_start,
);

$| = 1;
$SIG{INT} = $SIG{TERM} = sub { exit 130 };

for my $needed ($module, build('durable'), build('bench/load')) {
    die "$needed is missing: run `make bench`\n" unless -e $needed;
}

my $first = 1;

for my $workers (@workers) {
    title("worker_processes $workers");
    measure_stock($workers);
    measure_lmdb();

    for (my $i = 0; $i < @groups; $i += 2) {
        next if $ENV{BENCH_ONLY} && $ENV{BENCH_ONLY} ne $groups[$i];

        # Memory, cost and start do not change with a second worker.
        next if !$first && $groups[$i] =~ /^(?:cost|start)$/;

        eval { $groups[$i + 1]->($workers) };

        if ($@) {
            print "  # $groups[$i]: $@";
            $missed++;
            end_all('keep');
            rename $dir, "$dir.failed-$groups[$i]";
        }
    }

    last if $first && $ENV{BENCH_STRICT} && $missed;
    $first = 0;
}

print "\n$met rows reach what they must, $missed do not.\n";

exit($ENV{BENCH_STRICT} && $missed ? 1 : 0);


END {
    my $status = $?;
    stop_all();
    $? = $status;
}
