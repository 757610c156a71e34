# Copyright (C) the nginx-durable authors

# How FakeApp plays the steps of a function: what an SDK would answer to a
# call, from the script of the function and the memos of the call.

package FakeSteps;

use strict;
use warnings;

use Digest::SHA qw(sha1_hex);


# What an SDK would answer: the first step without a memo decides.  The call
# gets "does" (what was executed) and "ok".
sub play {
    my ($f, $call, $request) = @_;

    my $memo = $request->{steps} || {};
    my $plan = ($request->{ctx} || {})->{disable_immediate_execution};
    my $target = defined $call->{target} ? $call->{target} : 'step';

    $plan = $plan ? 1 : 0;

    for my $entry (@{$f->{steps}}) {
        my @open = grep { !exists $memo->{step_id($_)} }
                   $entry->{all} ? @{$entry->{all}} : $entry;

        if ($target ne 'step') {
            my ($step) = grep { step_id($_) eq $target } @open;

            return run_step($step, $call, $request) if $step;
            next;
        }

        next unless @open;

        return run_step($open[0], $call, $request)
            if @open == 1 && defined $open[0]{run} && !$plan;

        $call->{reports} = [map { step_name($_) } @open];

        return [206, {}, [map { reported($_, $request) } @open], undef];
    }

    if ($target ne 'step') {
        return [500, { 'X-Inngest-No-Retry' => 'false' },
                { error => 'Could not find step', requestedStep => $target },
                undef];
    }

    # a step that failed for good and is not caught ends the function
    for my $step (map { $_->{all} ? @{$_->{all}} : $_ } @{$f->{steps}}) {
        my $value = $memo->{step_id($step)};

        next unless ref $value eq 'HASH' && exists $value->{error};

        return [400, { 'X-Inngest-No-Retry' => 'true' }, $value->{error},
                undef];
    }

    $call->{does} = 'end';
    $call->{ok} = 1;

    my $result = ref $f->{result} eq 'CODE' ? $f->{result}->($request)
                                            : $f->{result};

    return $f->{run_complete}
        ? [206, {}, [{ op => 'RunComplete', id => sha1_hex('complete'),
                       data => $result }], undef]
        : [200, {}, $result, undef];
}


sub step_id {
    my ($step) = @_;

    return sha1_hex(step_name($step));
}


sub step_name {
    my ($step) = @_;

    for my $kind (qw(run sleep wait signal invoke fetch)) {
        return $step->{$kind} if defined $step->{$kind};
    }

    die "FakeSteps: a step is run, sleep, wait, signal, invoke or fetch\n";
}


sub op {
    my ($step, $op, %more) = @_;

    my $name = step_name($step);

    return { op => $op, id => step_id($step), name => $name,
             displayName => $name, userland => { id => $name }, opts => {},
             %more };
}


# A value of a step as it is, or what its code makes of the call.
sub value {
    my ($value, $request) = @_;

    return ref $value eq 'CODE' ? $value->($request) : $value;
}


sub reported {
    my ($step, $request) = @_;

    my @timeout = $step->{timeout} ? (timeout => $step->{timeout}) : ();

    return op($step, 'Sleep', name => $step->{for}) if defined $step->{sleep};

    return op($step, 'WaitForEvent', name => $step->{event},
              opts => { timeout => '1h', @timeout,
                        $step->{if} ? (if => $step->{if}) : () })
        if defined $step->{wait};

    return op($step, 'WaitForSignal', opts => { timeout => '1h', @timeout,
              signal => value($step->{for}, $request) })
        if defined $step->{signal};

    return op($step, 'InvokeFunction',
              opts => { function_id => $step->{function}, @timeout,
                        payload => { data => value($step->{data}, $request)
                                             || {} } })
        if defined $step->{invoke};

    return op($step, 'Gateway', opts => { method => 'GET',
              url => value($step->{url}, $request) })
        if defined $step->{fetch};

    return op($step, 'StepPlanned', data => undef);
}


# The next step of a function that tells its steps while its call is open;
# undef when something else than a step to run comes next.
sub next_run {
    my ($f, $request) = @_;

    my $memo = $request->{steps} || {};

    for my $entry (@{$f->{steps}}) {
        next if !$entry->{all} && exists $memo->{step_id($entry)};

        return defined $entry->{run} ? $entry : undef unless $entry->{all};
        return undef if grep { !exists $memo->{step_id($_)} } @{$entry->{all}};
    }

    return undef;
}


sub run_step {
    my ($step, $call, $request) = @_;

    my $attempt = $call->{attempt} || 0;
    my $delay = $step->{delay};

    $call->{does} = $step->{run};
    $call->{ok} = 0;

    return [0, {}, undef, $delay, 1] if $attempt < ($step->{hang_up} || 0);

    return [$step->{status} || 500, { 'X-Inngest-No-Retry' => 'false' },
            { name => 'Error', message => 'not now' }, $delay]
        if $attempt < ($step->{error} || 0);

    my $last = defined $call->{max_attempts}
               && $attempt + 1 >= $call->{max_attempts};
    my %error = (name => 'Error', message => "attempt $attempt failed",
                 stack => '');

    if ($attempt < ($step->{fail} || 0) || $step->{final}) {
        my $final = $last || $step->{final};

        return [206, { 'X-Inngest-No-Retry' => $final ? 'true' : 'false' },
                [op($step, $final ? 'StepFailed' : 'StepError',
                    error => \%error, data => undef)], $delay];
    }

    $call->{ok} = 1;

    return [206, {}, [op($step, 'StepRun',
                         data => value($step->{data}, $request))], $delay];
}


1;
