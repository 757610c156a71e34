# Copyright (C) the nginx-durable authors

# Workflows of nginx.conf whose runs another nginx has: B is the server, A is
# its app and executes the steps.  No step runs twice, also when A is killed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use JSON::PP ();
use Test::More;

use Durable qw(missing wait_for write_file);
use DurableTarget;

plan skip_all => missing() if missing();


my $key = 'signkey-prod-' . 'f00dbabedeadbeef' x 4;
my %bearer = (Authorization => "Bearer $key");
my $target = DurableTarget->start;

$ENV{DURABLE_T49_TOKEN} = 'secret-of-a-step';

my $b = Durable->new(workers => 1, mode => 'production',
                     event_key => 'secret-events', retry_interval => '50ms',
                     http => <<"HTTP");
    durable_signing_key $key;
    durable_event_key secret-events;
HTTP

my $a = Durable->new(workers => 2, main => 'env DURABLE_T49_TOKEN;');
my $s = $a->url . '/s';

$a->{server} = <<"SERVER";
        location = /api/inngest {
            durable_serve app=shop server=@{[ $b->url ]} event_key=secret-events
                          serve_origin=@{[ $a->url ]} signing_key=$key;
        }
        location = /s/ocr   { return 200 '{"text":"abc","pages":["a","b","c"]}'; }
        location = /s/notes { return 200 '["notes"]'; }
        location = /s/quiz  { return 200 '["quiz"]'; }
        location = /s/embed { return 200 '"vector"'; }
        location = /s/poll  { return 200 '{"done":true}'; }
        location = /s/html  { return 200 '<html>'; }
        location = /s/gone  { return 410 'it is gone'; }
        location = /s/auth  {
            if (\$http_authorization = "Bearer secret-of-a-step") {
                return 200 '"known"';
            }
            return 200 '"unknown"';
        }
SERVER

# A handler that is slow, and not of A: it answers with what stands in a file.
write_file($b->dir . '/done.json', '{"done":1}');
$b->{server} = <<"SERVER";
        location = /s/gate {
            auth_request /s/hold;
            alias @{[ $b->dir ]}/done.json;
        }
        location = /s/hold {
            internal;
            proxy_pass $target->{url}/gate/gate;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }
SERVER

$a->{http} = <<"CONF";
    durable_function process-document {
        trigger      event=document.uploaded;
        retries      3;
        step         ocr       $s/ocr timeout=30s;
        parallel {
            step     notes     $s/notes "body={'text': steps.ocr.text}";
            step     quiz      $s/quiz;
        }
        wait_for_event approval event=action/approved match=data.actionId timeout=24h;
        branch "if=steps.approval == null" { fail "not approved in time"; }
        sleep        cool-off  1s;
        foreach      page in=steps.ocr.pages concurrency=2 { step embed $s/embed "body={'page': page}"; }
        until        steps.poll.done max=20 { step poll $s/poll; sleep again 1s; }
        send_event   done      event=document.ready "data={'id': event.data.actionId}";
        invoke       index     function=search-index "data={'id': event.data.actionId}";
        return       "{'notes': steps.notes, 'quiz': steps.quiz, 'index': steps.index, 'embed': steps.embed, 'by': steps.approval.data.by}";
    }

    durable_function search-index {
        return "{'indexed': event.data.id}";
    }

    durable_function on-ready {
        trigger event=document.ready;
        return event.data.id;
    }

    durable_function broken {
        trigger event=t/broken;
        retries 1;
        step a $s/html;
    }

    durable_function gone {
        trigger event=t/gone;
        step a $s/gone;
        on_failure { return event.data.error.message; }
    }

    durable_function headers {
        trigger event=t/headers;
        step a $s/auth "header=Authorization: Bearer env:DURABLE_T49_TOKEN";
        return steps.a;
    }

    durable_function wrong {
        trigger event=t/wrong;
        foreach x in=event.data.list { step a $s/poll; }
    }

    durable_function killed {
        trigger event=t/killed;
        retries 20;
        step a @{[ $b->url ]}/s/gate method=GET retries=20
               "header=Authorization: Bearer env:DURABLE_T49_TOKEN";
        step b $s/poll;
        return "[steps.a.done, steps.b.done]";
    }
CONF

$b->{apps} = [$a->url . '/api/inngest'];
$a->start;
$b->start;


sub ask { return $b->http('GET', $_[0], '', \%bearer)->{json}{data} }


sub start {
    my ($name, $data) = @_;

    my $id = $b->send_event({ name => $name, data => $data || {} });

    return wait_for(10, 'a run', sub {
        return (map { $_->{run_id} } @{ask("/v1/events/$id/runs") || []})[0];
    });
}


sub ended {
    my ($run, $status) = @_;
    my $tree;

    wait_for(60, "the run is $status", sub {
        $tree = ask("/v1/runs/$run/tree");
        return $tree && $tree->{status} ne 'Running'
               && $tree->{status} ne 'Scheduled';
    });

    is($tree->{status}, $status, "it is $status in the end")
        or diag explain $tree;

    return $tree;
}


# The only run of a function that an event of this name started.
sub run_of {
    my ($function) = @_;

    return wait_for(20, "a run of $function", sub {
        my $list = ask("/v1/runs?function=$function&limit=10");
        return ref $list && @$list ? $list->[0]{run_id} : undef;
    });
}


wait_for(15, 'the app is registered', sub {
    return grep { $_->{name} eq 'shop' && $_->{registered} }
           @{ask('/v1/apps') || []};
});


subtest 'its workflows are functions of the server' => sub {
    my %f = map { $_->{id} => $_ } @{ask('/v1/functions')};

    ok($f{"shop-$_"}, "$_ is there")
        for qw(process-document search-index on-ready broken gone
               gone-failure headers wrong killed);
};


subtest 'the server has the run, this nginx executes its steps' => sub {
    my $run = start('document.uploaded', { actionId => 'x1' });

    wait_for(20, 'it waits for an approval', sub {
        my $tree = ask("/v1/runs/$run/tree");
        return grep { $_->{id} eq 'approval' } @{$tree->{steps} || []};
    });
    $b->send_event({ name => 'action/approved',
                     data => { actionId => 'x1', by => 'me' } });

    my $tree = ended($run, 'Completed');

    is_deeply($tree->{output},
              { notes => ['notes'], quiz => ['quiz'], by => 'me',
                index => { indexed => 'x1' },
                embed => ['vector', 'vector', 'vector'] },
              'what it returns');
    is_deeply([sort map { $_->{id} } @{$tree->{steps}}],
              [sort qw(ocr notes quiz approval cool-off embed[0] embed[1]
                       embed[2] poll[0] again[0] done index)],
              'its steps')
        or diag explain [map { $_->{id} } @{$tree->{steps}}];

    is(ended(run_of('shop-on-ready'), 'Completed')->{output}, 'x1',
       'the event that it sent has started another one');
};


subtest 'what fails is as it is here' => sub {
    my $tree = ended(start('t/broken'), 'Failed');
    like($tree->{error}{message}, qr/JSON/, 'an answer that is no JSON');
    is(scalar @{$tree->{steps}[0]{attempts}}, 2, 'is tried again');

    $tree = ended(start('t/gone'), 'Failed');
    like($tree->{error}{message}, qr/status 410/, 'a status that is final');
    like(ended(run_of('shop-gone-failure'), 'Completed')->{output},
         qr/status 410/, 'its handler is told');

    $tree = ended(start('t/wrong', { list => 7 }), 'Failed');
    like($tree->{error}{message}, qr/foreach.*nginx\.conf:\d+/,
         'an error of the definition names its line');
};


subtest 'secrets are in the request and in no store' => sub {
    my $tree = ended(start('t/headers'), 'Completed');
    is($tree->{output}, 'known', 'the handler gets it');
};


subtest 'a step is run once, also when this nginx is killed' => sub {
    my $run = start('t/killed');

    wait_for(10, 'the handler is at work',
             sub { $target->count('/gate/gate') == 1 });
    $a->kill_nginx;
    $target->open('gate');

    unlike(Durable::slurp($a->dir . '/store/data.mdb'),
           qr/Bearer secret-of-a-step|secret-events/, 'the store has none');

    $a->start_nginx;
    is_deeply(ended($run, 'Completed')->{output}, [1, JSON::PP::true],
              'the run goes on with its answer');
    is($target->count('/gate/gate'), 1, 'the handler was asked once');
};


for ([ A => $a ], [ B => $b ]) {
    my ($name, $d) = @$_;
    is($d->alerts, '', "the log of $name is clean");
    unlike($d->error_log, qr/deadbeef|secret-/, 'and has no secret in it');
    $d->stop;
}

done_testing();
