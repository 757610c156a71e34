# Copyright (C) the nginx-durable authors

# The nginx under test: its directory, its configuration, its processes.
#
# nginx is our own child in the foreground; it listens as soon as its pid file
# is there.  A reload names another pid file, so its end is seen the same way.
# Only processes started here are ever signalled.

package Test::Nginx::Server;

use strict;
use warnings;

use Cwd qw(getcwd);
use File::Path qw(make_path remove_tree);
use File::Spec;
use POSIX qw(:sys_wait_h);
use Time::HiRes qw(sleep time);

our ($pid, $exit);
our ($workers, $master, $log_level) = (1, use_hup(), 'debug');
our $worker_connections = 64;
our ($root_location, @environment) = (1);

my ($generation, $started_with_master) = (0, 0);

our $port = $ENV{TEST_NGINX_SERVER_PORT} || $ENV{TEST_NGINX_PORT} || 1984;
our $root = $ENV{TEST_NGINX_SERVROOT};

if ($ENV{TEST_NGINX_RANDOMIZE}) {
    $port = 10000 + ($$ * 7919 + time * 1000) % 20000;
}

if (!defined $root) {
    $root = File::Spec->catdir(getcwd(), 't', 'servroot');
    $root .= "_$port" if $ENV{TEST_NGINX_RANDOMIZE};
}

$root = File::Spec->rel2abs($root);
$log_level = $ENV{TEST_NGINX_LOG_LEVEL} if $ENV{TEST_NGINX_LOG_LEVEL};

sub binary { return $ENV{TEST_NGINX_BINARY} || 'nginx' }

sub html_dir { return "$root/html" }

sub error_log_file { return "$root/logs/error.log" }

sub running { return defined $pid }

# Reloads instead of restarts; these need a master process.
sub use_hup { return $ENV{TEST_NGINX_USE_HUP} ? 1 : 0 }


sub version {
    our $version;

    if (!defined $version) {
        my $binary = binary();
        ($version) = `$binary -v 2>&1` =~ m{nginx/(\d+\.\d+\.\d+)};
        die "$binary -v names no version\n" unless defined $version;
    }

    return $version;
}


# ---- files

sub make_root {
    $generation = 0;

    remove_tree($root);
    make_path("$root/conf", "$root/logs", "$root/html");
    chmod 0777, "$root/logs";

    write_file("$root/html/index.html",
               "<html><head><title>It works!</title></head>"
               . "<body>It works!</body></html>");

    return;
}


sub write_file {
    my ($path, $text) = @_;

    open my $fh, '>', $path or die "$path: $!\n";
    binmode $fh;
    print {$fh} $text;
    close $fh or die "$path: $!\n";

    return;
}


sub read_file {
    my ($path, $from) = @_;

    open my $fh, '<', $path or return '';
    binmode $fh;
    seek $fh, $from, 0 if $from;
    local $/;
    my $text = <$fh>;

    return defined $text ? $text : '';
}


# ">>> name [YYYYMMDDhhmm.ss]" opens a file; or a list of [name, text, time],
# or a hash of name and text.
sub user_files {
    my ($files) = @_;

    my @files;

    if (ref $files eq 'HASH') {
        @files = map { [$_, $files->{$_}] } sort keys %$files;

    } elsif (ref $files eq 'ARRAY') {
        @files = map { ref $_ eq 'HASH'
                       ? [$_->{name}, $_->{content}, $_->{time}] : $_ } @$files;

    } else {
        my (undef, @parts) = split /^>>>[ \t]*/m, $files;

        for my $part (@parts) {
            my ($name, $time, $text) =
                $part =~ /\A(\S+)(?:[ \t]+([\d.]+))?[ \t]*\n?(.*)\z/s;
            push @files, [$name, $text, $time];
        }
    }

    for my $file (@files) {
        my ($name, $text, $time) = @$file;
        my $path = $name =~ m{\A/} ? $name : html_dir() . "/$name";

        make_path($1) if $path =~ m{\A(.*)/};
        write_file($path, $text);

        if (defined $time
            && $time =~ /\A(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d\d))?\z/)
        {
            my $at = POSIX::mktime($6 || 0, $5, $4, $3, $2 - 1, $1 - 1900);
            utime $at, $at, $path;
        }
    }

    return;
}


# ---- configuration

sub modules {
    my @paths = split ' ', $ENV{TEST_NGINX_LOAD_MODULES} || '';

    return join '', map {
        my $path = -e $_ ? File::Spec->rel2abs($_) : $_;
        "load_module $path;\n";
    } @paths;
}


sub pid_file { return "$root/logs/nginx.pid" . ($generation || '') }


# part: main_config, http_config, config, post_main_config, log_level
sub write_config {
    my (%part) = @_;

    my $top = '';

    if ($> == 0 && $part{main_config} !~ /^\s*user\s/m) {
        $top .= "user root;\n";
    }

    $top .= join '', map { "env $_;\n" } @environment;
    $top .= 'master_process ' . ($master ? 'on' : 'off') . ";\n"
        unless $part{main_config} =~ /^\s*master_process\s/m;

    my $location = '';

    if ($root_location && $part{config} !~ m{^\s*location\s+=?\s*/\s*\{}m) {
        $location = "location / {\n            root $root/html;\n"
                    . "            index index.html index.htm;\n        }\n";
    }

    my $level = $part{log_level} || $log_level;
    my $modules = modules();
    my $pid_file = pid_file();

    write_file("$root/conf/nginx.conf", <<"CONF");
$modules
worker_processes $workers;
daemon off;
$top
pid $pid_file;
error_log $root/logs/error.log $level;

$part{main_config}

events {
    accept_mutex off;
    worker_connections $worker_connections;
}

http {
    access_log $root/logs/access.log;
    default_type text/plain;
    keepalive_timeout 68;

    client_body_temp_path $root/client_body_temp;
    proxy_temp_path $root/proxy_temp;
    fastcgi_temp_path $root/fastcgi_temp;
    uwsgi_temp_path $root/uwsgi_temp;
    scgi_temp_path $root/scgi_temp;

$part{http_config}

    server {
        listen 127.0.0.1:$port;
        server_name localhost;
        client_max_body_size 30M;

$part{config}

        $location
    }
}

$part{post_main_config}
CONF

    return;
}


# ---- processes

# True when nginx listens, false when it ended (with $exit) or is late.
sub start {
    my ($seconds) = @_;

    ($exit, $started_with_master) = (undef, $master);

    my @command = (binary(), '-p', "$root/", '-e', "$root/logs/error.log",
                   '-c', "$root/conf/nginx.conf");

    $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$root/logs/stderr.log";
        open STDERR, '>&', \*STDOUT;
        { no warnings 'exec'; exec @command; }
        print STDERR "cannot start $command[0]: $!\n";
        POSIX::_exit(127);
    }

    return until_pid_file($seconds || 10);
}


sub until_pid_file {
    my ($seconds) = @_;

    my $end = time + $seconds;

    while (time < $end) {
        return 1 if read_file(pid_file()) =~ /\A$pid\n/;
        return 0 if ended();
        sleep 0.005;
    }

    return 0;
}


# Has our child ended?  Its status is then in $exit.
sub ended {
    return 1 unless defined $pid;
    return 0 if waitpid($pid, WNOHANG) == 0;

    $exit = $?;
    $pid = undef;

    return 1;
}


# The end was expected.
sub forget { ($pid, $exit) = (undef, undef); return }


# With the new configuration in place: false when it was not taken.
sub can_reload { return defined $pid && !ended()
                        && $started_with_master == $master }


sub next_generation { $generation++; return }


sub reload {
    my %old = map { $_ => 1 } children();

    kill 'HUP', $pid;

    return 0 unless until_pid_file(10);
    return 1 unless $started_with_master;

    # Old workers may still accept what was in flight; wait for their end.
    my $end = time + 10;

    while (time < $end) {
        return 1 unless grep { $old{$_} } children();
        return 0 if ended();
        sleep 0.005;
    }

    return 1;
}


sub children {
    return unless defined $pid;

    my $list = read_file("/proc/$pid/task/$pid/children");

    return split ' ', $list;
}


# QUIT, then TERM, then KILL; what went wrong as a list of sentences.
sub stop {
    my @wrong;

    push @wrong, 'nginx ended by itself' if defined $pid && ended()
                                            || defined $exit;

    for my $try (['QUIT', 8], ['TERM', 4], ['KILL', 4]) {
        my ($signal, $seconds) = @$try;
        my $end = time + $seconds;

        last unless defined $pid;
        push @wrong, 'nginx needed SIGKILL to end' if $signal eq 'KILL';

        # Workers of a killed master would stay behind.
        kill $signal, $signal eq 'KILL' ? children() : (), $pid;

        while (!ended() && time < $end) {
            sleep 0.005;
        }
    }

    if (defined $exit) {
        push @wrong, 'nginx was killed by signal ' . ($exit & 127)
            if $exit & 127;
        push @wrong, 'nginx ended with code ' . ($exit >> 8) if $exit >> 8;
    }

    ($pid, $exit) = (undef, undef);

    return @wrong;
}


# What sanitizers wrote: on stderr, or where log_path sends it.
sub sanitizer_reports {
    my ($since) = @_;

    my $text = read_file("$root/logs/stderr.log");

    for my $name (qw(ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS)) {
        my ($path) = ($ENV{$name} || '') =~ /log_path=([^:]+)/ or next;

        for my $file (glob "$path.*") {
            $text .= read_file($file) if (stat $file)[9] >= int $since;
        }
    }

    return grep { /AddressSanitizer|LeakSanitizer|runtime error:/ }
           split /\n/, $text;
}


1;
