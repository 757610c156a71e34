# Copyright (C) the nginx-durable authors

# The list of scenarios: what every client of the server may rely on.  Each
# language has functions of these names (the event sdk/NAME runs function
# NAME) which give the same output.
#
# name     of the function and of its row in docs/compatibility.md
# title    what is promised
# needs    features that a client must have, otherwise it is not asked
# events   [name, data, more] of what is sent at the start, else sdk/NAME
# drive    called again and again until the run has ended, for what has to
#          happen from outside; it is given the world and the play's state
# status   Completed unless said; Failed and Cancelled are waited for alike
# output   of the run; error: what it matches when the run fails
# steps    that ran, in order; set: in any order
# check    more of it
# over     true when there is nothing more to wait for; given the run as well

package Scenarios;

use strict;
use warnings;
use utf8;

use Exporter 'import';
use Test::More;

our @EXPORT_OK = qw(scenarios);

my $large = 2 * 1024 * 1024;
my $text = "g\x{fc}nstig \x{2603} \x{1f600} \x{2028}\"\\\x{1}";


sub steps_and_failures {
    return (
        { name => 'sequence',
          title => 'steps run one after the other, each once',
          output => { a => 2, b => { twice => 4, text => "ä\0\x{1f600}" },
                      c => undef },
          steps => [qw(a b c)] },

        { name => 'no-steps',
          title => 'a function without steps gets the event',
          output => { echo => { x => 1, key => 'no-steps' } }, steps => [] },

        { name => 'step-retry',
          title => 'a step that failed twice is tried again',
          output => { attempt => 2 }, steps => [qw(flaky flaky flaky)] },

        { name => 'step-retry-resets',
          title => 'each step has the whole number of tries',
          output => [1, 1], steps => [qw(first first second second)] },

        { name => 'step-caught',
          title => 'the function can catch the last failure of a step',
          output => { message => 'always bad', recovered => 'recover' },
          steps => [qw(bad bad recover)] },

        { name => 'step-uncaught',
          title => 'a step failure that nobody catches fails the run',
          status => 'Failed', error => qr/step boom/,
          steps => [qw(bad bad)] },

        { name => 'function-error',
          title => 'an error outside of steps uses up the tries',
          status => 'Failed', error => qr/function boom/, steps => ['fine'],
          check => sub {
              my ($t, $run, $s) = @_;
              my @end = $t->notes(kind => 'end', run => $run->{run_id});
              $s->about(scalar @end, 3, 'the end was reached three times');
          } },

        { name => 'non-retriable',
          title => 'an error that says so ends the tries at once',
          status => 'Failed', error => qr/not again/, steps => ['never'] },

        { name => 'retry-after',
          title => 'an error may say when to try again',
          output => 1,
          check => sub {
              my ($t, $run, $s) = @_;
              my @at = step_times($t, $run);
              $s->about(scalar @at, 2, 'two tries');
              # Go says it as a date in whole seconds.
              cmp_ok($at[-1] - $at[0], '>=', 950, 'seconds apart');
          } },

        { name => 'on-failure', events => [['sdk/fails', { x => 1 }]],
          title => 'the failure handler is called with error and event',
          status => 'Failed', error => qr/on purpose/,
          over => sub { $_[0]->notes(kind => 'step', step => 'cleanup') },
          check => \&check_failure_handler },
    );
}


sub sleeps_and_sizes {
    return (
        { name => 'sleep', title => 'a sleep takes its time',
          output => 'slept', steps => [qw(before after)],
          check => sub {
              my @at = step_times(@_);
              cmp_ok($at[-1] - $at[0], '>=', 995, 'one second');
          } },

        { name => 'sleep-until',
          title => 'a sleep until an instant ends at that instant',
          steps => [qw(until after)],
          check => sub {
              my ($t, $run) = @_;
              # The text of the instant goes down to the millisecond, the
              # server rounds the wait to whole seconds.
              cmp_ok((step_times($t, $run))[-1], '>=',
                     $run->{output}{until} - 600, 'not before');
          } },

        { name => 'sleep-zero', title => 'a sleep of nothing is over at once',
          output => 'woken', steps => ['after'] },

        { name => 'unicode',
          title => 'text of every kind is kept, in step ids too',
          events => [['sdk/unicode', { text => $text }]],
          output => { text => $text, size => length $text },
          steps => ["gr\x{f6}\x{df}e \x{1f600}"] },

        { name => 'many-steps', title => 'fifty steps run once each',
          output => { sum => 1225 },
          steps => [map { "step-$_" } 0 .. 49] },

        { name => 'large', needs => ['api'],
          title => 'outputs beyond 4 MiB are fetched by the SDK',
          output => { total => 5 << 20 },
          steps => [map { "part-$_" } 0 .. 4],
          check => sub {
              my ($t, $run) = @_;
              my @api = grep { $_->{use_api} }
                  $t->notes(kind => 'request', run => $run->{run_id});
              ok(scalar @api, 'use_api was set');
              is_deeply($api[-1] && $api[-1]{memos}, [],
                        'the memos were not in that call');
          } },

        { name => 'large-event',
          title => 'an event of 2 MiB arrives whole',
          events => [['sdk/large-event', { text => 'y' x $large }]],
          output => $large },

        { name => 'stream', title => 'an answer may come as a stream',
          needs => ['stream'],
          output => { first => 'streamed', last => 'last' },
          steps => [qw(first last)],
          check => sub {
              my ($t, $run) = @_;
              my @status = map { $_->{status} }
                  $t->notes(kind => 'response', run => $run->{run_id});
              is(scalar(grep { $_ == 201 } @status), scalar @status,
                 'every answer was one');
          } },
    );
}


sub beside_each_other {
    return (
        { name => 'parallel',
          title => 'parallel steps beside a sleep run exactly once',
          output => { after => ['p1', 'p2'], last => 'last' },
          set => [qw(after last p1 p2 p3)] },

        { name => 'parallel-chains',
          title => 'chains of steps beside each other run once',
          output => ['x-1+', 'y-1+', 'z-1+'],
          set => [qw(x-1 x-2 y-1 y-2 z-1 z-2)] },

        { name => 'parallel-failure',
          title => 'one parallel step may fail beside others',
          output => ['good', 'doomed', 'steady'],
          set => [qw(doomed doomed good shaky shaky)] },

        { name => 'race',
          title => 'the winner of a race does not wait for the loser',
          output => { winner => 'fast', after => 'fast wins' },
          set => [qw(after fast slow)],
          check => sub {
              my ($t, $run, $s) = @_;
              my %at = map { $_->{step} => $_->{ts} }
                  $t->notes(kind => 'step', run => $run->{run_id});
              $s->about($at{after} - $at{slow} < 9000, 1,
                        'the next step ran before the slower one was done');
          } },

        { name => 'send-event',
          title => 'events sent inside of a run start other runs',
          steps => ['after'],
          check => sub {
              my ($t, $run) = @_;
              my $ids = $run->{output}{ids};
              is(scalar @$ids, 2, 'two events were accepted');
              is_deeply([map { $t->ended($_)->{output} } @$ids], [1, 2],
                        'each started its run');
          } },

        { name => 'event-id', title => 'an event id starts one run',
          events => [map { ['sdk/once', {}, id => $_] }
                     'the-same', 'the-same', 'another'],
          status => 'Completed', steps => ['only'],
          check => sub {
              my ($t, undef, $s) = @_;
              is($t->ended($s->{events}[2])->{status}, 'Completed',
                 'another id starts another');
              is(scalar $t->event_runs($s->{events}[1]), 0,
                 'the second of the same id does not');
          } },
    );
}


sub waits {
    return (
        { name => 'wait-event', title => 'an event resumes what waits for it',
          output => { woken => 'right' },
          drive => sub { $_[0]->tell('sdk/wake', { by => 'right' }) } },

        { name => 'wait-if',
          title => 'a wait takes the event that its expression asks for',
          output => { woken => 'right' }, steps => ['after'],
          drive => sub {
              my ($t) = @_;
              $t->tell('sdk/wake-if', { key => 'other', by => 'wrong' });
              $t->tell('sdk/wake-if', { key => 'wait-if', by => 'right' });
          } },

        { name => 'wait-timeout', title => 'a wait ends when its time is up',
          output => { woken => undef } },

        { name => 'wait-never',
          title => 'events that do not fit leave a wait alone',
          output => { woken => undef },
          drive => sub { $_[0]->tell('sdk/wake-never', { key => 'other',
                                                         by => 'wrong' }) } },

        { name => 'wait-parallel', title => 'a run waits for two events',
          output => ['left', 'right'],
          drive => sub {
              my ($t) = @_;
              $t->tell("sdk/$_", { by => $_ }) for 'right', 'left';
          } },

        { name => 'signal', title => 'a signal reaches who waits for it',
          needs => ['signal'], output => { got => { n => 1 } },
          drive => sub {
              my ($t, $s) = @_;
              $s->{told} ||= $t->signal('plain', { n => 1 });
          },
          check => sub {
              my ($t, $run, $s) = @_;
              $s->about($s->{told}, $run->{run_id}, 'the answer names it');
          } },

        { name => 'signal-timeout', needs => ['signal'],
          title => 'a signal that nobody sends is not waited for longer',
          output => { got => undef } },

        { name => 'signal-replace', needs => ['signal'],
          title => 'a signal may be taken over by another run',
          output => { got => undef },
          over => sub {
              my ($t, $s) = @_;
              $s->{told} ||= $t->signal('replaced', { n => 2 });
              return $t->has_ended($s->{told});
          },
          check => sub {
              my ($t, $run, $s) = @_;
              isnt($s->{told}, $run->{run_id}, 'which is told');
              is_deeply($t->run($s->{told})->{output}, { got => { n => 2 } },
                        'and has it');
          } },

        { name => 'signal-conflict', needs => ['signal'],
          title => 'a signal that is taken fails a run that may not replace',
          output => { got => { n => 1 } },
          drive => sub {
              my ($t, $s) = @_;
              my $second = second_run($t, $s, 'contested');
              $t->signal('contested', { n => 1 })
                  if $second && $t->has_ended($second);
          },
          check => sub {
              my ($t, undef, $s) = @_;
              my $run = $t->run($s->{second});
              is($run->{status}, 'Failed', 'the second run failed');
              like($t->text($run->{output}), qr/[Ss]ignal/, 'and says why');
          } },
    );
}


sub invokes {
    return (
        { name => 'invoke', title => 'a function invokes another one',
          output => { result => { got => 7 }, after => 'after' },
          steps => ['after'] },

        { name => 'invoke-parallel', title => 'three invokes run together',
          output => [map { { got => $_ } } 1 .. 3] },

        { name => 'invoke-failing',
          title => 'the error of an invoked function reaches its caller',
          check => sub {
              my ($t, $run) = @_;
              like($run->{output}{message}, qr/child boom/, 'the message');
              is($run->{output}{cause}, 'inner', 'the cause')
                  if $t->can_do('cause');
          } },

        { name => 'invoke-unknown',
          title => 'invoking a function that is not there fails the step',
          check => sub {
              like($_[1]->{output}{message}, qr/could not find function/,
                   'the message');
          } },

        { name => 'invoke-timeout',
          title => 'an invoke that takes too long fails the step',
          check => sub {
              like($_[1]->{output}{message}, qr/[Tt]imed out waiting/,
                   'the message');
          } },

        { name => 'invoke-other-app',
          title => 'a function of another app is invoked by its id',
          output => { doubled => 42 } },
    );
}


sub gateways {
    return (
        { name => 'fetch', title => 'the server fetches what a run asks for',
          needs => ['fetch'],
          output => { status => 418, body => 'short and stout: leaves' } },

        { name => 'fetch-refused', needs => ['fetch'],
          title => 'a fetch that nobody answers can be caught',
          output => { failed => JSON::PP::true } },

        { name => 'infer', title => 'the server asks a model',
          output => { text => 'hello from Bearer secret' },
          check => sub {
              my ($t, undef, $s) = @_;
              my @asked = grep { $_->{path} =~ m{^/v1/} }
                  $t->{provider}->requests;
              $s->about(scalar @asked, 1, 'once');
              is($t->decode($asked[0]{body})->{model}, 'parrot-1',
                 'the one that was named');
          } },

        { name => 'infer-failing',
          title => 'a model that fails is asked again, then caught',
          output => { failed => JSON::PP::true },
          check => sub {
              my ($t, undef, $s) = @_;
              my @asked = grep { $_->{path} =~ m{^/broken/} }
                  $t->{provider}->requests;
              $s->about(scalar @asked, 2, 'two tries');
          } },
    );
}


sub options_and_ends {
    return (
        { name => 'cancel-on',
          title => 'the event that cancels a run has to fit',
          status => 'Cancelled', steps => ['before'],
          drive => sub {
              my ($t, $s) = @_;
              return unless $s->saw($t, 'before');
              $t->tell('sdk/cancel', { key => 'other' });
              $t->tell('sdk/cancel', { key => 'cancel-on' })
                  if $s->{wrong}++ > 2;
          },
          check => sub {
              my (undef, undef, $s) = @_;
              cmp_ok($s->{wrong}, '>', 3, 'others did not');
          } },

        { name => 'delete-run', title => 'DELETE ends a run',
          status => 'Cancelled', steps => ['before'],
          drive => sub {
              my ($t, $s) = @_;
              my $run = $s->saw($t, 'before') or return;
              $t->api('DELETE', "/v1/runs/$run");
          } },

        { name => 'timeout-finish',
          title => 'a run that takes too long is cancelled',
          status => 'Cancelled', steps => ['before'] },

        { name => 'timeout-start',
          title => 'a run that waits too long for its start is cancelled',
          events => [map { ['sdk/timeout-start', { n => $_ }] } 1, 2],
          check => sub {
              my ($t, $run, $s) = @_;
              my $second = $t->ended($s->{events}[1]);

              # its turn is when the call of the first one was cut off
              return ok(1, 'the second one ends')
                  if $t->{killed_at} && $second->{status} eq 'Completed';

              is($second->{status}, 'Cancelled', 'the second one');
              is(scalar $t->steps($second->{run_id}), 0, 'it never ran');
          } },

        { name => 'idempotency',
          title => 'a function runs once for a value of its key',
          events => [map { ['sdk/idempotency', { key => 'k' }] } 1, 2],
          output => 'only', steps => ['only'], check => \&second_never_ran },

        { name => 'rate-limit', title => 'events beyond the rate are dropped',
          events => [map { ['sdk/rate-limit', { key => 'k' }] } 1, 2],
          output => 'only', steps => ['only'], check => \&second_never_ran },

        { name => 'singleton-skip',
          title => 'a singleton that runs skips the next event',
          events => [map { ['sdk/singleton-skip', { key => 'k', n => $_ }] }
                     1, 2],
          output => 1, steps => ['hold'], check => \&second_never_ran },

        { name => 'singleton-cancel',
          title => 'a singleton is cancelled by the next event',
          events => [map { ['sdk/singleton-cancel', { key => 'k',
                                                      n => $_ }] } 1, 2],
          status => 'Cancelled',
          check => sub {
              my ($t, undef, $s) = @_;
              my $second = $t->ended($s->{events}[1]);
              is($second->{status}, 'Completed', 'which completes');
              is($second->{output}, 2, 'as the second');
          } },

        { name => 'batch',
          title => 'events that are collected start one run',
          events => [map { ['sdk/batch', { n => $_ }] } 1, 2],
          output => { first => 1, all => [1, 2] }, steps => ['told'],
          check => sub {
              my ($t, $run, $s) = @_;
              is($t->ended($s->{events}[1])->{run_id}, $run->{run_id},
                 'it is that of the second one, too');
          } },

        { name => 'rerun', title => 'a run can be run again',
          output => 'ran', steps => ['count'],
          over => sub {
              my ($t, $s, $run) = @_;
              $s->{again} ||= $t->rerun($run->{run_id});
              return $s->{again} && $t->has_ended($s->{again});
          },
          check => sub {
              my ($t, $run, $s) = @_;
              isnt($s->{again}, $run->{run_id}, 'as another run');
              is($t->run($s->{again})->{output}, 'ran', 'it completes');
              $s->about(scalar $t->steps($s->{again}), 1, 'from the start');
          } },
    );
}


sub version_4 {
    return (
        { name => 'defer', title => 'what a run defers is run after it',
          needs => ['v4'], output => { value => 'work' }, steps => ['work'],
          over => sub { $_[0]->notes(kind => 'step', step => 'deferred') },
          check => sub {
              my ($t) = @_;
              my @ran = $t->notes(kind => 'step', step => 'deferred');
              is(scalar @ran, 1, 'once, the aborted one never');
              is($t->run($ran[0]{run})->{output}, 5, 'with its data');
          } },

        { name => 'endpoint-sync', needs => ['v4'], events => [],
          title => 'a durable endpoint answers with its steps done',
          drive => sub { ask_endpoint(@_, 'sync') },
          over => sub { $_[1]->{answer} && $_[1]->{answer}{status} },
          check => sub {
              my ($t, undef, $s) = @_;
              is($s->{answer}{status}, 201, 'the status of the handler');
              is($s->{answer}{body}, 'q!!', 'its text');
              is($s->{answer}{headers}{'x-answer'}, 'sync', 'its header');
          } },

        { name => 'endpoint-async', needs => ['v4'], events => [],
          title => 'a durable endpoint that sleeps redirects to its answer',
          drive => sub { ask_endpoint(@_, 'async') },
          over => sub {
              my ($t, $s) = @_;
              my $where = $s->{answer} && $s->{answer}{headers}{location}
                  or return;
              $s->{answer}{status} == 302 or return 1;
              $s->{redirected} = 1;
              $s->{answer} = $t->follow($where);
              return 1;
          },
          check => sub {
              my (undef, undef, $s) = @_;
              ok($s->{redirected}, 'a redirect came first');
              # 4.24 keeps the text alone, as JSON.
              is($s->{answer}{status}, 200, 'the status');
              is($s->{answer}{body}, '"q??"', 'the text');
          } },
    );
}


# What the server does not do yet, played only when it is named in SDK_ONLY.
my %unbuilt;


# Every scenario, in the order of the page.
sub scenarios {
    return map { { %$_, unbuilt => $unbuilt{$_->{name}} } }
        steps_and_failures(), sleeps_and_sizes(), beside_each_other(),
        waits(), invokes(), gateways(), options_and_ends(), version_4();
}


# ---- what the scenarios above look at

sub step_times {
    my ($t, $run) = @_;

    return map { $_->{ts} } $t->notes(kind => 'step', run => $run->{run_id});
}


sub check_failure_handler {
    my ($t, $run, $s) = @_;

    my @cleanup = $t->notes(kind => 'step', step => 'cleanup');
    $s->about(scalar @cleanup, 1, 'once');

    my ($call) = grep { ($_->{fn} || '') eq 'sdk-fails-failure' }
        $t->notes(kind => 'request', method => 'POST');
    ok($call, 'the handler was called') or return;

    my $event = $t->decode($call->{body})->{event};
    is($event->{name}, 'inngest/function.failed', 'by the event');
    is($event->{data}{function_id}, 'sdk-fails', 'of this function');
    is($event->{data}{run_id}, $run->{run_id}, 'and this run');
    is_deeply($event->{data}{event}{data}, { x => 1 },
              'with the event that started it');
    is($event->{data}{error}{message}, 'on purpose', 'and the error');

    return;
}


# The run that claims the signal after the first one has it.
sub second_run {
    my ($t, $s, $signal) = @_;

    my ($note) = $t->notes(kind => 'step', step => "claim $signal");

    return $s->{second} ||= $note && $note->{run};
}


sub second_never_ran {
    my ($t, $run, $s) = @_;

    my @runs = grep { $_->{status} ne 'Skipped' }
        $t->event_runs($s->{events}[1]);

    is(scalar @runs, 0, 'the second event has no run of its own');

    return;
}


sub ask_endpoint {
    my ($t, $s, $name) = @_;

    $s->{answer} ||= $t->ask_app('GET', "/endpoint/$name?q=q");

    return;
}

1;
