# Copyright (C) the nginx-durable authors

# A test file for one client: the scenarios in dev mode, in production mode,
# and with a kill -9 of the whole server in the middle.

package Modes;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

use Clients;
use Mastra 'play_mastra';
use Page;
use Play;
use Sdk;

our @EXPORT = qw(play_all);

my @modes = (
    { label => 'dev', title => 'in dev mode' },
    { label => 'production', title => 'in production mode', production => 1 },
    { label => 'kill', title => 'killed in the middle', kill => 1 },
);


sub play_all {
    my ($client) = @_;

    if (my $reason = Clients::missing($client)) {
        plan skip_all => $reason;
    }

    for my $mode (grep { wanted($_->{label}) } @modes) {
        subtest "$client, $mode->{title}" => sub { play($client, $mode) };
    }

    done_testing();

    return;
}


sub wanted { return !$ENV{SDK_MODE} || $_[0] =~ /^(?:$ENV{SDK_MODE})$/ }


sub play {
    my ($client, $mode) = @_;

    unlink Page::file($client, $mode->{label}) unless $ENV{SDK_ONLY};

    my $t = Sdk->start_all(sdk => $client, label => $mode->{label},
                           production => $mode->{production});

    if ($client eq 'mastra') {
        play_mastra($t, kill => $mode->{kill});

    } else {
        Play->new($t, kill => $mode->{kill})->all;
    }

    is($t->alerts, '', 'the error log is clean');
    ok($t->stop, 'nginx and the sidecar stop when asked');

    return;
}

1;
