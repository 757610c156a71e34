# Copyright (C) the nginx-durable authors

# What people do with events, apps and many runs over REST: an event is
# replayed, apps are added, synced and removed, and bulk jobs cancel runs or
# run them again, through the death of the server.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Test::More;

use Durable qw(missing wait_for);
use FakeApp;
use HttpClient;

plan skip_all => missing() if missing();


my $port = Durable::free_port();
my $down = Durable::free_port();
my $json = JSON::PP->new->utf8->canonical;
my $nobody = '01JQDAE4RQF8MBCR55T5AK4KXR';

my $d = Durable->new(port => $port, workers => 2, retry_interval => '50ms',
                     http => "    durable_event_max_size 20k;\n");

my $app = FakeApp->new(id => 'shop', server => "http://127.0.0.1:$port",
    record => $d->dir . '/calls', functions => {
        order => { event => 'shop/order', result => 1 },
        many  => { event => 'shop/many', result => 1 },
        fails => { event => 'shop/fails', code => sub {
            return (500, { 'X-Inngest-No-Retry' => 'true' },
                    { name => 'Error', message => 'no' }) } },
        asks  => { event => 'shop/ask', steps => [
            { wait => 'paid', event => 'shop/order', timeout => '1h',
              if => 'event.data.n == async.data.n' }] },
    })->start;

push @{$d->{apps}}, $app->url;
$d->{server} = <<'SERVER';
        location = /hook { durable_route nobody; }
SERVER

$d->start;
$d->wait_registered('shop');


sub get { return $d->http('GET', @_) }

sub post { return $d->http('POST', @_) }


# The answer says no, and why.
sub refused {
    my ($r, $status, $why, $what) = @_;

    is($r->{status}, $status, $what) or diag($r->{body});
    like($r->{json}{error} || '', $why, 'and says why');

    return;
}


sub app_at {
    my ($url) = @_;

    my ($app) = grep { index($_->{url}, $url) >= 0 }
                @{get('/v1/apps')->{json}{data}};

    return $app;
}


subtest 'an event is replayed' => sub {
    my $id = $d->send_event({ name => 'shop/order', id => 'o-1', ts => 1e12,
                              user => { who => 'u' }, v => '2',
                              data => { n => 1, at => 1.50 } });
    $d->wait_run($id);

    my $ask = $d->send_event({ name => 'shop/ask', data => { n => 1 } });

    wait_for(10, 'a run waits', sub {
        my ($run) = $d->event_runs($ask);
        $run && get("/v1/runs/$run->{run_id}/tree")->{json}{data}{waits}{event};
    });

    my $r = post("/v1/events/$id/replay");
    is($r->{status}, 200, 'it is') or diag($r->{body});
    ok($r->{json}{metadata}{fetched_at}, 'in an envelope');

    my $copy = $r->{json}{data}{ids}[0];
    isnt($copy, $id, 'as another one');

    $d->wait_run($copy);
    is($d->wait_run($ask)->{status}, 'Completed',
       'which whoever waits meets, too');

    my $old = get("/v1/events/$id")->{json}{data};
    my $new = get("/v1/events/$copy")->{json}{data};

    is_deeply([@$new{qw(name v)}, $new->{user}, $new->{data}],
              [@$old{qw(name v)}, $old->{user}, $old->{data}],
              'with all that it had');
    is($new->{id}, $copy, 'but for its id, by which it would be a duplicate');
    cmp_ok($new->{ts}, '>', 1e12, 'and its time');

    $r = post("/v1/events/$copy/replay");
    is($r->{status}, 200, 'a replayed one can be replayed');
    $d->wait_run($r->{json}{data}{ids}[0]);
};


subtest 'events that cannot be replayed' => sub {
    refused(post("/v1/events/$nobody/replay"), 404, qr/there is no event/,
            'one that is not there');
    refused(post('/v1/events/nonsense/replay'), 400, qr/not a ULID/,
            'what is no id');
    refused(get("/v1/events/$nobody/replay"), 405, qr/./, 'a GET');

    my $r = post('/hook', 'x' x 30_000);
    is($r->{status}, 200, 'a webhook is larger than an event may be');

    my ($large) = grep { $_->{name} =~ /nobody/ }
                  @{get('/v1/events')->{json}{data}};
    refused(post("/v1/events/$large->{internal_id}/replay"), 413,
            qr/larger than an event that is sent may be/, 'it is too large');

    $r = post('/invoke/shop-order', '{"data":{"n":2}}');
    refused(post("/v1/events/$r->{json}{id}/replay"), 409,
            qr/starts one function/, 'the event of an invoke');
};


subtest 'an app is added, and is not there' => sub {
    my $url = "http://127.0.0.1:$down/api/inngest";
    my $r = post('/v1/apps', qq({"url":"$url"}));

    is($r->{status}, 202, 'its URL is taken') or diag($r->{body});
    is($r->{json}{data}{state}, 'syncing', 'to be synced');

    my $app = wait_for(10, 'the outcome', sub {
        my $app = app_at(":$down");
        $app && !$app->{syncing} && $app;
    });

    is($app->{error}, 'unreachable', 'nobody is there');
    ok(!$app->{synced_at}, 'it never was');

    $d->kill_leader;
    $d->wait_ready;
    is(app_at(":$down")->{url}, $app->{url}, 'a new leader knows it');

    my $late = FakeApp->new(id => 'late', port => $down,
        server => "http://127.0.0.1:$port", record => $d->dir . '/late',
        functions => { f => { event => 'late/f', result => 1 } })->start;

    $d->wait_registered('late');
    $app = wait_for(10, 'it is synced', sub {
        my $app = app_at(":$down");
        $app->{synced_at} && !$app->{error} && $app;
    });
    is($app->{name}, 'late', 'when it comes it is found');

    $r = post('/v1/apps/late/sync');
    is($r->{status}, 202, 'it is asked again') or diag($r->{body});

    my $again = wait_for(10, 'the outcome', sub {
        my $now = app_at(":$down");
        !$now->{syncing} && $now->{synced_at} gt $app->{synced_at} && $now;
    });
    ok(!$again->{error}, 'it is as it was');

    my $id = $d->send_event({ name => 'late/f', data => {} });
    $d->wait_run($id);

    ok((grep { $_->{id} eq 'late-f' && !$_->{archived_at} }
        @{get('/v1/functions')->{json}{data}}), 'it has a function');

    $r = $d->http('DELETE', '/v1/apps/late');
    is($r->{status}, 200, 'it is removed') or diag($r->{body});
    ok(!app_at(":$down"), 'and gone');
    is_deeply([map { $_->{id} } grep { $_->{app} eq 'late'
                                       && !$_->{archived_at} }
               @{get('/v1/functions')->{json}{data}}], [],
              'with its functions');
    refused(post('/v1/apps/late/sync'), 404, qr/there is no app "late"/,
            'it cannot be asked any more');

    $late->stop;
};


subtest 'an app that answers nonsense' => sub {
    my $socket = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1',
                                       LocalPort => 0, ReuseAddr => 1);
    my $url = 'http://127.0.0.1:' . $socket->sockport . '/';
    my $pid = fork;

    if ($pid == 0) {
        while (my $c = $socket->accept) {
            sysread $c, my $request, 4096;
            syswrite $c, "HTTP/1.1 418 no\r\nContent-Length: 5\r\n\r\n<b>no";
            close $c;
        }
        POSIX::_exit(0);
    }

    post('/v1/apps', qq({"url":"$url"}));

    is(wait_for(10, 'the outcome', sub {
        my $app = app_at($socket->sockport);
        $app && !$app->{syncing} && $app->{error};
    }), 'status 418', 'is an error that says so');

    is($d->http('DELETE', "/v1/apps?url=$url")->{status}, 200,
       'one without a name is removed by its URL');
    ok(!app_at($socket->sockport), 'and gone');

    kill 'KILL', $pid;
    waitpid $pid, 0;
};


subtest 'apps that cannot be added, synced or removed' => sub {
    my @table = (
        ['/v1/apps', '', 400, qr/JSON/, 'nothing'],
        ['/v1/apps', '[]', 400, qr/object/, 'no object'],
        ['/v1/apps', '{}', 400, qr/"url" must be a string/, 'no URL'],
        ['/v1/apps', '{"url":7}', 400, qr/"url" must be a string/, 'a number'],
        ['/v1/apps', '{"url":"x"}', 400, qr/http:/, 'no URL in it'],
        ['/v1/apps', '{"url":"ftp://x/"}', 400, qr/http:/, 'another scheme'],
        ['/v1/apps', '{"url":"' . 'x' x 20_000 . '"}', 413, qr/./, 'a long one'],
        ['/v1/apps/nobody/sync', '', 404, qr/there is no app/, 'an unknown one'],
    );

    for my $t (@table) {
        refused(post($t->[0], $t->[1]), @$t[2 .. 4]);
    }

    refused($d->http('DELETE', '/v1/apps/nobody'), 404, qr/there is no app/,
            'an unknown one is not removed');
    refused($d->http('DELETE', '/v1/apps'), 400, qr/"url" is missing/,
            'nor one without a URL');
    refused($d->http('DELETE', '/v1/apps/shop'), 409, qr/"durable_app"/,
            'nor one of nginx.conf');
    refused($d->http('DELETE', '/v1/apps?url=' . $app->url), 409,
            qr/"durable_app"/, 'by its URL, either');
    is(post('/v1/apps/shop/sync')->{status}, 202, 'which can be synced');
};


# ---- bulk jobs

sub bulk {
    my ($action, $filter, %more) = @_;

    return post('/v1/bulk', $json->encode({ action => $action,
                $filter ? (filter => $filter) : (), %more }));
}


sub job {
    my ($id) = @_;

    return get("/v1/bulk/$id")->{json}{data};
}


# The job, when it is done.
sub finished {
    my ($r) = @_;

    is($r->{status}, 201, 'a job begins') or diag($r->{body});

    my $id = $r->{json}{data}{id};

    return wait_for(120, 'the job is done', sub {
        my $job = job($id);
        $job->{done} && $job;
    });
}


# All runs of a filter, page by page.
sub runs {
    my ($query) = @_;

    my ($cursor, @all) = ('');

    do {
        my $r = get("/v1/runs?limit=51&$query$cursor")->{json};
        push @all, @{$r->{data}};
        $cursor = $r->{metadata}{cursor} ? "&cursor=$r->{metadata}{cursor}"
                                         : '';
    } while ($cursor);

    return @all;
}


subtest 'jobs that are not begun' => sub {
    my @table = (
        ['', qr/not JSON/, 'nothing'],
        ['{"action":"drop"}', qr/action must be/, 'an unknown action'],
        ['{"action":"cancel"}', qr/"all":true/, 'no filter'],
        ['{"action":"cancel","filter":{}}', qr/"all":true/, 'an empty one'],
        ['{"action":"cancel","filter":{"colour":"red"}}',
         qr/no filter "colour"/, 'an unknown member'],
        ['{"action":"cancel","every":1}', qr/no members but/, 'of the job'],
        ['{"action":"cancel","filter":{"q":"event.data.n =="}}',
         qr/column/, 'an expression that is none'],
        ['{"action":"cancel","filter":{"status":"Failed"}}', qr/lives/,
         'to cancel what has ended'],
        ['{"action":"replay","filter":{"status":"Running"}}', qr/has ended/,
         'to run again what has not'],
        ['{"action":"replay","filter":{"after":"noon"}}', qr/RFC 3339/,
         'no time'],
    );

    for my $t (@table) {
        refused(post('/v1/bulk', $t->[0]), 400, @$t[1, 2]);
    }

    refused(bulk('cancel', { function => 'shop-none' }), 404,
            qr/no function "shop-none"/, 'an unknown function');
    refused(post('/v1/bulk', '{"x":"' . 'x' x 20_000 . '"}'), 413, qr/./,
            'a long one');
    refused(get("/v1/bulk/$nobody"), 404, qr/no bulk job/, 'a look at none');
    refused($d->http('DELETE', "/v1/bulk/$nobody"), 404, qr/no such bulk job/,
            'to stop none');
    refused(get('/v1/bulk/x'), 400, qr/not a ULID/, 'what is no id');
    is_deeply(get('/v1/bulk')->{json}{data}, [], 'nothing was begun');
};


subtest 'what failed is run again, what lives is cancelled' => sub {
    my @ids = $d->send_events(map { { name => 'shop/fails',
                                      data => { n => $_ } } } 1 .. 30);

    wait_for(20, 'all failed', sub {
        runs('status=Failed&function=shop-fails') == 30
    });

    my $job = finished(bulk('replay', { function => 'shop-fails',
                                        q => 'event.data.n <= 10' }));

    is_deeply([@$job{qw(matched changed refused progress stopped)}],
              [10, 10, 0, 1, JSON::PP::false], 'a third of it');
    is($job->{filter}{status}, 'Failed', 'what failed, if nothing else is '
                                         . 'said');
    wait_for(20, 'they failed again', sub {
        runs('status=Failed&function=shop-fails') == 40
    });

    is(get('/v1/bulk')->{json}{data}[0]{id}, $job->{id}, 'it is in the list');

    $d->send_events(map { { name => 'shop/ask', data => { n => -$_ } } }
                    1 .. 20);
    wait_for(20, 'some wait', sub {
        runs('status=Running&function=shop-asks') == 20
    });

    $job = finished(bulk('cancel', { event => 'shop/a*' }));
    is($job->{changed}, 20, 'they are cancelled');
    is(scalar runs('status=Cancelled&function=shop-asks'), 20, 'all of them');
};


subtest 'whoever looks on is told' => sub {
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $port);
    my ($text, $n) = ('', 0);

    $socket->print("GET /v1/feed?topics=bulk HTTP/1.1\r\nHost: x\r\n\r\n");
    $socket->blocking(0);

    my $seen = wait_for(30, 'a notice', sub {

        # the feed begins when the leader has heard of its first listener

        bulk('replay', { status => 'Skipped', event => 'none' })
            unless $n++ % 50;
        sysread $socket, $text, 65536, length $text;
        $text =~ /^data: (\{.*"kind":"bulk\.done".*\})\r?$/m && $1;
    });

    my $notice = $json->decode($seen);
    is($notice->{action}, 'replay', 'of the end of a job');
    is(job($notice->{id})->{done}, JSON::PP::true, 'by its id');
};


subtest 'the server dies in the middle of a job' => sub {
    my $n = 5_000;

    # what a function that is paused gets is Skipped; run again it waits

    post('/v1/functions/shop-many/pause');

    for my $i (1 .. $n / 1000) {
        $d->send_events(map { { name => 'shop/many', data => { n => $_ } } }
                        1 .. 1000);
    }

    wait_for(120, 'all are skipped', sub {
        runs('function=shop-many&status=Skipped') == $n
    }, 0.2);

    my $r = bulk('replay', { status => 'Skipped', function => 'shop-many' });
    my $id = $r->{json}{data}{id};

    is($r->{status}, 201, 'a job begins') or diag($r->{body});

    my $before = wait_for(20, 'it is under way', sub {
        my $job = job($id);
        $job->{changed} && $job;
    }, 0.001);

    $d->kill_nginx;
    ok(!$before->{done} && $before->{progress} < 1, 'nginx dies then');
    $d->start_nginx;
    $d->wait_ready;

    my ($last, $back) = ($before->{progress}, 0);

    my $job = wait_for(120, 'the job is done', sub {
        my $job = job($id);
        $back++ if $job->{progress} < $last;
        $last = $job->{progress};
        $job->{done} && $job;
    });

    is($back, 0, 'progress goes on from there');
    is_deeply([@$job{qw(matched changed refused progress)}], [$n, $n, 0, 1],
              'to its end');

    my @runs = runs('function=shop-many&status=Scheduled,Running');
    is(scalar @runs, $n, 'each of them runs again, once');

    $r = bulk('cancel', { function => 'shop-many' });
    $r = $d->http('DELETE', "/v1/bulk/$r->{json}{data}{id}");
    is($r->{status}, 200, 'a job is stopped') or diag($r->{body});
    ok($r->{json}{data}{stopped}, 'which it says');
    cmp_ok($r->{json}{data}{progress}, '<', 1, 'it did not come to its end');

    $job = finished(bulk('cancel', { function => 'shop-many' }));
    is(scalar runs('function=shop-many&status=Scheduled,Running'), 0,
       'another one ends the rest');
    post('/v1/functions/shop-many/resume');
};


subtest 'there are only so many jobs at a time' => sub {
    my @jobs;

    for (1 .. 40) {
        my $r = bulk('replay', undef, all => JSON::PP::true);
        push @jobs, $r;
        last if $r->{status} == 409;
    }

    for my $r (@jobs) {
        next unless $r->{status} == 201;
        $d->http('DELETE', "/v1/bulk/$r->{json}{data}{id}");
    }

    ok(!(grep { $_->{status} != 201 && $_->{status} != 409 } @jobs),
       'they are begun or refused');
    cmp_ok(scalar @{get('/v1/bulk')->{json}{data}}, '<=', 100,
           'and the last are kept');
};


is($d->alerts, '', 'the logs are clean');

$d->stop;
$app->stop;

done_testing();
