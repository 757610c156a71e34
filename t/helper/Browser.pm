# Copyright (C) the nginx-durable authors

# A script that drives a real browser: Debian's Chromium through
# playwright-core, in a node of its own.  What the script looks at becomes
# tests here, what it asks for is done here, where the server is:
#
#     my $browser = Browser->new(url => $d->url . '/durable/');
#     $browser->play('story.mjs', { any => 'option' },
#                    kill_leader => sub { $d->kill_leader });
#
# The scripts are t/dashboard/*.mjs; kit.mjs has their end of it.

package Browser;

use strict;
use warnings;

use File::Basename 'basename';
use File::Copy 'copy';
use File::Path 'make_path';
use IO::Handle;
use IPC::Open2 'open2';
use JSON::PP ();
use Test::More;

use Durable qw(build node_bin npm_install slurp);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my @packages = ('playwright-core@1.65.1', 'axe-core@4.14.1');


sub home { return build('browser') }


sub chromium {
    my ($path) = grep { -x } map { "/usr/bin/$_" }
        qw(chromium chromium-browser google-chrome);

    return $path;
}


# Why there can be no browser, empty when there can.  In CI there must.
sub missing {
    my $reason = Durable::missing();

    $reason ||= 'chromium is not installed' unless chromium();
    $reason ||= 'node 20 or later is needed' unless node_bin();
    $reason ||= $@ unless $reason || eval { npm_install(home(), @packages) };

    die "$reason\n" if $reason && $ENV{CI};

    chomp $reason if $reason;

    return $reason || '';
}


# url: of the dashboard, with the last slash; more is given to the script.
sub new {
    my ($class, %option) = @_;

    return bless { %option }, $class;
}


# Plays the script; true when it came to its end.
sub play {
    my ($self, $script, $option, %answer) = @_;

    my $path = $self->prepare($script);

    local $ENV{BROWSER} = $json->encode({
        %$self, chromium => chromium(), pictures => pictures(),
        temporary => $ENV{TMPDIR} || '/tmp', %{$option || {}} });

    my $pid = open2(my $out, my $in, node_bin(), $path);

    $in->autoflush(1);

    while (my $line = <$out>) {
        $self->heard($line, $in, \%answer);
    }

    close $in;
    waitpid $pid, 0;

    return ok($? == 0, "$script came to its end");
}


# Where the scripts find their packages.
sub prepare {
    my ($self, $script) = @_;

    make_path(home());

    for my $file (glob 't/dashboard/*.mjs') {
        my $to = home() . '/' . basename($file);

        next if slurp($file) eq slurp($to);
        copy($file, "$to.$$") && rename "$to.$$", $to or die "$to: $!\n";
    }

    return home() . "/$script";
}


sub pictures {
    my $dir = build('screenshots');

    make_path($dir);

    return $dir;
}


# A line: what was looked at, a request, or something for the reader.
sub heard {
    my ($self, $line, $in, $answer) = @_;

    my $said = eval { $json->decode($line) };

    return diag($line) unless ref $said eq 'HASH';

    if (exists $said->{ok}) {
        ok($said->{ok}, $said->{title})
            or diag($said->{detail} // 'no more is known');
        return;
    }

    return note($said->{note}) if defined $said->{note};

    my $code = $answer->{$said->{ask} // ''};
    my $value = eval { $code ? $code->($said->{with}) : die "unknown\n" };
    my $error = $@;

    diag("$said->{ask}: $error") if $error;
    print {$in} $json->encode({ id => $said->{id}, value => $value,
        error => $error || undef }), "\n";

    return;
}

1;
