# Copyright (C) the nginx-durable authors

# The server under the bench, with the app beside it, and what /proc says of
# its processes.

package Bench;

use strict;
use warnings;

use parent 'Durable';

use File::Copy 'copy';
use File::Path qw(make_path remove_tree);
use POSIX ();
use Time::HiRes 'time';

use Durable qw(build free_port node_bin npm_install slurp wait_for write_file);
use HttpClient;


# workers, dir; closed: calls wait in the app until its gate is opened
sub start_all {
    my ($class, %option) = @_;

    remove_tree($option{dir});
    make_path($option{dir});

    my $app_port = free_port();
    my $self = $class->new(%option, log_level => 'warn',
        apps => ["http://127.0.0.1:$app_port/api/inngest"],
        main => 'worker_rlimit_nofile 8192;',
        http => "    keepalive_requests 1000000000;\n");

    $self->{app_address} = "127.0.0.1:$app_port";
    $self->{app_client} = HttpClient->new(port => $app_port);

    $self->{app} = Durable::run_child('app', "$self->{dir}/app.log",
        build('bench/app'), $self->{app_address}, $self->address);

    wait_for(5, 'the app listens', sub { $self->counts });

    $self->ask_app('POST', '/gate/closed') if $option{closed};
    $self->start;
    $self->wait_registered('bench');

    return $self;
}


# On a store that `make`, which is told where, has filled.
sub start_made {
    my ($class, %option) = @_;

    remove_tree($option{dir});
    make_path("$option{dir}/store");

    my $make = delete $option{make};
    my $self = $class->new(%option, log_level => 'warn');

    $make->("$option{dir}/store");
    $self->start;

    return $self;
}


# nginx as it is, for comparison: answers every request at once.
sub start_stock {
    my ($class, %option) = @_;

    remove_tree($option{dir});
    make_path($option{dir});

    my $self = $class->new(%option, stock => 1);

    $self->start_nginx;

    return $self;
}


sub config {
    my ($self) = @_;

    return $self->SUPER::config unless $self->{stock};

    my $user = $> == 0 ? 'user root;' : '';
    my $dir = $self->{dir};

    return <<"CONF";
$user
worker_processes $self->{workers};
pid $dir/nginx.pid;
error_log $dir/error.log warn;

events {
    worker_connections 1024;
}

http {
    access_log off;
    keepalive_requests 1000000000;
    client_max_body_size 20m;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;

    server {
        listen 127.0.0.1:$self->{port};
        default_type application/json;
        return 200 '{"ids":["01JQDAE4RQF8MBCR55T5AK4KXR"],"status":200}';
    }
}
CONF
}


# Ready is who accepts an event.
sub wait_ready {
    my ($self) = @_;

    my $client = HttpClient->new(port => $self->{port}, keepalive => 0);

    return wait_for(30, 'an event is accepted', sub {
        $client->request('POST', '/e/bench', '{"name":"bench/nobody"}')
               ->{status} == 200;
    }, 0.0005);
}


# workers, dir; secret: of the webhooks that nobody takes; forward: the port
# that those of another location are sent on to
sub start_forward {
    my ($class, %option) = @_;

    remove_tree($option{dir});
    make_path($option{dir});

    my $self = $class->new(%option, log_level => 'warn',
        main => 'worker_rlimit_nofile 8192;',
        http => <<"HTTP", server => <<"SERVER");
    keepalive_requests 1000000000;

    durable_function flow {
        trigger event=event/api.webhooks.flow.action;
        step one   http://127.0.0.1:$option{forward}/1 body=event.ts;
        step two   http://127.0.0.1:$option{forward}/2 body=steps.one;
        step three http://127.0.0.1:$option{forward}/3 body=steps.two;
        return steps.three;
    }
HTTP
        location = /flow {
            durable_route    flow;
        }

        location = /hook {
            durable_route    bench;
            durable_forward  http://127.0.0.1:$option{forward}/hook;
        }

        location = /signed {
            durable_route    signed;
            durable_verify   github $option{secret};
        }

        location = /api/inngest {
            durable_serve;
        }
SERVER

    $self->start;

    return $self;
}


# Seconds from the start of nginx to the first event.
sub restart_nginx {
    my ($self) = @_;

    $self->stop_nginx;

    my $start = time;

    $self->start_nginx;

    return time - $start;
}


# An app of the npm SDK beside the other: a function that runs it so many
# times and gives back its times.  Nothing where there is no node or npm.
sub start_sdk {
    my ($self) = @_;

    my $home = build('bench/sdk');
    my $node = node_bin();

    return unless $node && eval { npm_install($home, 'inngest@4.24.0') };

    copy('t/bench/sdk.mjs', $home) or die "sdk.mjs: $!\n";

    my $port = free_port();
    my %clean = map { $_ => $ENV{$_} } grep { !/^INNGEST_/ } keys %ENV;

    local %ENV = (%clean, NO_COLOR => 1, PORT => $port,
                  INNGEST_DEV => 'http://' . $self->address);

    $self->{sdk} = Durable::run_child('sdk', "$self->{dir}/sdk.log", $node,
                                      "$home/sdk.mjs");

    my $app = HttpClient->new(port => $port, timeout => 120);

    wait_for(20, 'the app of the SDK registers', sub {
        return $app->request('PUT', '/api/inngest', undef,
            { Host => "127.0.0.1:$port" })->{status} == 200;
    });

    return sub {
        my $r = $app->request('GET', "/measure?n=$_[0]");

        die "the SDK: " . ($r->{error} || $r->{body}) . "\n"
            if $r->{status} != 200;

        return $r->{json};
    };
}


sub end {
    my ($self) = @_;

    $self->stop;

    if (my $pid = delete $self->{sdk}) {
        Durable::end_process($pid, 'TERM', 5);
    }

    if (my $pid = delete $self->{app}) {
        Durable::end_process($pid, 'TERM', 5);
    }

    return;
}


sub address { return "127.0.0.1:$_[0]{port}" }


sub ask_app {
    my ($self, @request) = @_;

    return $self->{app_client}->request(@request);
}


# Calls, steps and runs that the app has answered.
sub counts {
    my ($self) = @_;

    return $self->ask_app('GET', '/counts')->{json};
}


sub processes {
    my ($self) = @_;

    return ($self->master_pid, $self->worker_pids, $self->sidecar_pid);
}


# Of nginx and the sidecar together: memory and bytes written, CPU in seconds.
sub usage {
    my ($self) = @_;

    my %sum = (memory => 0, cpu => 0, written => 0);
    my $tick = POSIX::sysconf(POSIX::_SC_CLK_TCK());

    for my $pid ($self->processes) {
        my $status = slurp("/proc/$pid/status");

        while ($status =~ /^Rss(?:Anon|Shmem):\s+(\d+) kB/mg) {
            $sum{memory} += $1 * 1024;
        }

        my ($rest) = slurp("/proc/$pid/stat") =~ /\) (.*)/s or next;
        my @field = split ' ', $rest;
        $sum{cpu} += ($field[11] + $field[12]) / $tick;

        if (slurp("/proc/$pid/io") =~ /^write_bytes: (\d+)/m) {
            $sum{written} += $1;
        }
    }

    return \%sum;
}


# What the store takes of the disk.
sub store_size {
    my ($self) = @_;

    return ((stat "$self->{dir}/store/data.mdb")[12] || 0) * 512;
}

1;
