# Copyright (C) the nginx-durable authors

# A whole server for scenario tests: nginx with the module, the sidecar, a
# store in a directory of its own, on a free port of 127.0.0.1.
#
#     my $d = Durable->new(workers => 2, apps => [$app->url]);
#     $d->start;
#     my $id = $d->send_event({ name => 'shop/order', data => {} });
#     $d->wait_run($id, 'Completed');
#     is($d->alerts, '', 'the log is clean');
#     $d->stop;
#
# Options: workers, mode (dev), apps, port, dir, http, server, main (text for
# these places of the configuration), retry_interval, log_level, connections
# (of a worker), store (more words for durable_store).  DURABLE_BUILD names
# another build directory and TEST_NGINX_BINARY another nginx.  Only processes
# started here are signalled.

package Durable;

use strict;
use warnings;

use Exporter 'import';
use File::Path qw(make_path);
use File::Spec;
use File::Temp ();
use IO::Socket::INET;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

use HttpClient;

our @EXPORT_OK = qw(build free_port missing node_bin npm_install slurp
    wait_for write_file);

my %started;                            # pid => name; what we may signal

# A test that is interrupted leaves nothing behind.
$SIG{$_} = sub { exit 1 } for qw(HUP INT TERM);


sub build {
    my ($name) = @_;

    return File::Spec->rel2abs(($ENV{DURABLE_BUILD} || 'build') . "/$name");
}


# Why a scenario cannot run here, empty when it can.
sub missing {
    for my $name ('ngx_http_durable_module.so', 'durable') {
        return build($name) . ' is not built' unless -e build($name);
    }

    return '';
}


sub slurp {
    my ($path, $from) = @_;

    open my $fh, '<', $path or return '';
    seek $fh, $from, 0 if $from;
    local $/;
    my $text = <$fh>;

    return defined $text ? $text : '';
}


sub write_file {
    my ($path, $text) = @_;

    open my $fh, '>', $path or die "$path: $!\n";
    print {$fh} $text;
    close $fh or die "$path: $!\n";

    return;
}


sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalPort => 0,
                                       LocalAddr => '127.0.0.1')
        or die "no free port: $!\n";

    return $socket->sockport;
}


# Calls the code until it gives a true value, which is returned; dies when the
# seconds are over.
sub wait_for {
    my ($seconds, $what, $code, $pause) = @_;

    my $end = time + $seconds;

    while (1) {
        my $value = $code->();
        return $value if $value;

        die "$what: not within $seconds s\n" if time > $end;
        sleep($pause || 0.02);
    }
}


# ---- node, for tests with real SDKs

# A node of that version (20) or later: of the system, or the one of npm's
# package "node", installed below the build directory; undef when there is
# none.
sub node_bin {
    my ($least) = @_;

    $least ||= 20;

    my $own = build('node/node_modules/node/bin/node');

    for my $node ('node', $own) {
        my $version = `$node --version 2>/dev/null`;
        return $node if $version =~ /\Av(\d+)/ && $1 >= $least;
    }

    eval { npm_install(build('node'), 'node@22') };

    return -x $own ? $own : undef;
}


# A command, until it has ended; dies with what it said when it failed.
sub run_once {
    my ($log, @command) = @_;

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $log;
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    die "@command: " . slurp($log) . "\n" if $?;

    return;
}


# npm install in the directory, once for each list of packages.
sub npm_install {
    my ($dir, @packages) = @_;

    my $wanted = join ' ', sort @packages;
    return $dir if slurp("$dir/.installed") eq $wanted;

    make_path($dir);
    write_file("$dir/package.json", '{"private":true,"type":"module"}')
        unless -e "$dir/package.json";

    run_once("$dir/npm.log", 'npm', 'install', '--prefix', $dir,
             '--no-audit', '--no-fund', '--loglevel', 'error', @packages);

    write_file("$dir/.installed", $wanted);

    return $dir;
}


# ---- the server

sub new {
    my ($class, %option) = @_;

    my $self = bless {
        workers => 2, mode => 'dev', apps => [], http => '', server => '',
        main => '', store => '', connections => 1024, log_level => 'notice', owner => $$,
        killed => {}, %option
    }, $class;

    $self->{port} ||= free_port();

    if (!$self->{dir}) {
        $self->{temporary} = File::Temp->newdir('durable-XXXXXX', TMPDIR => 1);
        $self->{dir} = $self->{temporary}->dirname;
        chmod 0755, $self->{dir};
    }

    subreaper();

    return $self;
}


# A new master of a binary upgrade outlives its parent: it becomes our child
# then, and not one of a process that may be slow to bury it.
sub subreaper {
    my ($machine) = (POSIX::uname())[4];
    my %prctl = (x86_64 => 157, aarch64 => 167);

    syscall($prctl{$machine}, 36, 1, 0, 0, 0) if $prctl{$machine};

    return;
}


sub dir { return $_[0]{dir} }

sub port { return $_[0]{port} }

sub url { return "http://127.0.0.1:$_[0]{port}" }

sub socket_path { return "$_[0]{dir}/sidecar.sock" }

sub sidecar_pid { return $_[0]{sidecar} }


sub config {
    my ($self) = @_;

    my $module = build('ngx_http_durable_module.so');
    my $user = $> == 0 && $self->{main} !~ /^\s*user\s/m ? "user root;\n" : '';
    my $apps = join '', map { "    durable_app $_;\n" } @{$self->{apps}};
    my $retry = defined $self->{retry_interval}
                ? "    durable_retry_interval $self->{retry_interval};\n" : '';
    my $dir = $self->{dir};

    return <<"CONF";
${user}worker_processes $self->{workers};
pid $dir/nginx.pid;
error_log $dir/error.log $self->{log_level};
load_module $module;
$self->{main}

events {
    worker_connections $self->{connections};
}

http {
    access_log off;
    default_type text/plain;
    keepalive_timeout 60;
    client_max_body_size 20m;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;

    durable_store $dir/store $self->{store};
    durable_sidecar unix:$dir/sidecar.sock;
    durable_mode $self->{mode};
$apps$retry
$self->{http}

    server {
        listen 127.0.0.1:$self->{port};

        location / {
            durable_server;
        }

        location = /durable/status {
            durable_status;
        }

        location = /plain {
            return 200 "plain\\n";
        }

$self->{server}
    }
}
CONF
}


sub run_child {
    my ($name, $log, @command) = @_;

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $log;
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec'; exec @command; }
        print STDERR "$command[0]: $!\n";
        POSIX::_exit(127);
    }

    $started{$pid} = $name;

    return $pid;
}


# True while the process is there; an ended child is buried.  Its connections
# are closed when the last one of its threads has ended.
sub alive {
    my ($pid) = @_;

    return 0 unless $pid;

    if (waitpid($pid, WNOHANG) == $pid) {
        return 0;
    }

    my ($state) = slurp("/proc/$pid/stat") =~ /\) (\w) /s or return 0;
    my @threads = glob "/proc/$pid/task/*";

    return $state =~ /[ZX]/ && @threads < 2 ? 0 : 1;
}


sub gone {
    my ($seconds, @pids) = @_;

    my $end = time + $seconds;

    while (1) {
        return 1 unless grep { alive($_) } @pids;
        return 0 if time > $end;
        sleep 0.01;
    }
}


sub start {
    my ($self) = @_;

    $self->start_sidecar;
    $self->start_nginx;

    return $self;
}


sub start_sidecar {
    my ($self) = @_;

    $self->{sidecar} = run_child('sidecar', "$self->{dir}/sidecar.log",
        build('durable'), 'sidecar', '--socket', $self->socket_path,
        @{$self->{sidecar_options} || []});

    wait_for(10, "the sidecar listens (see $self->{dir}/sidecar.log)", sub {
        die "the sidecar ended: " . slurp("$self->{dir}/sidecar.log") . "\n"
            unless alive($self->{sidecar});

        return IO::Socket::UNIX->new(Peer => $self->socket_path);
    });

    return $self->{sidecar};
}


# nginx goes into the background, for it refuses a binary upgrade as long as
# its parent lives; as a subreaper we are its parent again then.
sub start_nginx {
    my ($self) = @_;

    my $dir = $self->{dir};

    write_file("$dir/nginx.conf", $self->config);
    unlink "$dir/nginx.pid";

    my $pid = run_child('nginx', "$dir/nginx.out", binary(), '-p', "$dir/",
        '-e', "$dir/error.log", '-c', "$dir/nginx.conf");

    waitpid $pid, 0;
    die 'nginx does not start: ' . slurp("$dir/nginx.out") . "\n" if $?;

    $self->{nginx} = wait_for(10, 'the pid of nginx', sub {
        return (slurp("$dir/nginx.pid") =~ /\A(\d+)\n/)[0];
    }, 0.005);
    $started{$self->{nginx}} = 'nginx';

    $self->wait_ready;

    return $self->{nginx};
}


# By its full name: a binary upgrade starts what argv[0] says.
sub binary {
    my $name = $ENV{TEST_NGINX_BINARY} || 'nginx';

    return File::Spec->rel2abs($name) if $name =~ m{/};

    for my $path (split(/:/, $ENV{PATH}), '/usr/sbin') {
        return "$path/$name" if -x "$path/$name";
    }

    die "no $name here\n";
}


sub wait_ready {
    my ($self, $seconds) = @_;

    return wait_for($seconds || 15, 'a leader', sub { $self->leader_pid });
}


sub master_pid { return $_[0]{nginx} }

sub worker_pids {
    my ($self) = @_;

    my $pid = $self->{nginx};

    return split ' ', slurp("/proc/$pid/task/$pid/children");
}


sub status {
    my ($self) = @_;

    my $r = HttpClient->new(port => $self->{port}, keepalive => 0,
                            timeout => 3)->request('GET', '/durable/status');

    return $r->{status} == 200 ? $r->{json} : undef;
}


sub leader_pid {
    my ($self) = @_;

    my $status = $self->status or return undef;

    return $status->{pid};
}


# ---- what happens to processes

sub kill9 {
    my ($self, @pids) = @_;

    $self->{killed}{$_} = 1 for @pids;
    kill 'KILL', @pids;
    gone(5, @pids) or die "kill -9 of @pids does nothing\n";

    return;
}


sub kill_leader {
    my ($self) = @_;

    my $pid = wait_for(5, 'a leader', sub { $self->leader_pid });

    $self->kill9($pid);

    return $pid;
}


sub kill_nginx {
    my ($self) = @_;

    my $master = $self->{nginx} or return;

    $self->kill9($master, halted_children($master));
    delete $self->{nginx};

    return;
}


# Of a process that cannot start another one from now on.
sub halted_children {
    my ($pid) = @_;

    kill 'STOP', $pid;

    for (1 .. 500) {
        last if slurp("/proc/$pid/stat") !~ /\) [RSD] /;
        sleep 0.01;
    }

    return split ' ', slurp("/proc/$pid/task/$pid/children");
}


sub kill_sidecar {
    my ($self) = @_;

    my $pid = delete $self->{sidecar} or return;

    $self->kill9($pid);

    return;
}


# HUP, until the workers of before are gone.
sub reload {
    my ($self, $seconds) = @_;

    my @old = $self->worker_pids;

    kill 'HUP', $self->{nginx};

    gone($seconds || 20, @old)
        or die "workers @old stay after a reload\n";

    return;
}


# USR2, then QUIT to the old master once the new one has written its pid.
sub upgrade {
    my ($self) = @_;

    my $old = $self->{nginx};
    my @old = ($old, $self->worker_pids);
    my $file = "$self->{dir}/nginx.pid";

    kill 'USR2', $old;

    my $new = wait_for(10, 'the new master', sub {
        my ($pid) = slurp($file) =~ /\A(\d+)\n/;
        return $pid && $pid != $old && -e "$file.oldbin" && $pid;
    });

    $started{$new} = 'nginx';
    $self->{nginx} = $new;

    wait_for(10, 'workers of the new master', sub {
        return $self->worker_pids >= $self->{workers};
    });

    kill 'QUIT', $old;

    gone(20, grep { $_ != $new } @old)
        or die "the old master $old stays after an upgrade\n";

    return $new;
}


sub stop_nginx {
    my ($self) = @_;

    my $pid = delete $self->{nginx} or return 1;

    return end_process($pid, 'QUIT', 10);
}


sub stop_sidecar {
    my ($self) = @_;

    my $pid = delete $self->{sidecar} or return 1;

    return end_process($pid, 'TERM', 10);
}


# True when the first signal was enough.
sub end_process {
    my ($pid, $signal, $seconds) = @_;

    for my $try ([$signal, $seconds], ['TERM', 3], ['KILL', 3]) {
        my @children = $try->[0] eq 'KILL' ? halted_children($pid) : ();

        kill $try->[0], $pid, @children;

        if (gone($try->[1], $pid, @children)) {
            return $try->[0] eq $signal;
        }
    }

    return 0;
}


# True when both ended by being asked.
sub stop {
    my ($self) = @_;

    my $nginx = $self->stop_nginx;
    my $sidecar = $self->stop_sidecar;

    return $nginx && $sidecar;
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);

    return unless $self->{owner} == $$;

    $self->kill_nginx;
    $self->kill_sidecar;

    return;
}


# ---- questions

sub http {
    my ($self, @request) = @_;

    $self->{client} ||= HttpClient->new(port => $self->{port});

    return $self->{client}->request(@request);
}


# The ids of the events; dies when they were not accepted.
sub send_events {
    my ($self, @events) = @_;

    my $r = $self->http('POST', '/e/' . ($self->{event_key} || 'key'),
                        \@events);

    die "events were not accepted: $r->{status} "
        . ($r->{error} || $r->{body}) . "\n" if $r->{status} != 200;

    return @{$r->{json}{ids}};
}


sub send_event {
    my ($self, $event) = @_;

    return ($self->send_events($event))[0];
}


sub event_runs {
    my ($self, $event) = @_;

    my $r = $self->http('GET', "/v1/events/$event/runs");

    return $r->{status} == 200 ? @{$r->{json}{data} || []} : ();
}


sub run {
    my ($self, $id) = @_;

    my $r = $self->http('GET', "/v1/runs/$id");

    return $r->{status} == 200 ? $r->{json}{data} : undef;
}


# The run of the event, once it has the status (Completed).
sub wait_run {
    my ($self, $event, $status, $seconds) = @_;

    $status ||= 'Completed';

    return wait_for($seconds || 20, "the run of $event is $status", sub {
        my ($run) = grep { $_->{status} eq $status }
                    $self->event_runs($event);
        return $run;
    });
}


# Asks every app to register; waits until the server knows its functions.
sub wait_registered {
    my ($self, $app, $seconds) = @_;

    return wait_for($seconds || 20, "app $app is registered", sub {
        my $r = $self->http('GET', "/v1/apps/$app/functions");
        return $r->{status} == 200 && ref $r->{json} eq 'ARRAY'
               && @{$r->{json}} && $r->{json};
    });
}


# ---- the log

sub error_log { return slurp("$_[0]{dir}/error.log") }


# The lines that must not be there, as one text; a process that was killed
# here on purpose may be mourned.
sub alerts {
    my ($self) = @_;

    my @lines;

    for my $line (map { split /\n/, slurp("$self->{dir}/$_") }
                  'error.log', 'nginx.out', 'sidecar.log')
    {
        next unless $line =~ /\[alert\]|\[emerg\]|\[crit\]|exited\ on\ signal
            |Sanitizer|runtime\ error:|open\ socket\ \#|assertion/xi;
        next if $line =~ /process (\d+) exited on signal 9/
                && $self->{killed}{$1};

        push @lines, $line;
    }

    return join "\n", @lines;
}


END {
    local $?;

    if (%started) {
        my $me = $$;

        for my $pid (sort keys %started) {
            my ($parent) = slurp("/proc/$pid/stat") =~ /\) \S (\d+)/s
                or next;
            kill 'KILL', $pid, halted_children($pid) if $parent == $me;
        }
    }
}


1;
