# Copyright (C) the nginx-durable authors

# Two nginx: B is the server, in production with keys, A is its app.  An event
# at B is a webhook that A sends on, and A may be killed, reloaded or cut off
# in the middle of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;

use Durable qw(missing wait_for);
use DurableTarget;

plan skip_all => missing() if missing();


my $key = 'signkey-prod-' . 'f00dbabedeadbeef' x 4;
my $target = DurableTarget->start;
my $url = $target->{url};
my %bearer = (Authorization => "Bearer $key");

my $b = Durable->new(workers => 2, mode => 'production', event_key => 'events',
                     retry_interval => '50ms', http => <<"HTTP");
    durable_signing_key $key;
    durable_event_key events;
HTTP

my $a = Durable->new(workers => 2);

# A listens elsewhere than where B finds it: a proxy may stand in between.
$a->{server} = app_locations($key);
$b->{apps} = [$a->url . '/api/inngest'];

$a->start;
$b->start;


sub app_locations {
    my ($with) = @_;
    my $server = $b->url;
    my $here = $a->url;

    return <<"SERVER";
        location = /api/inngest {
            durable_serve app=shop server=$server serve_origin=$here
                          signing_key=$with;
        }
        location = /in/hook  { internal; durable_route hook;
                               durable_forward $url/echo/hook; }
        location = /in/fails { internal; durable_route fails; durable_retries 2;
                               durable_forward $url/status/503; }
        location = /in/bad   { internal; durable_route bad;
                               durable_forward $url/status/404; }
        location = /in/gate  { internal; durable_route gate;
                               durable_retries 20;
                               durable_forward $url/gate/gate; }
SERVER
}


sub ask { return $b->http('GET', $_[0], '', \%bearer)->{json}{data} }


# An event at B as a webhook service sends it; its run.
my $hooks = 0;

sub hook {
    my ($connector, $body) = @_;

    my $id = $b->send_event({
        name => "event/api.webhooks.$connector.action",
        id => 'hook-' . ++$hooks,
        data => { method => 'POST', headers => { 'x-kind' => 'test' },
                  query => 'a=1', body => $body },
    });

    return wait_for(10, 'a run', sub {
        return (map { $_->{run_id} } @{ask("/v1/events/$id/runs") || []})[0];
    });
}


sub tree { return ask("/v1/runs/$_[0]/tree") }


sub ended {
    my ($run, $status) = @_;
    my $tree;

    wait_for(40, "the run is $status", sub {
        $tree = tree($run);
        return $tree && $tree->{status} ne 'Running';
    });

    is($tree->{status}, $status, "it is $status in the end");

    return $tree;
}


subtest 'the server syncs the app' => sub {
    my $app = wait_for(15, 'the app is registered', sub {
        return (grep { $_->{name} eq 'shop' && $_->{registered} }
                @{ask('/v1/apps') || []})[0];
    });

    is($app->{functions}, 4, 'with its functions');
    is($app->{sdk}, 'nginx:v0.1.0', 'made by nginx');
    is($app->{url}, 'http://localhost:' . $a->port . '/api/inngest',
       'where it is called');

    my $r = $a->http('PUT', '/api/inngest', '');
    is($r->{status}, 200, 'anybody may ask for a sync at a known origin');
    is_deeply($r->{json}, { message => 'Successfully registered',
                            modified => JSON::PP::false },
              'which changes nothing');
    is($r->{headers}{'x-inngest-sync-kind'}, 'out_of_band', 'out of band');
};


subtest 'an event at the server is a webhook at the handler' => sub {
    my $tree = ended(hook('hook', '{"n": 1}'), 'Completed');
    my ($head, $sent) = split /\r\n\r\n/, $target->request('/echo/hook'), 2;

    is($sent, '{"n": 1}', 'the body');
    like($head, qr{^POST /echo/hook\?a=1 HTTP/1.1\r\n}, 'method and query');
    like($head, qr/^x-kind: test\r?$/m, 'headers');

    is($tree->{function}, 'shop-api-hook', 'the function is the app\'s');
    is_deeply([map { $_->{id} } @{$tree->{steps}}],
              ["forward request to $url/echo/hook"], 'with its step');
    is($tree->{output}{status}, 200, 'whose output is that of the run');
    is($target->count('/echo/hook'), 1, 'the handler was asked once');
};


subtest 'the server tries again what failed' => sub {
    my $tree = ended(hook('fails', 'x'), 'Failed');

    is($target->count('/status/503'), 3, 'as often as the route says');
    is($tree->{error}{name}, 'ForwardError', 'and has the error');
    is($tree->{error}{data}{status}, 503, 'with the answer');

    ended(hook('bad', 'x'), 'Failed');
    is($target->count('/status/404'), 1, 'a final status is not tried again');
};


# Each of these ends something while the handler is at work.
sub meanwhile {
    my ($what, $code) = @_;

    subtest $what => sub {
        my $n = $target->count('/gate/gate');
        my $run = hook('gate', $what);

        wait_for(10, 'the handler is at work',
                 sub { $target->count('/gate/gate') == $n + 1 });

        $code->();

        my $tree = ended($run, 'Completed');
        is($target->count('/gate/gate'), $n + 1, 'the handler ran once');
        is($tree->{output}{status}, 200, 'and its answer counts');
    };

    return;
}


# the gate stays open once it was; each test has a target of its own
sub close_gate {
    my $port = $target->{port};
    undef $target;
    $target = DurableTarget->start($port);

    return;
}


close_gate();

meanwhile('the app is killed, and the handler answers nobody', sub {
    $a->kill_nginx;
    $target->open('gate');
    $a->start_nginx;
});

close_gate();

meanwhile('the app is reloaded', sub {
    my @old = $a->worker_pids;

    kill 'HUP', $a->master_pid;
    wait_for(10, 'new workers', sub {
        return grep { my $pid = $_; !grep { $_ == $pid } @old }
               $a->worker_pids;
    });
    $a->wait_ready;
    $target->open('gate');

    wait_for(20, 'the workers of before are gone', sub {
        my %now = map { $_ => 1 } $a->worker_pids;
        return !grep { $now{$_} } @old;
    });
});

close_gate();

meanwhile('the leader of the app is killed', sub {
    $a->kill_leader;
    $a->wait_ready;
    $target->open('gate');
});

close_gate();

meanwhile('the server loses its connection to the app', sub {
    $b->kill_sidecar;
    $b->start_sidecar;
    $target->open('gate');
});

close_gate();

meanwhile('the server is killed', sub {
    $b->kill_nginx;
    $b->start_nginx;
    $target->open('gate');
});


subtest 'with another key nothing works, and both say so' => sub {
    $a->stop_nginx;
    $a->{server} = app_locations('ab' x 32);
    $a->start_nginx;

    my $r = $a->http('PUT', '/api/inngest', '');
    is($r->{status}, 401, 'the server does not take the registration');
    like($r->{body}, qr/key/, 'because of the key');

    my $run = hook('hook', 'x');
    wait_for(20, 'the call is refused', sub {
        return grep { ($_->{status} || 0) == 401 }
               @{ask("/v1/runs/$run/history") || []};
    });
    is($target->count('/echo/hook'), 0, 'and executes nothing');
};


for ([ A => $a ], [ B => $b ]) {
    my ($name, $d) = @$_;
    is($d->alerts, '', "the log of $name is clean");
    unlike($d->error_log, qr/deadbeef/, 'and has no secret in it');
    $d->stop;
}

done_testing();
