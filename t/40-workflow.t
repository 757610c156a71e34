# Copyright (C) the nginx-durable authors

# durable_function: a workflow of plain HTTP services, all directives of it,
# with a second server of the same nginx in the part of the services.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;

use Durable qw(missing wait_for write_file);

plan skip_all => missing() if missing();


my $d = Durable->new(workers => 2, retry_interval => '50ms');
my $s = $d->url . '/s';

write_file($d->dir . '/approval.conf', <<'CONF');
wait_for_event approval event=action/approved match=data.actionId timeout=24h;
branch "if=steps.approval == null" { fail "not approved in time"; }
CONF

write_file($d->dir . '/token', "secret-of-a-file\n");
$ENV{DURABLE_T40_TOKEN} = 'secret-of-the-environment';

$d->{server} = <<'SERVER';
        location = /s/ocr    { return 200 '{"text":"abc","pages":["a","b","c"]}'; }
        location = /s/plan   { return 200 '{"needsApproval":true,"n":1}'; }
        location = /s/notes  { return 200 '["notes"]'; }
        location = /s/quiz   { return 200 '["quiz"]'; }
        location = /s/embed  { return 200 '"vector"'; }
        location = /s/poll   { return 200 '{"done":true}'; }
        location = /s/html   { return 200 '<html>'; }
        location = /s/gone   { return 410 'it is gone'; }
        location = /s/empty  { return 204; }
        location = /s/auth   { return 200 '"$http_authorization $http_x_file"'; }
        location = /s/method { return 200 '"$request_method"'; }
        location = /s/key    { return 200 '"$http_idempotency_key"'; }
SERVER

$d->{http} = <<"CONF";
    durable_function process-document {
        trigger      event=document.uploaded "if=event.data.size < 10000000";
        retries      3;
        concurrency  5 key=event.data.userId;
        step         ocr       $s/ocr timeout=30s;
        step         plan      $s/plan "body={'text': steps.ocr.text, 'purpose': event.data.purpose}";
        parallel {
            step     notes     $s/notes "body={'plan': steps.plan}";
            step     quiz      $s/quiz  "body={'plan': steps.plan}";
        }
        branch "if=steps.plan.needsApproval" {
            include @{[ $d->dir ]}/approval.conf;
        }
        sleep        cool-off  50ms;
        foreach      page in=steps.ocr.pages concurrency=4 { step embed $s/embed "body={'page': page}"; }
        until        steps.poll.done max=20 { step poll $s/poll; sleep again 10ms; }
        send_event   done      event=document.ready "data={'id': event.data.actionId}";
        invoke       index     function=search-index "data={'id': event.data.actionId}";
        return       "{'notes': steps.notes, 'quiz': steps.quiz, 'index': steps.index, 'embed': steps.embed}";
    }

    durable_function search-index {
        return "{'indexed': event.data.id}";
    }

    durable_function broken {
        trigger event=t/broken;
        retries 1;
        step a $s/html;
    }

    durable_function gone {
        trigger event=t/gone;
        step a $s/gone;
        on_failure {
            step told $s/key;
            return event.data.error.message;
        }
    }

    durable_function headers {
        trigger event=t/headers;
        step a $s/auth "header=Authorization: Bearer env:DURABLE_T40_TOKEN"
               "header=X-File: file:@{[ $d->dir ]}/token";
        step b $s/method method=GET;
        step c $s/empty;
        step d $s/key;
        return "[steps.a, steps.b, steps.c, steps.d == run_id + ':d' ? 'key' : steps.d]";
    }

    durable_function words {
        trigger event=t/words;
        foreach x in=event.data.list { step a $s/empty; }
    }
CONF

$d->{main} = 'env DURABLE_T40_TOKEN;';
$d->start;


# The run that an event starts of one function.
sub start {
    my ($name, $data) = @_;

    my $id = $d->send_event({ name => $name, data => $data || {} });

    return wait_for(10, "a run of $name", sub { ($d->event_runs($id))[0] });
}


sub ended {
    my ($run, $status, $title) = @_;
    my $now;

    wait_for(20, "the run is $status", sub {
        $now = $d->run($run);
        return $now->{status} !~ /^(?:Running|Scheduled)$/;
    });

    is($now->{status}, $status, $title);

    return $now->{output};
}


# -- the example of the documentation

my $id = $d->send_event({ name => 'document.uploaded', data => {
    size => 1, userId => 'u', purpose => 'p', actionId => 'x7' } });

my $run = wait_for(10, 'a run', sub { ($d->event_runs($id))[0] })->{run_id};

wait_for(20, 'the run waits for its approval', sub {
    my $tree = $d->http('GET', "/v1/runs/$run/tree")->{json}{data};
    return grep { $_->{id} eq 'approval' } @{$tree->{steps} || []};
});

$d->send_event({ name => 'action/approved', data => { actionId => 'other' } });
is($d->run($run)->{status}, 'Running', 'another approval is not the one');

$d->send_event({ name => 'action/approved', data => { actionId => 'x7' } });

is_deeply(ended($run, 'Completed', 'the workflow of the example completes'),
          { notes => ['notes'], quiz => ['quiz'], index => { indexed => 'x7' },
            embed => [('vector') x 3] }, 'with what its steps gave');

my $tree = $d->http('GET', "/v1/runs/$run/tree")->{json}{data};
my @names = map { $_->{id} } @{$tree->{steps}};

ok((grep { $_ eq 'embed[2]' } @names), 'the history tells the rounds apart');

my $sent = $d->http('GET', '/v1/events?name=document.ready')->{json}{data};
is(@$sent, 1, 'the event is sent once');
is($sent->[0]{data}{id}, 'x7', 'with its data');

$id = $d->send_event({ name => 'document.uploaded',
                       data => { size => 20000000 } });
is(scalar(() = $d->event_runs($id)), 0, 'the condition of a trigger is asked');

# -- answers

$run = start('t/broken')->{run_id};
my $output = ended($run, 'Failed', 'what is no JSON fails in the end');
like($output->{message}, qr/^step a in \S*nginx\.conf:\d+: the answer is no JSON/,
     'with the directive, its file and line');

$run = start('t/gone')->{run_id};
$output = ended($run, 'Failed', 'a 4xx is final');
like($output->{message}, qr/the answer has the status 410: it is gone/,
     'with the status and the start of the answer');

wait_for(10, 'on_failure', sub {
    my $events = $d->http('GET',
                     '/v1/events?name=inngest/function.failed')->{json}{data};
    return grep { ($_->{output} // '') =~ /410/ }
           map { $d->event_runs($_->{internal_id}) } @$events;
});
pass('on_failure runs with the error of the run');

# -- headers, methods

$run = start('t/headers')->{run_id};
is_deeply(ended($run, 'Completed', 'headers and methods'),
          ['Bearer secret-of-the-environment secret-of-a-file', 'GET', undef,
           'key'], 'secrets, methods, an empty answer, the idempotency key');

unlike($d->error_log, qr/secret-of/, 'no secret stands in the log');

# -- errors of a run

$run = start('t/words', { list => 5 })->{run_id};
$output = ended($run, 'Failed', 'foreach over what is no list fails the run');
like($output->{message},
     qr/^foreach x in \S*nginx\.conf:\d+: the value of "in" is no list/,
     'with the directive, its file and line');

is($d->alerts, '', 'nothing alarming is in the log');

$d->stop;
done_testing();
