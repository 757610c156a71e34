# Copyright (C) the nginx-durable authors

# Things that break, for t/92-trouble.t: a disk that fails on request, rows
# that cannot be read, apps that answer nonsense.
#
#     my $d = Trouble::server(workers => 1, app => \%functions);
#     Trouble::fault($d, 'sync EIO');  Trouble::heal($d);
#     my $bad = Trouble::bad_app('html');  $bad->{url};
#     Trouble::register($d, 'shop', $bad->{url}, 't/shop', retries => 1);
#     Trouble::damage($d, 'step', Trouble::ulid_hex($run));

package Trouble;

use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(sleep time);

use Durable qw(missing wait_for slurp write_file);
use FakeApp;
use HttpClient;

my $tools = tempdir(CLEANUP => 1);
my $owner = $$;
my %apps;                               # pids of bad apps

my %build = (
    'fault.so' => ['fault.c', '-shared', '-fPIC', '-ldl'],
    'damage' => ['damage.c', '-llmdb'],
);


# A small program in C beside this file, built once; dies without a compiler.
sub tool {
    my ($name) = @_;

    return "$tools/$name" if -e "$tools/$name";

    my ($source, @words) = @{$build{$name}};
    my @libs = grep { /^-l/ } @words;
    my @command = ($ENV{CC} || 'cc', '-std=gnu11', '-Wall', '-Wextra',
        '-Werror', '-O1', '-D_GNU_SOURCE', (grep { !/^-l/ } @words), '-o',
        "$tools/$name", "$FindBin::Bin/helper/$source", @libs);

    system(@command) == 0 or die "@command: failed\n";

    return "$tools/$name";
}


# A server whose disk can fail, with an app beside it.
sub server {
    my (%option) = @_;

    my $functions = delete $option{app};
    my $stopped = delete $option{stopped};
    my $port = Durable::free_port();
    my $app;

    if ($functions) {
        $app = FakeApp->new(id => 'app', functions => $functions,
                            server => "http://127.0.0.1:$port",
                            record => tempdir(CLEANUP => 1) . '/calls');
        $app->start;
    }

    my $d = Durable->new(port => $port, apps => $app ? [$app->url] : [],
                         retry_interval => '100ms', %option);

    $d->{app} = $app;                   # it lives as long as the server

    return $d if $stopped;

    $d->start_sidecar;
    start_nginx($d);
    $d->wait_registered('app') if $app;

    return $d;
}


# As of Durable, with the disk that fails; `unready`: no leader is awaited.
sub start_nginx {
    my ($d, $unready) = @_;

    local $ENV{LD_PRELOAD} = tool('fault.so');
    local $ENV{DURABLE_FAULT} = $d->dir . '/fault';

    no warnings 'redefine';
    local *Durable::wait_ready = sub { 1 } if $unready;

    return $d->start_nginx;
}


# The first word is what fails, the second how; see fault.c.
sub fault {
    my ($d, $text) = @_;

    write_file($d->dir . '/fault.new', "$text\n");
    rename $d->dir . '/fault.new', $d->dir . '/fault' or die "rename: $!\n";

    return;
}


sub heal {
    my ($d) = @_;

    unlink $d->dir . '/fault';

    return;
}


# Makes the rows of a run unreadable; nginx is stopped.  How many they were.
sub damage {
    my ($d, $table, $prefix) = @_;

    my $rows = `@{[tool('damage')]} @{[$d->dir]}/store $table $prefix`;

    die "damage failed\n" if $?;
    chomp $rows;

    return $rows;
}


# 26 letters of Crockford's base 32 are 128 bits with two zeros before.
sub ulid_hex {
    my ($text) = @_;

    my %value;
    @value{split //, '0123456789ABCDEFGHJKMNPQRSTVWXYZ'} = 0 .. 31;

    my $bits = join '', map { sprintf '%05b', $value{$_} } split //, $text;

    return unpack 'H*', pack 'B128', substr $bits, 2;
}


# One request on a connection of its own.
sub ask {
    my ($d, $method, $path, $body, $limit) = @_;

    return HttpClient->new(port => $d->port, keepalive => 0,
                           timeout => $limit || 15)
        ->request($method, $path, $body);
}


sub post {
    my ($d, $event, $limit) = @_;

    return ask($d, 'POST', '/e/key',
               $event || { name => 't/none', data => {} }, $limit);
}


# How many lines of the log match.
sub logged {
    my ($d, $pattern) = @_;

    return scalar grep { $_ =~ $pattern } split /\n/, $d->error_log;
}


sub history {
    my ($d, $run) = @_;

    return @{ask($d, 'GET', "/v1/runs/$run/history")->{json}{data} || []};
}


# Resident memory of a process without what it maps from files, in KiB.
sub memory {
    my ($pid) = @_;

    my ($anonymous) = slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;

    return $anonymous;
}


# A client whose connection was accepted by the worker $pid or, without `same`,
# by another one; needs a location /worker that says its pid.
sub connection {
    my ($d, $pid, $same) = @_;

    for (1 .. 500) {
        my $client = HttpClient->new(port => $d->port, timeout => 15);

        my $r = $client->request('GET', '/worker');
        return $client if ($r->{body} == $pid) == ($same ? 1 : 0);
    }

    die "no connection comes to the right worker\n";
}


# ---- apps

# The functions of one app, as an SDK would say them.
sub register {
    my ($d, $name, $url, $event, %option) = @_;

    my $id = "$name-f";
    my $retries = defined $option{retries} ? $option{retries} : 1;

    my $r = ask($d, 'POST', '/fn/register', {
        url => $url, deployType => 'ping', framework => 'perl',
        appName => $name, sdk => 'js:v4.24.0', v => '0.1', functions => [{
            id => $id, name => 'f', triggers => [{ event => $event }],
            steps => { step => { id => 'step', name => 'step',
                retries => { attempts => $retries + 0 },
                runtime => { type => 'http',
                             url => "$url?fnId=$id&stepId=step" } } } }] });

    die "app $name is not registered: $r->{status} $r->{body}\n"
        if $r->{status} != 200;

    return;
}


# What it sends after a request, then the connection ends; undef is nothing,
# on a connection that stays.
my %answers = (
    garbage => "\x00\x01\x02\xff\xfe not http at all\r\n\r\n",
    html => answer(502, 'text/html', 37,
                   '<html><h1>502 Bad Gateway</h1></html>'),
    page => answer(200, 'text/html', 22, '<html>It works!</html>'),
    json => answer(206, '', 9, '[{"op":"S'),
    half => answer(206, '', 900, '[{"op"'),
    nothing => '',
    huge => answer(200, '', 10485762, '"' . 'x' x 10485760 . '"'),
    hang => undef,
);


# Of an SDK, unless a type is given.
sub answer {
    my ($status, $type, $length, $body) = @_;

    my $headers = $type ? "Content-Type: $type\r\n"
        : "Content-Type: application/json\r\nX-Inngest-Sdk: js:v4.24.0\r\n"
          . "X-Inngest-Req-Version: 2\r\n";

    return "HTTP/1.1 $status Status\r\n${headers}Content-Length: $length\r\n"
        . "\r\n$body";
}


sub bad_app {
    my ($mode) = @_;

    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
                                       Listen => 511, ReuseAddr => 1)
        or die "listen: $!\n";
    my $app = { mode => $mode, port => $socket->sockport,
                url => 'http://127.0.0.1:' . $socket->sockport . '/api' };

    if ($mode eq 'refused') {
        close $socket;
        return $app;
    }

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        $SIG{PIPE} = $SIG{CHLD} = 'IGNORE';
        serve($socket, $answers{$mode});
        POSIX::_exit(0);
    }

    close $socket;
    $apps{$pid} = 1;
    $app->{pid} = $pid;

    return $app;
}


# A process for each connection would be many: those that hang are just kept.
sub serve {
    my ($socket, $answer) = @_;

    my @kept;

    while (my $c = $socket->accept) {
        if (!defined $answer) {
            push @kept, $c;
            next;
        }

        my $in = '';

        while (sysread $c, $in, 65536, length $in) {
            my ($head, $length) = $in =~ /\A(.*?\r\n\r\n)/s;
            next unless defined $head;

            ($length) = $head =~ /^Content-Length:\s*(\d+)/mi;
            last if length $in >= length($head) + ($length || 0);
        }

        my $at = 0;

        while ($at < length $answer) {
            my $n = syswrite $c, $answer, 65536, $at;
            last unless $n;
            $at += $n;
        }

        close $c;
    }

    return;
}


sub end_app {
    my ($app) = @_;

    my $pid = delete $app->{pid} or return;

    delete $apps{$pid};
    kill 'KILL', $pid;
    waitpid $pid, 0;

    return;
}


END {
    local $?;

    if ($$ == $owner) {
        for my $pid (keys %apps) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
        }
    }
}


1;
