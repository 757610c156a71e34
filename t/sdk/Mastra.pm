# Copyright (C) the nginx-durable authors

# The scenarios of Mastra's workflows (t/sdk/mastra/workflows.mjs): all are
# started at once, and each is judged by what the workflow's caller is told.

package Mastra;

use strict;
use warnings;

use Exporter 'import';
use Test::More;
use Time::HiRes 'time';

use Durable 'wait_for';
use Play;

our @EXPORT_OK = qw(mastra_scenarios play_mastra);

my @scenarios = (
    { name => 'then', title => 'steps follow one another',
      result => { value => 4 }, steps => [qw(first second)] },

    { name => 'dountil', title => 'a step is repeated until it is enough',
      result => { value => 4 }, steps => [qw(again again again)] },

    { name => 'dowhile', title => 'a step is repeated while there is more',
      result => { value => 4 }, steps => [qw(again again again)] },

    { name => 'branch', title => 'the branch whose condition holds is taken',
      result => { small => { value => 11 } }, steps => ['small'] },

    { name => 'parallel', title => 'steps run beside each other',
      result => { left => { value => 2 }, right => { value => 3 } },
      steps => [qw(left right)] },

    { name => 'foreach', title => 'a step runs for each element',
      result => [map { { value => $_ } } 2 .. 4],
      steps => [qw(each each each)] },

    { name => 'nested', title => 'a workflow is a step of another one',
      result => { value => 112 }, steps => [qw(inside last outer)] },

    { name => 'sleep', title => 'a workflow sleeps',
      result => { value => 3 }, steps => [qw(after before)],
      apart => 995 },

    { name => 'sleep-until', title => 'a workflow sleeps until an instant',
      result => { value => 3 }, steps => [qw(after before)],
      apart => 995 },

    { name => 'suspend', title => 'a workflow is suspended and resumed',
      result => { value => 16 }, steps => [qw(after approve approve)] },

    { name => 'cancel', title => 'a workflow is cancelled',
      status => 'canceled', steps => ['before'] },

    { name => 'retries', title => 'a step is tried again',
      result => { value => 2 }, steps => [qw(shaky shaky shaky)] },

    { name => 'failure', title => 'a step that fails fails its workflow',
      status => 'failed', error => qr/doomed on purpose/,
      steps => [qw(before doomed)] },
);


sub mastra_scenarios { return @scenarios }


sub play_mastra {
    my ($t, %option) = @_;

    my %ok;

    for my $scenario (@scenarios) {
        my $r = $t->ask_app('GET', "/start/$scenario->{name}");
        die "$scenario->{name} does not start\n" if $r->{status} != 202;
    }

    my $kill = $option{kill};

    eval {
        wait_for(90, 'all workflows end', sub {
            my $ended = () = $t->notes(kind => 'result');

            if ($kill && 2 * $ended >= @scenarios) {
                $t->kill_server;
                $kill = 0;
            }

            return $ended == @scenarios;
        }, 0.1);
    };

    for my $scenario (@scenarios) {
        $ok{$scenario->{name}} = subtest $scenario->{title} =>
            sub { look($t, $scenario) };
    }

    subtest 'no step runs again once it is remembered' => sub {
        is_deeply([Play::again($t)], [], 'not one');
        is_deeply([Play::forgotten($t)], [], 'no memo is lost on the way');
    };

    Play::record($t, %ok);

    return;
}


sub look {
    my ($t, $scenario) = @_;

    my ($note) = $t->notes(kind => 'result', workflow => $scenario->{name});
    my ($run) = $t->notes(kind => 'started', workflow => $scenario->{name});

    is($note ? $note->{status} : 'not ended',
       $scenario->{status} || 'success', 'its status')
        or diag $t->text($note);
    return unless $note;

    is_deeply($note->{result}, $scenario->{result}, 'its result')
        if $scenario->{result};
    like($note->{error}, $scenario->{error}, 'its error')
        if $scenario->{error};

    my @steps = $t->notes(kind => 'step', run => $run->{mastra});
    my %at = map { $_->{step} => $_->{ts} } @steps;

    steps($t, $scenario, map { $_->{step} } @steps);
    cmp_ok($at{after} - $at{before}, '>=', $scenario->{apart}, 'its pause')
        if $scenario->{apart};

    return;
}


# Exactly those; where the server was killed one may have run once more.
sub steps {
    my ($t, $scenario, @ran) = @_;

    my (%ran, %want);
    $ran{$_}++ for @ran;
    $want{$_}++ for @{$scenario->{steps}};

    if ($t->{killed_at} && @ran > @{$scenario->{steps}}) {
        my ($more) = grep { ($want{$_} || 0) == $ran{$_} - 1 } sort keys %ran;
        $ran{$more}-- if defined $more && $want{$more};
    }

    is_deeply(\%ran, \%want, 'its steps');

    return;
}

1;
