# Copyright (C) the nginx-durable authors

# Ends what runs of t/crash.pl wait for, and cancels those that are to be
# cancelled: once each, as soon as the server says that the run waits.  What
# was answered 200 is never sent again, so a wait that the server forgets
# leaves its run without an end.

package CrashResume;

use strict;
use warnings;

use JSON::PP ();

use Durable qw(slurp);
use FakeSteps;
use HttpClient;

my $json = JSON::PP->new->utf8;


# calls: the app's record; log: a line for each request that was answered 200
sub new {
    my ($class, %option) = @_;

    my $self = bless { %option, read => 0, open => {} }, $class;

    $self->{client} = HttpClient->new(port => $self->{port}, keepalive => 0,
                                      timeout => 15);

    return $self;
}


# One look at what waits.
sub turn {
    my ($self) = @_;

    $self->read_calls;

    for my $key (sort keys %{$self->{open}}) {
        my $wait = $self->{open}{$key};
        my $kind = $wait->{kind};

        delete $self->{open}{$key} if $self->$kind($wait);
    }

    return;
}


sub read_calls {
    my ($self) = @_;

    my $text = slurp($self->{calls}, $self->{read});

    $text =~ s/[^\n]*\z//;
    $self->{read} += length $text;

    for my $line (split /\n/, $text) {
        next unless $line =~ /"reports":|"fn":"stopped"/;

        my $call = $json->decode($line);

        for my $name (@{$call->{reports} || []}) {
            $self->add('go', $call) if $name eq 'go';
            $self->add('ready', $call) if $name eq 'ready';
            $self->add('stop', $call) if $name eq 'for long';
        }
    }

    return;
}


sub add {
    my ($self, $kind, $call) = @_;

    my $key = "$kind $call->{run}";

    return if $self->{seen}{$key}++;

    $self->{open}{$key} = { kind => $kind, run => $call->{run},
                            id => $call->{key} };

    return;
}


# What the server says of a step: "waiting", "done", or nothing yet.
sub state {
    my ($self, $wait, $name) = @_;

    my $r = $self->{client}->request('GET', "/v1/runs/$wait->{run}/tree");
    my $tree = $r->{status} == 200 ? $r->{json}{data} || $r->{json} : {};
    my ($step) = grep { $_->{id} eq $name } @{$tree->{steps} || []};

    return $step ? $step->{state} : '';
}


# The same id again, so an answer that is lost is no second event.
sub event {
    my ($self, $wait) = @_;

    my $r = $self->{client}->request('POST', '/e/key', {
        name => "crash/$wait->{kind}", id => "$wait->{kind} $wait->{run}",
        data => { id => $wait->{id} } });

    $wait->{sent} = 1;

    return $r->{status} == 200 && $self->done($wait);
}


sub done {
    my ($self, $wait) = @_;

    print {$self->{log}} "$wait->{kind} $wait->{run}\n";

    return 1;
}


sub go {
    my ($self, $wait) = @_;

    return 0 unless $wait->{sent} || $self->state($wait, 'go') eq 'waiting';

    return $self->event($wait);
}


# cancelOn stands from the start of the run.
sub stop {
    my ($self, $wait) = @_;

    return $self->event($wait);
}


# Nobody waits yet, or a signal whose answer was lost has come.
sub ready {
    my ($self, $wait) = @_;

    return 1 if $wait->{unknown} && $self->state($wait, 'ready') eq 'done';

    my $r = $self->{client}->request('POST', '/v1/signals',
                                     { signal => $wait->{run}, data => 7 });

    return $self->done($wait) if $r->{status} == 200;

    $wait->{unknown} = 1 if $r->{status} != 404;

    return 0;
}


1;
