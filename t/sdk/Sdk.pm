# A server with a node app of the npm SDK beside it: nginx and the sidecar as
# they are installed, the app from t/sdk/<version>, a store of its own.  What
# the app notes (every request, every step that ran) is read from its log.

package Sdk;

use strict;
use warnings;

use File::Copy 'copy';
use File::Path 'make_path';
use File::Spec;
use File::Temp 'tempdir';
use HTTP::Tiny;
use JSON::PP;
use Time::HiRes 'time';

use lib 't/bench';
use Bench qw(build free_port pids_of start_child stop_child stop_all
    wait_for write_file slurp);

my %package = (v4 => 'inngest@4.24.0', v3 => 'inngest@3.54.2');
my $json = JSON::PP->new->utf8->canonical->allow_nonref;


# The reason why these tests cannot run here, or nothing.
sub missing {
    my ($version) = @_;

    my ($node) = (`node --version 2>/dev/null` || '') =~ /^v(\d+)/;
    return 'node 20 or later is needed' unless $node && $node >= 20;

    return install($version) ? undef : "npm cannot install $package{$version}";
}


sub install {
    my ($version) = @_;

    my $dir = build("sdk/$version");
    my ($want) = $package{$version} =~ /\@(.+)/;
    my $have = slurp("$dir/node_modules/inngest/package.json");

    return 1 if $have =~ /"version": "\Q$want\E"/;

    make_path($dir);

    return system("npm install --prefix $dir --no-audit --no-fund "
                  . "--loglevel=error $package{$version} "
                  . ">$dir/npm.log 2>&1") == 0;
}


# version, mode (dev or production), event_key, signing_key
sub new {
    my ($class, %self) = @_;

    my $self = bless { mode => 'dev', patience => 30, %self }, $class;

    $self->{dir} = tempdir('durable-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    $self->{port} = free_port();
    $self->{app_port} = free_port();
    $self->{log} = "$self->{dir}/app.notes";
    $self->{http} = HTTP::Tiny->new(timeout => 30);

    return $self;
}


sub configuration {
    my ($self) = @_;

    my $dir = $self->{dir};
    my $user = $> == 0 ? 'user root;' : '';
    my $module = File::Spec->rel2abs(build('ngx_http_durable_module.so'));
    my $keys = $self->{mode} eq 'dev' ? ''
        : "durable_event_key $self->{event_key};\n"
        . "    durable_signing_key $self->{signing_key};";

    return <<"CONF";
$user
worker_processes 2;
daemon off;
pid $dir/nginx.pid;
error_log $dir/error.log info;
load_module $module;

events {
}

http {
    access_log off;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    client_max_body_size 20m;

    durable_store $dir/store;
    durable_sidecar unix:$dir/sidecar.sock;
    durable_mode $self->{mode};
    $keys
    durable_app http://127.0.0.1:$self->{app_port}/api/inngest;
    durable_retry_interval 300ms;

    server {
        listen 127.0.0.1:$self->{port};

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


sub start_server {
    my ($self) = @_;

    my $dir = $self->{dir};

    unlink "$dir/sidecar.sock";

    $self->{sidecar} = start_child('sidecar', "$dir/sidecar.log",
        build('durable'), 'sidecar', '--socket', "$dir/sidecar.sock");

    write_file("$dir/nginx.conf", $self->configuration);

    $self->{nginx} = start_child('nginx', "$dir/nginx.out",
        $ENV{TEST_NGINX_BINARY} || 'nginx', '-p', $dir, '-e',
        "$dir/error.log", '-c', "$dir/nginx.conf");

    wait_for(20, 'the server is healthy', sub {
        my $r = $self->{http}->get($self->url('/health'));
        return $r->{status} == 200;
    });
}


# kill -9 of nginx, all its workers, and the sidecar.
sub kill_server {
    my ($self) = @_;

    kill 'KILL', pids_of($self->{nginx}), $self->{sidecar};
    stop_child(delete $self->{$_}) for qw(nginx sidecar);
}


# Extra environment as pairs.
sub start_app {
    my ($self, %environment) = @_;

    my $home = build("sdk/$self->{version}");

    copy("t/sdk/$_", $home) or die "$_: $!\n" for 'functions.mjs',
        'server.mjs', "$self->{version}/app.mjs";

    my %clean = map { $_ => $ENV{$_} } grep { !/^INNGEST_/ } keys %ENV;

    local %ENV = (%clean, NO_COLOR => 1, PORT => $self->{app_port},
                  SDK_LOG => $self->{log}, $self->environment, %environment);

    my $before = () = $self->notes(kind => 'listening');

    $self->{app} = start_child('app', "$self->{dir}/app.log", 'node',
                               "$home/app.mjs");

    wait_for(30, "the app listens (see $self->{dir}/app.log)", sub {
        my $now = () = $self->notes(kind => 'listening');
        return $now > $before;
    });
}


sub environment {
    my ($self) = @_;

    return (INNGEST_DEV => $self->url('')) if $self->{mode} eq 'dev';

    return (INNGEST_DEV => 0, INNGEST_BASE_URL => $self->url(''),
            INNGEST_EVENT_KEY => $self->{event_key},
            INNGEST_SIGNING_KEY => $self->{signing_key});
}


sub kill_app {
    my ($self) = @_;

    kill 'KILL', $self->{app};
    stop_child(delete $self->{app});
}


sub wait_synced {
    my ($self) = @_;

    wait_for(30, 'the app is synced', sub {
        my $r = $self->api('GET', '/v1/apps/sdk/functions');
        return $r->{status} == 200 && $r->{content} =~ /sdk-sequence/;
    }, 0.05);
}


sub start {
    my ($class, %option) = @_;

    my $self = $class->new(%option);

    $self->start_app;
    $self->start_server;
    $self->wait_synced;

    return $self;
}


sub stop {
    stop_all();
}


sub url {
    my ($self, $path) = @_;

    return "http://127.0.0.1:$self->{port}$path";
}


sub app_url {
    my ($self, $path) = @_;

    return "http://127.0.0.1:$self->{app_port}$path";
}


# A request with the signing key when there is one; the body is data.
sub api {
    my ($self, $method, $path, $body, %headers) = @_;

    if ($self->{signing_key} && !exists $headers{authorization}) {
        $headers{authorization} = "Bearer $self->{signing_key}";
    }

    my %option = (headers => \%headers);

    if (defined $body) {
        $option{content} = $json->encode($body);
        $headers{'content-type'} = 'application/json';
    }

    my $r = $self->{http}->request($method, $self->url($path), \%option);
    $r->{json} = eval { $json->decode($r->{content}) };

    return $r;
}


# The internal id of the event.
sub send_event {
    my ($self, $name, $data, %more) = @_;

    my $key = $self->{event_key} || 'test';
    my $r = $self->api('POST', "/e/$key",
                       { name => $name, data => $data || {}, %more });

    die "event $name: $r->{status} $r->{content}\n"
        unless $r->{status} == 200;

    return $r->{json}{ids}[0];
}


sub runs {
    my ($self, $event) = @_;

    my $r = $self->api('GET', "/v1/events/$event/runs");
    die "runs of $event: $r->{status} $r->{content}\n"
        unless $r->{status} == 200;

    return @{$r->{json}{data}};
}


# The first run of the event, once it has ended.  After one that does not, the
# others are given less time: a broken server fails soon.
sub ended {
    my ($self, $event) = @_;

    my $seen = 'no run';

    my $run = eval {
        wait_for($self->{patience}, 'the run ends', sub {
            my ($run) = $self->runs($event) or return;
            $seen = $run->{status};
            return $seen =~ /^(?:Completed|Failed|Cancelled)$/ && $run;
        }, 0.05);
    };

    return $run if $run;

    $self->{patience} = 2;

    return { status => "not ended: $seen", run_id => '' };
}


# What the app noted, of these values.
sub notes {
    my ($self, %want) = @_;

    my @notes = map { $json->decode($_) } grep { /\n\z/ }
        split /^/, slurp($self->{log});

    for my $key (keys %want) {
        @notes = grep { defined $_->{$key} && $_->{$key} eq $want{$key} }
            @notes;
    }

    return @notes;
}


# Names of the steps of a run in the order in which they ran.
sub steps {
    my ($self, $run) = @_;

    return map { $_->{step} } $self->notes(kind => 'step', run => $run);
}


# The executions of the onFailure step, once there is one.
sub wait_cleanup {
    my ($self) = @_;

    my @notes;

    wait_for(20, 'onFailure runs', sub {
        @notes = $self->notes(kind => 'step', step => 'cleanup');
    }, 0.05);

    return @notes;
}


# Lines of the error log that no test should cause.
sub alerts {
    my ($self) = @_;

    return join '', grep {
        /\[(?:alert|emerg|crit)\]|open socket|Sanitizer/
    } split /^/, slurp("$self->{dir}/error.log");
}


END {
    my $status = $?;
    stop_all();
    $? = $status;
}

1;
