# Copyright (C) the nginx-durable authors

# What a run of either major version of the SDK may rely on.  All events are
# sent at the start and run beside each other; each case then looks at one.

package Cases;

use strict;
use warnings;
use utf8;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(case_all expect_steps);

my $large = 2 * 1024 * 1024;

my %unsupported = (
    'op-wait'   => 'WaitForEvent',
    'op-invoke' => 'InvokeFunction',
    'op-signal' => 'WaitForSignal',
);

my @cases = (
    'sequence', 'steps run one after the other, each once', sub {
        my ($t, $run) = @_;

        is_deeply($run->{output}, { a => 2,
                  b => { twice => 4, text => "ä\0\x{1f600}" }, c => undef },
                  'each step sees the results of the ones before');
        expect_steps($t, $run, qw(a b c));
    },

    'no-steps', 'a function without steps gets the event', sub {
        my ($t, $run) = @_;

        is_deeply($run->{output}, { echo => { x => 1 } }, 'its output');
    },

    'step-retry', 'a step that failed twice is tried again', sub {
        my ($t, $run) = @_;

        is_deeply($run->{output}, { attempt => 2 }, 'the third try counts');
        expect_steps($t, $run, qw(flaky flaky flaky));
    },

    'step-retry-resets', 'each step has the whole number of tries', sub {
        my ($t, $run) = @_;

        is_deeply($run->{output}, [1, 1], 'one failure in each is forgiven');
        expect_steps($t, $run, qw(first first second second));
    },

    'step-caught', 'the function can catch the last failure of a step', sub {
        my ($t, $run) = @_;

        is_deeply($run->{output},
                  { message => 'always bad', recovered => 'recover' },
                  'the error keeps its message');
        expect_steps($t, $run, qw(bad bad recover));
    },

    'step-uncaught', 'a step failure that nobody catches fails the run', sub {
        my ($t, $run) = @_;

        expect_failure($run, qr/step boom/);
        expect_steps($t, $run, qw(bad bad));
    },

    'function-error', 'an error outside of steps uses up the tries', sub {
        my ($t, $run) = @_;

        expect_failure($run, qr/function boom/);
        expect_steps($t, $run, 'fine');
        is(scalar $t->notes(kind => 'end', run => $run->{run_id}), 3,
           'the end was reached three times');
    },

    'non-retriable', 'NonRetriableError ends the tries at once', sub {
        my ($t, $run) = @_;

        expect_failure($run, qr/not again/);
        expect_steps($t, $run, 'never');
    },

    'retry-after', 'RetryAfterError says when to try again', sub {
        my ($t, $run) = @_;

        is($run->{output}, 1, 'the second try counts');

        my @at = map { $_->{ts} } $t->notes(kind => 'step',
                                            run => $run->{run_id});
        is(scalar @at, 2, 'two tries');
        cmp_ok($at[1] - $at[0], '>=', 1900, 'two seconds apart');
    },

    'sleep', 'a sleep takes its time', sub {
        my ($t, $run) = @_;

        is($run->{output}, 'slept', 'its output');
        expect_steps($t, $run, qw(before after));

        my @at = map { $_->{ts} } $t->notes(kind => 'step',
                                            run => $run->{run_id});
        cmp_ok($at[1] - $at[0], '>=', 1000, 'one second');
    },

    'sleep-until', 'a sleep until an instant ends at that instant', sub {
        my ($t, $run) = @_;

        expect_steps($t, $run, qw(until after));

        my (undef, $after) = $t->notes(kind => 'step',
                                       run => $run->{run_id});
        # The text of the instant goes down to the millisecond, the server
        # rounds the wait to whole seconds.
        cmp_ok($after->{ts}, '>=', $run->{output}{until} - 600,
               'not before');
    },

    'parallel', 'parallel steps beside a sleep run exactly once', sub {
        my ($t, $run) = @_;

        is_deeply($run->{output}, { after => ['p1', 'p2'], last => 'last' },
                  'their results');
        expect_set($t, $run, qw(after last p1 p2 p3));
    },

    'parallel-chains', 'chains of steps beside each other run once', sub {
        my ($t, $run) = @_;

        is_deeply($run->{output}, ['x-1+', 'y-1+', 'z-1+'], 'their results');
        expect_set($t, $run, qw(x-1 x-2 y-1 y-2 z-1 z-2));
    },

    'parallel-failure', 'one parallel step may fail beside others', sub {
        my ($t, $run) = @_;

        is_deeply($run->{output}, ['good', 'doomed', 'steady'],
                  'each has its own outcome');
        expect_set($t, $run, qw(doomed doomed good shaky shaky));
    },

    'send-event', 'sendEvent inside of a run starts other runs', sub {
        my ($t, $run) = @_;

        my $ids = $run->{output}{ids};
        is(scalar @$ids, 2, 'two events were accepted');
        expect_steps($t, $run, 'after');

        is_deeply([map { $t->ended($_)->{output} } @$ids], [1, 2],
                  'each started its run');
    },

    'fails', 'onFailure is called with the error and the event', sub {
        my ($t, $run) = @_;

        expect_failure($run, qr/on purpose/);

        my @cleanup = $t->noted(kind => 'step', step => 'cleanup');
        is(scalar @cleanup, 1, 'once');

        my ($call) = grep { ($_->{fn} || '') eq 'sdk-fails-failure' }
            $t->notes(kind => 'request', method => 'POST');
        ok($call, 'the handler was called');

        my $event = JSON::PP->new->utf8->decode($call->{body})->{event};
        is($event->{name}, 'inngest/function.failed', 'by the event');
        is($event->{data}{function_id}, 'sdk-fails', 'of this function');
        is($event->{data}{run_id}, $run->{run_id}, 'and this run');
        is_deeply($event->{data}{event}{data}, { x => 1 },
                  'with the event that started it');
        is($event->{data}{error}{message}, 'on purpose', 'and the error');
    },

    'large', 'outputs beyond 4 MiB are fetched by the SDK', sub {
        my ($t, $run) = @_;

        is_deeply($run->{output}, { total => 5 << 20 }, 'nothing is lost');
        expect_steps($t, $run, map { "part-$_" } 0 .. 4);

        my @api = grep { $_->{use_api} }
            $t->notes(kind => 'request', run => $run->{run_id});
        ok(scalar @api, 'use_api was set');
        is($api[-1]{memos}, 0, 'the memos were not in that call');
    },

    'large-event', 'an event of 2 MiB arrives whole', sub {
        my ($t, $run) = @_;

        is($run->{output}, $large, 'its size');
    },

    'fetch', 'step.fetch has the response, or an error to catch', sub {
        my ($t, $run) = @_;

        is($run->{output}{text}, "plain\n", 'the body');
        is($run->{output}{status}, 404, 'any status');
        like($run->{output}{error}, qr/connection refused/, 'no response');
        expect_steps($t, $run, 'text');
    },

    'infer', 'step.ai.infer has what the model says', sub {
        my ($t, $run) = @_;

        is($run->{output}{answer}, 'hello', 'its answer');
        like($run->{output}{error}, qr/HTTP 429/, 'or its error');
    },
);


# Starts everything, then looks at each.
sub case_all {
    my ($t) = @_;

    my %event;

    for (my $i = 0; $i < @cases; $i += 3) {
        my $data = $cases[$i] eq 'large-event' ? { text => 'y' x $large }
            : $cases[$i] =~ /^(?:fetch|infer)$/ ? { target => $t->url }
            : { x => 1 };
        $event{$cases[$i]} = $t->fire("sdk/$cases[$i]", $data);
    }

    for my $name (sort keys %unsupported) {
        $event{$name} = $t->fire("sdk/$name");
    }

    my @once = map { $t->fire('sdk/once', {}, id => 'the-same') } 1, 2;
    push @once, $t->fire('sdk/once', {}, id => 'another');

    for (my $i = 0; $i < @cases; $i += 3) {
        my ($name, $title, $code) = @cases[$i .. $i + 2];

        subtest $title => sub {
            my $run = $t->ended($event{$name});

            if ($name =~ /uncaught|function-error|non-retr|^fails/) {
                is($run->{status}, 'Failed', 'the run failed');
            } else {
                is($run->{status}, 'Completed', 'the run completed')
                    or diag explain $run;
            }

            $code->($t, $run) if $run->{run_id};
        };
    }

    case_unsupported($t, \%event);
    case_once($t, @once);
    case_rest($t, $event{sequence});
}


sub case_unsupported {
    my ($t, $event) = @_;

    for my $name (sort keys %unsupported) {
        subtest "$unsupported{$name} fails the run in plain words" => sub {
            my $run = $t->ended($event->{$name});

            is($run->{status}, 'Failed', 'the run failed');
            like(error_text($run), qr/$unsupported{$name}/,
                 'the error names it');
            is(scalar $t->notes(kind => 'request', run => $run->{run_id}), 1,
               'at once');
        };
    }
}


sub case_once {
    my ($t, @events) = @_;

    subtest 'an event id starts one run of a function' => sub {
        is($t->ended($events[0])->{status}, 'Completed', 'the first does');
        is($t->ended($events[2])->{status}, 'Completed',
           'and another id');

        is(scalar $t->notes(kind => 'step', step => 'only'), 2,
           'the second with the same id does not');
    };
}


sub case_rest {
    my ($t, $event) = @_;

    subtest 'the run can be read back' => sub {
        my ($run) = $t->event_runs($event);

        my $r = $t->api('GET', "/v1/runs/$run->{run_id}");
        is($r->{status}, 200, 'GET /v1/runs/{id}');

        my $data = $r->{json}{data};
        is($data->{run_id}, $run->{run_id}, 'the id');
        is($data->{status}, 'Completed', 'the status');
        is($data->{event_id}, $event, 'the event');
        is_deeply($data->{output}, $run->{output}, 'the output');
        ok($data->{run_started_at} && $data->{ended_at}, 'the times');
        ok($r->{json}{metadata}{fetched_at}, 'the envelope');

        is($t->api('GET', "/v1/events/$event")->{json}{data}{name},
           'sdk/sequence', 'GET /v1/events/{id}');
        is($t->api('GET', '/v1/runs/01JQDAE4RQF8MBCR55T5AK4KXR')->{status},
           404, 'an unknown run is 404');
    };
}


sub error_text {
    my ($run) = @_;

    return JSON::PP->new->canonical->allow_nonref->encode($run->{output});
}


sub expect_failure {
    my ($run, $pattern) = @_;

    like(error_text($run), $pattern, 'the error is the output');
}


sub expect_steps {
    my ($t, $run, @want) = @_;

    is_deeply([$t->steps($run->{run_id})], \@want, 'the steps that ran');
}


sub expect_set {
    my ($t, $run, @want) = @_;

    is_deeply([sort $t->steps($run->{run_id})], \@want,
              'the steps that ran');
}

1;
