# Copyright (C) the nginx-durable authors

# The clients of the server that the scenarios are played with: where each
# comes from, how its app is started, and what its SDK can do.  Everything is
# installed by the language's own tool, below the build directory, once.

package Clients;

use strict;
use warnings;

use File::Basename 'basename';
use File::Copy 'copy';
use File::Path 'make_path';
use Exporter 'import';

use Durable qw(build node_bin npm_install slurp write_file);

our @EXPORT_OK = qw(client clients missing);

my @all = qw(api stream signal fetch);

my @clients = (
    { name => 'v4', title => 'inngest 4.24 (npm)', runtime => 'node',
      packages => ['inngest@4.24.0'],
      can => [@all, 'v4', 'cause'] },

    { name => 'v4-calls', title => 'inngest 4.24, a call for each step',
      runtime => 'node', home => 'v4', packages => ['inngest@4.24.0'],
      environment => { CHECKPOINTING => 'off' },
      can => [@all, 'v4', 'cause'] },

    { name => 'v3', title => 'inngest 3.54 (npm)', runtime => 'node',
      packages => ['inngest@3.54.2'], can => [@all, 'cause'] },

    { name => 'python', title => 'inngest 0.5 (PyPI)', runtime => 'python',
      can => ['api', 'stream'] },

    { name => 'go', title => 'inngestgo 0.13', runtime => 'go',
      can => ['stream', 'signal', 'fetch'] },

    { name => 'mastra', title => '@mastra/inngest 1.9', runtime => 'node',
      node => 22, apps => ['inngest'],
      packages => ['inngest@4.24.0', '@mastra/inngest@1.9.0',
                   '@mastra/core@1.71.0', 'zod@4.6.7'], can => [] },
);

my %runtime = (
    node   => { ready => \&node_ready, command => \&node_command },
    python => { ready => \&python_ready, command => \&python_command },
    go     => { ready => \&go_ready, command => \&go_command },
);


sub clients { return @clients }


sub client {
    my ($name) = @_;

    my ($client) = grep { $_->{name} eq $name } @clients;

    die "no client $name\n" unless $client;

    return { home => $name, environment => {}, node => 20,
             apps => [qw(inngest other stream)], %$client };
}


# Why the client cannot be tested here, empty when it can.  In CI it must.
sub missing {
    my ($name) = @_;

    my $client = client($name);
    my $reason = Durable::missing();

    $reason ||= eval { $runtime{$client->{runtime}}{ready}->($client); '' };
    $reason = $@ unless defined $reason;

    die "$reason\n" if $reason && $ENV{CI};

    chomp $reason;

    return $reason;
}


# What starts the client's app.
sub command {
    my ($client) = @_;

    return $runtime{$client->{runtime}}{command}->($client);
}


sub home { return build("sdk/$_[0]{home}") }


sub node_ready {
    my ($client) = @_;

    die "node $client->{node} or later is needed\n"
        unless node_bin($client->{node});

    npm_install(home($client), @{$client->{packages}});

    return;
}


sub node_command {
    my ($client) = @_;

    my $home = home($client);

    for my $file (glob("t/sdk/*.mjs t/sdk/$client->{home}/*.mjs")) {
        copy_new($file, "$home/" . basename($file));
    }

    return (node_bin($client->{node}), "$home/app.mjs");
}


# Another test may be starting the file that is there.
sub copy_new {
    my ($from, $to) = @_;

    return if slurp($from) eq slurp($to);

    copy($from, "$to.$$") && rename "$to.$$", $to or die "$to: $!\n";

    return;
}


# A virtual environment with what t/sdk/python/requirements.txt names.
sub python_ready {
    my ($client) = @_;

    my $home = home($client);
    my $wanted = slurp('t/sdk/python/requirements.txt');

    return if slurp("$home/.installed") eq $wanted;

    system("python3 -c 'import sys, venv, ensurepip;"
           . " sys.exit(sys.version_info < (3, 10))' 2>/dev/null") == 0
        or die "python 3.10 or later with venv is needed"
               . " (Debian: python3-venv)\n";

    make_path($home);
    Durable::run_once("$home/venv.log", 'python3', '-m', 'venv', $home);
    Durable::run_once("$home/pip.log", "$home/bin/pip", 'install', '-q',
                      '--disable-pip-version-check', '-r',
                      't/sdk/python/requirements.txt');
    write_file("$home/.installed", $wanted);

    return;
}


sub python_command {
    my ($client) = @_;

    return (home($client) . '/bin/python', '-B', 't/sdk/python/app.py');
}


# The program, built anew when its text has changed.
sub go_ready {
    my ($client) = @_;

    my $home = home($client);
    my $wanted = join '', map { slurp($_) } sort glob 't/sdk/go/*';

    return if -x "$home/app" && slurp("$home/.built") eq $wanted;

    my $go = go_bin() or die "go 1.21 or later is needed\n";

    make_path($home);
    Durable::run_once("$home/go.log", $go, 'build', '-C', 't/sdk/go', '-o',
                      "$home/app", '.');
    write_file("$home/.built", $wanted);

    return;
}


# A go that can fetch the version that go.mod asks for: of the system, or the
# one that make deps-go has installed.
sub go_bin {
    for my $go ('go', build('go/bin/go')) {
        my $version = `$go version 2>/dev/null`;
        return $go if $version =~ /go1\.(\d+)/ && $1 >= 21;
    }

    return undef;
}


sub go_command { return home($_[0]) . '/app' }

1;
