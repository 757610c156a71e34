# Copyright (C) the nginx-durable authors

# What the runs of t/crash.pl do: a function for each kind of step.  The
# attempts that a step takes without any accident are those that the script
# makes fail.  The id in the data of an event tells runs apart; of a child it is
# its parent.

package CrashFunctions;

use strict;
use warnings;

use FakeSteps;


# url: where gateways go
sub functions {
    my ($url) = @_;

    my %functions = (
        quick => {
            steps => [map { { run => "quick $_", data => $_, delay => 0.02 } }
                      1 .. 4],
        },
        sleepy => {
            steps => [{ run => 'before', delay => 0.05 },
                      { sleep => 'first', for => '1s' },
                      { run => 'between', delay => 0.1 },
                      { sleep => 'second', for => '2s' },
                      { run => 'after' }],
        },
        trying => {
            steps => [{ run => 'fails', fail => 2 },
                      { run => 'status', error => 1, delay => 0.05 },
                      { run => 'works' }],
        },
        wide => {
            steps => [{ run => 'open' },
                      { all => [{ run => 'left', delay => 0.3 },
                                { run => 'middle', delay => 0.1, fail => 1 },
                                { run => 'right' }] },
                      { run => 'close', delay => 0.1 }],
        },
        slow => {
            steps => [map { { run => "slow $_", delay => 0.4 } } 1 .. 5],
        },
        told => {
            checkpoint => 1,
            steps => [(map { { run => "told $_", data => $_, delay => 0.05 } }
                       1 .. 6),
                      { sleep => 'told nap', for => '1s' },
                      { run => 'told 7' }, { run => 'told 8' }],
        },
        waits => {
            steps => [{ run => 'asks', delay => 0.05 },
                      { wait => 'go', event => 'crash/go',
                        if => 'event.data.id == async.data.id' },
                      { run => 'went' }],
        },
        both => {
            steps => [{ all => [
                          { wait => 'go', event => 'crash/go',
                            if => 'event.data.id == async.data.id' },
                          { signal => 'ready', for => \&run_id },
                          { run => 'meanwhile', delay => 0.2 }] },
                      { run => 'met' }],
        },
        signal => {
            steps => [{ signal => 'ready', for => \&run_id },
                      { run => 'was ready', delay => 0.05 }],
        },
        parent => {
            steps => [{ run => 'asked' },
                      { invoke => 'alone', function => 'crash-child',
                        data => \&parent },
                      { all => [{ invoke => 'one', function => 'crash-child',
                                  data => \&parent },
                                { invoke => 'two', function => 'crash-child',
                                  data => \&parent },
                                { run => 'beside', delay => 0.1 }] }],
        },
        child => {
            event => 'crash/nobody',
            steps => [{ run => 'child works', delay => 0.1 },
                      { sleep => 'child nap', for => '1s' }],
        },
        gathers => {
            steps => [{ run => 'gathers' },
                      { invoke => 'together', function => 'crash-basket',
                        data => \&parent },
                      { run => 'gathered' }],
        },
        basket => {
            event => 'crash/nobody',
            config => { batchEvents => { maxSize => 3, timeout => '1s' } },
            steps => [{ run => 'basket works', delay => 0.1 }],
        },
        fetch => {
            steps => [{ run => 'looks' },
                      { fetch => 'page', url => sub {
                          return "$url/echo/" . run_id($_[0]) } },
                      { all => [map { my $n = $_; { fetch => "page $n",
                          url => sub { return "$url/echo/$n-"
                                              . run_id($_[0]) } } } 1, 2] }],
        },
        stopped => {
            config => { cancel => [{ event => 'crash/stop',
                            if => 'event.data.id == async.data.id' }] },
            steps => [{ run => 'begins' },
                      { sleep => 'for long', for => '1h' }],
        },
        single => {
            config => { singleton => { mode => 'skip',
                                       key => 'event.data.key' } },
            steps => [{ run => 'alone here', delay => 0.2 },
                      { sleep => 'single nap', for => '1s' }],
        },
    );

    for my $name (keys %functions) {
        my $f = $functions{$name};

        $f->{event} ||= "crash/$name";
        $f->{retries} = 12;
        $f->{result} = "end of $name";
    }

    return \%functions;
}


# Those that clients send events for whenever they like.
sub names {
    my ($functions) = @_;

    return sort grep { !/\A(?:child|basket|single)\z/ } keys %$functions;
}


sub steps {
    my ($f) = @_;

    return map { $_->{all} ? @{$_->{all}} : $_ } @{$f->{steps}};
}


# step => the attempt that succeeds, counted from 0
sub attempts {
    my ($functions) = @_;

    return map { $_->{run} => ($_->{fail} || 0) + ($_->{error} || 0) }
           grep { defined $_->{run} } map { steps($_) } values %$functions;
}


sub run_id {
    my ($request) = @_;

    return $request->{ctx}{run_id};
}


sub parent {
    my ($request) = @_;

    return { id => run_id($request) };
}


1;
