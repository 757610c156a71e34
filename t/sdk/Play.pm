# Copyright (C) the nginx-durable authors

# Plays the scenarios that a client can, all at once against one server, then
# looks at each.  With kill => 1 the whole server is killed when half of the
# runs have ended; all must end right nevertheless, and no step may run again
# once it was remembered.
#
#     Play->new($world, kill => 1)->all;
#
# What came out is kept for docs/compatibility.md, see t/sdk/page.pl.

package Play;

use strict;
use warnings;

use Digest::SHA 'sha1_hex';
use Encode 'encode_utf8';
use File::Path 'make_path';
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep time);

use Durable qw(build write_file);
use Scenarios 'scenarios';

my $json = JSON::PP->new->utf8->canonical->pretty;


sub new {
    my ($class, $t, %option) = @_;

    my $only = $ENV{SDK_ONLY};

    my @scenes = map { Play::Scene->new($t, $_) }
        grep { $t->can_do(@{$_->{needs} || []}) }
        grep { $only ? $_->{name} =~ /^(?:$only)$/ : !$_->{unbuilt} }
        scenarios();

    return bless { t => $t, scenes => \@scenes, %option }, $class;
}


sub all {
    my ($self) = @_;

    my $t = $self->{t};

    $self->begin;
    $self->wait_all;

    for my $scene (@{$self->{scenes}}) {
        $scene->{ok} = subtest $scene->{title} => sub { $scene->look };
    }

    subtest 'no step runs again once it is remembered' => sub {
        is_deeply([again($t)], [], 'not one');
        is_deeply([forgotten($t)], [], 'no memo is lost on the way');
    };

    record($t, map { $_->{name} => $_->{ok} } @{$self->{scenes}});

    return;
}


# Everything but the large events in one request, so that what belongs
# together arrives together.
sub begin {
    my ($self) = @_;

    my $t = $self->{t};

    for my $scene (@{$self->{scenes}}) {
        my $events = $scene->{events}
            || [["sdk/$scene->{name}", { x => 1, key => $scene->{name} }]];

        $scene->{events} = [@$events ? $t->send_events(map {
            my ($name, $data, @more) = @$_;
            +{ name => $name, data => $data, @more };
        } @$events) : ()];
    }

    return;
}


sub wait_all {
    my ($self) = @_;

    my @waiting = @{$self->{scenes}};
    my $half = @waiting / 2;
    my $end = time + ($ENV{SDK_PATIENCE} || 60);

    while (@waiting && time < $end) {
        @waiting = grep { !$_->done } @waiting;

        if ($self->{kill} && @waiting <= $half) {
            $self->{t}->kill_server;
            delete $self->{kill};
            $end += 30;
        }

        sleep 0.1;
    }

    $_->{late} = 1 for @waiting;

    return;
}


# Steps that ran although a call of their run had carried their memo.
sub again {
    my ($t) = @_;

    my (%memo, @again);

    for my $note ($t->notes) {
        my $run = $note->{run} or next;

        if ($note->{kind} eq 'request') {
            $memo{$run}{$_} = 1 for @{$note->{memos} || []};

        } elsif ($note->{kind} eq 'step') {
            my $id = sha1_hex(encode_utf8($note->{step}));
            push @again, "$note->{step} of $run" if $memo{$run}{$id};
        }
    }

    return @again;
}


# Discovery calls that miss a memo which an earlier one of their run had,
# unless the SDK was told to fetch them.
sub forgotten {
    my ($t) = @_;

    my (%memo, @forgotten);

    for my $note ($t->notes(kind => 'request', step => 'step')) {
        my $run = $note->{run} or next;
        my %has = map { $_ => 1 } @{$note->{memos} || []};

        next if $note->{use_api};

        push @forgotten, map { "$_ of $run" }
            grep { !$has{$_} } sort keys %{$memo{$run}};
        $memo{$run}{$_} = 1 for keys %has;
    }

    return @forgotten;
}


# Keeps what came out of each scenario.
sub record {
    my ($t, %ok) = @_;

    return if $ENV{SDK_ONLY};

    my $dir = build('sdk/results');

    make_path($dir);
    write_file("$dir/$t->{sdk}{name}-$t->{label}.json", $json->encode(
        { map { $_ => $ok{$_} ? 'ok' : 'failed' } keys %ok }));

    return;
}


# ---- one scenario that is being played

package Play::Scene;

use Test::More;

sub new {
    my ($class, $t, $scenario) = @_;

    return bless { status => 'Completed', t => $t, %$scenario }, $class;
}


# True when there is nothing more to wait for.
sub done {
    my ($self) = @_;

    my $t = $self->{t};

    $self->{run} ||= $self->first_run;

    if (!$self->{run} || !$self->{run}{ended}) {
        $self->{drive}->($t, $self) if $self->{drive};
        return 0 if @{$self->{events}};
    }

    return !$self->{over} || $self->{over}->($t, $self, $self->{run});
}


# The run of the first event once it has ended.
sub first_run {
    my ($self) = @_;

    my $event = $self->{events}[0] or return undef;
    my ($run) = $self->{t}->event_runs($event);

    $self->{seen} = $run && $run->{status};

    return undef unless $run && $self->{t}->over($run);

    return { %$run, ended => 1 };
}


sub look {
    my ($self) = @_;

    my $t = $self->{t};
    my $run = $self->{run};

    if (@{$self->{events}}) {
        is($run ? $run->{status} : 'not ended: ' . ($self->{seen} || 'no run'),
           $self->{status}, 'the run ends as it should')
            or return diag $t->text($run);
    }

    ok(!$self->{late}, 'in time') or return;

    is_deeply($run->{output}, $self->{output}, 'its output')
        if exists $self->{output};
    like($t->text($run->{output}), $self->{error}, 'the error is the output')
        if $self->{error};

    $self->look_at_steps;
    $self->{check}->($t, $run, $self) if $self->{check};

    return;
}


# After a kill the call that was cut off may have been made twice, and with it
# each step that was not remembered yet.
sub look_at_steps {
    my ($self) = @_;

    my $t = $self->{t};
    my $want = $self->{steps} || $self->{set} or return;
    my @ran = $t->steps($self->{run}{run_id});

    if (!$t->{killed_at}) {
        @ran = sort @ran if $self->{set};
        is_deeply(\@ran, $want, 'the steps that ran');
        return;
    }

    my (%ran, %want);
    $ran{$_}++ for @ran;
    $want{$_}++ for @$want;

    is_deeply([sort keys %ran], [sort keys %want], 'the steps that ran');

    for my $step (sort keys %ran) {
        next if $ran{$step} == $want{$step};
        cmp_ok($ran{$step}, '==', $want{$step} + 1, "$step ran twice");
        ok($self->cut_off($step), 'for the first time by a call of before');
    }

    return;
}


# True when the step ran before the kill, or a call was open then: an SDK that
# makes checkpoints goes on with it for a while.
sub cut_off {
    my ($self, $step) = @_;

    my $t = $self->{t};
    my $at = $t->{killed_at};
    my @notes = $t->notes(run => $self->{run}{run_id});

    my ($first) = grep { ($_->{step} || '') eq $step } @notes;
    my $open = grep { $_->{kind} eq 'request' && $_->{ts} <= $at } @notes;
    $open -= grep { $_->{kind} eq 'response' && $_->{ts} <= $at } @notes;

    return $first && $first->{ts} <= $at || $open > 0;
}


# Exactly what is wanted; where the server was killed one more, or nothing to
# be said.
sub about {
    my ($self, $got, $want, $name) = @_;

    return is($got, $want, $name) unless $self->{t}{killed_at};

    return ok(1, "$name (but for the kill)")
        unless defined $got && $got =~ /^\d+$/;

    return ok($got == $want || $got == $want + 1, "$name, or one more");
}


# The id of the first event's run when it has come to the step.
sub saw {
    my ($self, $t, $step) = @_;

    my ($run) = $t->event_runs($self->{events}[0]) or return undef;

    return (grep { $_ eq $step } $t->steps($run->{run_id}))
        ? $run->{run_id} : undef;
}

1;
