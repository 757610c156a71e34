# Copyright (C) the nginx-durable authors

# What stays true when something breaks: the disk, the store, the sidecar, an
# app, a worker that stands still.  Nothing that was acknowledged is lost, what
# cannot be done is refused with a sentence, and it goes on by itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Copy qw(copy);
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use Durable qw(missing wait_for slurp write_file);
use HttpClient;
use Trouble;

plan skip_all => missing() if missing();
plan skip_all => 'no C compiler' unless eval { Trouble::tool('fault.so') };


my %functions = (
    work => { event => 't/work', result => 'done',
              steps => [{ run => 'a' }, { run => 'b' }] },
    slow => { event => 't/slow', result => 'done',
              steps => [{ run => 'a', delay => 1 }, { run => 'b' }] },
);

my $who = 'location = /worker { add_header X-W $pid; return 200 $pid; }';


sub work {
    my ($d, $seconds) = @_;

    # a worker that is killed resets the connections it has

    my $id = wait_for(20, 'an event is accepted', sub {
        eval { $d->send_event({ name => 't/work', data => {} }) }
    });

    return $d->wait_run($id, 'Completed', $seconds);
}


# Events until one is refused; the ids of the others, and the refusal.
sub until_refused {
    my ($d, $size, $max) = @_;

    my @ids;

    for (1 .. $max || 2000) {
        my $r = Trouble::post($d, { name => 't/none',
                                    data => { x => 'x' x $size } });
        return (\@ids, $r) if $r->{status} != 200;
        push @ids, $r->{json}{ids}[0];
    }

    return (\@ids, undef);
}


sub is_refused {
    my ($r, $reason, $title) = @_;

    subtest $title => sub {
        is($r->{status}, 503, 'with 503');
        like($r->{headers}{'content-type'}, qr{\Aapplication/json}, 'JSON');
        like($r->{headers}{'retry-after'}, qr/\A\d+\z/, 'Retry-After');
        like($r->{json}{error}, $reason, 'and the reason');
        is($r->{json}{status}, 503, 'the status is in the body, too');
    };

    return;
}


sub missing_events {
    my ($d, @ids) = @_;

    return grep {
        my $id = $_;
        my $r;

        wait_for(20, 'events can be read', sub {
            $r = Trouble::ask($d, 'GET', "/v1/events/$id");
            return $r->{status} && $r->{status} != 503;
        });

        $r->{status} != 200;
    } @ids;
}


sub site_is_up {
    my ($d) = @_;

    my @bad = grep { $_ ne "plain\n" }
              map { Trouble::ask($d, 'GET', '/plain')->{body} } 1 .. 5;

    is_deeply(\@bad, [], 'other locations are served');

    return;
}


sub ends_well {
    my ($d, $but) = @_;

    ok($d->stop, 'it stops when asked');
    is($d->alerts, '', 'the log is clean');

    return;
}


for my $case (['a disk that cannot sync', 'sync EIO', qr/cannot be written/],
              ['a disk that cannot write', 'write EIO', qr/cannot be written/],
              ['a disk that is full', 'write ENOSPC', qr/full/])
{
    my ($title, $fault, $reason) = @$case;

    subtest "$title refuses events and delays runs" => sub {
        my $d = Trouble::server(workers => 2, app => \%functions);
        my @ids = map { $d->send_event({ name => 't/slow', data => {} }) }
                  1 .. 5;

        wait_for(5, 'calls in flight', sub {
            return $d->status->{engine}{leases} == 5;
        });

        Trouble::fault($d, $fault);

        my $r = Trouble::post($d);

        is_refused($r, $reason, 'an event is refused');

        # the answers of the five calls come while nothing can be stored

        wait_for(10, 'five answers', sub {
            return 5 == grep { $_->{kind} eq 'answered' } $d->{app}->calls;
        });

        is_refused(Trouble::post($d), qr/store/, 'and another one')
            for 1 .. 3;
        site_is_up($d);
        is(scalar(missing_events($d, @ids)), 0, 'events can be read')
            if $fault eq 'write ENOSPC';

        Trouble::heal($d);

        wait_for(10, 'an event is accepted', sub {
            my $r = Trouble::post($d);
            push @ids, $r->{json}{ids}[0] if $r->{status} == 200;
            return $r->{status} == 200;
        });

        is($d->wait_run($_)->{status}, 'Completed', 'a run goes on by itself')
            for @ids[0 .. 4];
        is(scalar(missing_events($d, @ids)), 0, 'no event is lost');

        my %seen;
        my @twice = grep { $seen{$_}++ }
                    map { "$_->{item}.$_->{generation}" }
                    grep { $_->{kind} eq 'call' } $d->{app}->calls;

        is_deeply(\@twice, [], 'no attempt was sent twice');

        cmp_ok(Trouble::logged($d, qr/a commit failed|store cannot be used/),
               '<=', 6, 'it is in the log, not once an event');
        cmp_ok(Trouble::logged($d, qr/a commit failed/), '>=', 1, 'at all');

        ends_well($d);
    };
}


subtest 'a commit whose last write fails makes the leader begin anew' => sub {
    my $d = Trouble::server(workers => 2, app => \%functions);
    my $id = $d->send_event({ name => 't/slow', data => {} });
    my $epoch = $d->status->{epoch};

    wait_for(5, 'a call', sub { $d->status->{engine}{leases} });
    Trouble::fault($d, 'meta EIO');
    is(Trouble::post($d)->{status}, 503, 'an event is refused');
    is(Trouble::post($d)->{status}, 503, 'and the next one');
    site_is_up($d);
    Trouble::heal($d);

    wait_for(15, 'a leader', sub {
        my $s = $d->status;
        return $s && $s->{epoch} > $epoch;
    });
    is($d->wait_run($id)->{status}, 'Completed', 'the run goes on');
    ok(work($d), 'and new ones run');

    ends_well($d);
};


SKIP: {
    my $mount = mounted_disk(8) or skip 'no file system can be mounted', 2;

    subtest 'a disk that is really full, and has room again' => sub {
        my $d = Trouble::server(workers => 2, app => \%functions,
                                stopped => 1);

        on_disk($d, $mount);
        $d->start_sidecar;
        Trouble::start_nginx($d);
        $d->wait_registered('app');

        my $slow = $d->send_event({ name => 't/slow', data => {} });

        wait_for(5, 'a call', sub { $d->status->{engine}{leases} });
        write_file("$mount/filler", 'x' x (5 << 20));

        my ($ids, $r) = until_refused($d, 20_000);

        is_refused($r, qr/full|cannot be written/, 'events are refused');
        cmp_ok(scalar @$ids, '>', 0, 'some were taken before');
        site_is_up($d);

        unlink "$mount/filler";

        is($d->wait_run($slow)->{status}, 'Completed', 'the run goes on');
        ok(work($d), 'events are accepted again');
        is(scalar(missing_events($d, @$ids)), 0, 'none is lost');

        ends_well($d);
    };

    subtest 'a server that starts on a full disk waits for room' => sub {
        my $d = Trouble::server(workers => 2, app => \%functions,
                                stopped => 1);

        on_disk($d, $mount);
        open my $fh, '>', "$mount/filler" or die "filler: $!\n";
        1 while syswrite $fh, 'x' x 4096;
        close $fh;
        truncate "$mount/filler", (-s "$mount/filler") - 40_000;

        $d->start_sidecar;
        Trouble::start_nginx($d, 1);

        my $r = wait_for(5, 'the reason', sub {
            my $r = Trouble::post($d);
            return $r->{status} == 503 && $r;
        });

        is_refused($r, qr/store/, 'events are refused');
        site_is_up($d);
        is(Trouble::logged($d, qr/exited on signal/), 0, 'no worker died');

        unlink "$mount/filler";
        $d->wait_ready(15);
        $d->wait_registered('app');
        ok(work($d), 'it begins when there is room');

        ends_well($d);
    };
}


subtest 'a store whose map is full lets runs end and grows by reload' => sub {
    my $d = Trouble::server(workers => 2, app => \%functions,
                            store => 'size=2m');
    my @slow = map { $d->send_event({ name => 't/slow', data => {} }) }
               1 .. 5;

    wait_for(5, 'calls', sub { $d->status->{engine}{leases} == 5 });

    my ($ids, $r) = until_refused($d, 10_000);

    is_refused($r, qr/full/, 'events are refused before the end');
    is($d->wait_run($_)->{status}, 'Completed', 'a run ends in the reserve')
        for @slow;
    is(Trouble::logged($d, qr/nearly full/), 1, 'the log says it once');

    $d->{store} = 'size=16m';
    write_file($d->dir . '/nginx.conf', $d->config);
    $d->reload;

    ok(work($d), 'with a larger map events are accepted');
    is(scalar(missing_events($d, @$ids)), 0, 'none is lost');

    ends_well($d);
};


my %unreadable = (
    'a data.mdb that was cut' => [sub {
        my ($store) = @_;
        truncate "$store/data.mdb", (-s "$store/data.mdb") / 2;
    }, qr/damaged/],
    'a data.mdb that is something else' => [sub {
        my ($store) = @_;
        write_file("$store/data.mdb", 'this is no store ' x 4096);
    }, qr/failed/],
    'a store of a newer version' => [sub {
        my ($store) = @_;
        write_file("$store/format", "99\n");
    }, qr/format 99/],
    'a store that belongs to somebody else' => [sub {
        my ($store) = @_;
        chown 0, 0, "$store/data.mdb";
        chmod 0600, "$store/data.mdb";
    }, qr/[Pp]ermission denied/, 'nobody nogroup'],
);

for my $title (sort keys %unreadable) {
    my ($break, $reason, $user) = @{$unreadable{$title}};

    subtest "$title leaves the site up" => sub {
        plan skip_all => 'not root' if $user && $> != 0;

        my $d = Trouble::server(workers => 2, app => \%functions,
                                stopped => 1,
                                main => $user ? "user $user;" : '');
        my $store = $d->dir . '/store';

        if ($user) {
            mkdir $store;
            chown +(getpwnam 'nobody')[2, 3], $store;
        }

        $d->start_sidecar;
        chmod 0777, $d->socket_path;
        Trouble::start_nginx($d);
        $d->wait_registered('app');

        my $id = $d->send_event({ name => 't/work', data => {} });

        $d->wait_run($id);

        # workers that find it so; nginx itself would not start with some

        mkdir "$store.good";
        system "cp -p $store/data.mdb $store/format $store.good/";
        kill 'STOP', $d->master_pid;
        kill 'KILL', my @workers = $d->worker_pids;
        $d->{killed}{$_} = 1 for @workers;
        wait_for(5, 'dead workers', sub {
            !grep { slurp("/proc/$_/stat") !~ /\) Z/ } @workers;
        });
        $break->($store);
        kill 'CONT', $d->master_pid;

        my $r = wait_for(10, 'the reason', sub {
            my $r = Trouble::post($d);
            return ($r->{json}{error} || '') =~ $reason && $r;
        });

        is_refused($r, $reason, 'events are refused');
        is(Trouble::ask($d, 'GET', "/v1/events/$id")->{status}, 503,
           'and reading, too');
        site_is_up($d);
        cmp_ok(Trouble::logged($d, qr/store cannot be used/), '<=', 8,
               'the log says it, and not at every try');

        system "cp -p $store.good/* $store/";
        $d->wait_ready(20);
        is($d->wait_run($id)->{status}, 'Completed', 'it is read again');
        ok(work($d), 'and used');

        ends_well($d);
    };
}


subtest 'leaders that crash in a row do not take the site along' => sub {
    my $d = Trouble::server(workers => 3, app => \%functions);

    my $r;
    my $paused = sub {
        $r = Trouble::post($d, undef, 3);
        return ($r->{json}{error} || '') =~ /crashed/;
    };

    # Three are enough; on a busy machine one may have led for too long to
    # count.

    for my $n (1 .. 8) {
        last if $n > 3 && $paused->();

        my $pid = wait_for(20, 'a leader', sub {
            $d->leader_pid || $paused->() && -1
        });
        last if $pid == -1;

        kill 'SEGV', $pid;
        Durable::gone(5, $pid) or die "SEGV does nothing to $pid\n";
        $d->{killed}{$pid} = 1;
    }

    wait_for(20, 'the pause', $paused);
    is_refused($r, qr/[3-8] workers crashed in a row/, 'events are refused');
    site_is_up($d);

    $d->wait_ready(10);
    ok(work($d, 30), 'it is tried again after a pause, and works');
    cmp_ok(-s $d->dir . '/store/leader.lock', '>=', 3,
           'which is not forgotten at once');

    $d->kill_leader for 1 .. 4;
    ok(work($d), 'a leader that was killed has not crashed');

    ok($d->stop, 'it stops when asked');
    is(scalar(grep { !/exited on signal 11/ } split /\n/, $d->alerts), 0,
       'the log has nothing but those');
};


subtest 'without a sidecar events are accepted and runs wait' => sub {
    my $d = Trouble::server(workers => 2, app => \%functions);

    ok($d->stop_sidecar, 'the sidecar stops');

    my @ids = map { $d->send_event({ name => 't/work', data => {} }) }
              1 .. 30;

    is(scalar(missing_events($d, @ids)), 0, 'events are accepted');
    wait_for(10, 'the warning', sub {
        Trouble::logged($d, qr/sidecar is gone|no sidecar/);
    });
    site_is_up($d);
    is(scalar(grep { $_->{status} eq 'Completed' } $d->event_runs($ids[0])),
       0, 'their runs wait');
    is(Trouble::logged($d, qr/\[warn\].*sidecar/), 1,
       'the log warns once, not for every event');

    $d->start_sidecar;
    is($d->wait_run($_)->{status}, 'Completed', 'a run goes when it is back')
        for @ids;
    is(Trouble::logged($d, qr/sidecar is back/), 1, 'as the log says');

    ends_well($d);
};


my @bad = (
    ['refused', 'nobody listens', qr/\Aconnection refused by 127/],
    ['nothing', 'no answer', qr/closed the connection without an answer/],
    ['garbage', 'it does not speak HTTP', qr/did not answer with HTTP/],
    ['half', 'half an answer', qr/closed the connection within its answer/],
    ['json', 'half a JSON', qr/HTTP 206 with a body that is not JSON/],
    ['html', 'a proxy before it answers 502', qr/returned HTTP 502/],
    ['page', 'a web page', qr/without the x-inngest-sdk header/],
    ['huge', '10 MiB', qr/larger than 8 MiB/],
);

subtest 'an app that is dead fails its own runs only, and says why' => sub {
    my $d = Trouble::server(workers => 2, app => \%functions);
    my (%app, %id);

    for my $case (@bad, ['hang']) {
        my ($mode) = @$case;

        $app{$mode} = Trouble::bad_app($mode);
        Trouble::register($d, $mode, $app{$mode}{url}, "t/$mode",
                          retries => 1);
    }

    my $alone = time;
    work($d);
    $alone = time - $alone;

    # more than an app may have at a time

    my @hanging = $d->send_events(map { { name => 't/hang', data => {} } }
                                  1 .. 300);

    wait_for(10, 'all calls the app may have', sub {
        return $d->status->{engine}{leases} == 128;
    });

    $id{$_->[0]} = $d->send_event({ name => "t/$_->[0]", data => {} })
        for @bad;

    my $beside = time;
    work($d) for 1 .. 3;
    $beside = time - $beside;

    cmp_ok($beside, '<', 3 * $alone + 3, 'another app is not slowed');

    for my $case (@bad) {
        my ($mode, $title, $reason) = @$case;
        my $run = $d->wait_run($id{$mode}, 'Failed');

        subtest $title => sub {
            my @history = Trouble::history($d, $run->{run_id});
            is(scalar @history, 2, 'it was tried as often as allowed');
            like($_->{error}, $reason, 'the history has a readable reason')
                for @history;
            is_deeply([map { $_->{outcome} } @history], ['retry', 'failed'],
                      'and says what followed');
        };
    }

    is(($d->event_runs($hanging[0]))[0]{status}, 'Running',
       'an app that hangs is waited for');
    site_is_up($d);

    Trouble::end_app($app{hang});
    my ($at) = $app{hang}{url} =~ /(:\d+)\b/;
    wait_for(30, 'it is parked when its connections break', sub {
        return grep { $_->{url} =~ /\Q$at\E\b/ } @{$d->status->{parked}};
    });
    wait_for(10, 'its calls come back', sub {
        return $d->status->{engine}{leases} <= 1;
    });
    wait_for(60, 'every event has its run', sub {
        return !grep { !$d->event_runs($_) } @hanging;
    });
    is(scalar(grep { ($d->event_runs($_))[0]{status} eq 'Failed' } @hanging),
       0, 'and its runs wait, all of them');

    is(Trouble::logged($d, qr/\[error\]/), 0,
       'none of this is an error of the server');

    ends_well($d);
};


subtest 'a run that cannot be read does not take others along' => sub {
    my $d = Trouble::server(workers => 2, app => {
        %functions,
        long => { event => 't/long', result => 'done', retries => 5,
                  steps => [{ run => 'a' }, { all => [
                      { run => 'p', delay => 2 },
                      { run => 'q', delay => 2 }] }] },
    });
    my ($step, $head, $good) =
        map { $d->send_event({ name => 't/long', data => {} }) } 1 .. 3;
    my @runs = map { ($d->event_runs($_))[0]{run_id} } $step, $head, $good;

    wait_for(10, 'parallel steps of three runs', sub {
        return $d->status->{engine}{leases} == 6;
    });

    ok($d->stop_nginx, 'nginx stops while the app works');
    cmp_ok(Trouble::damage($d, 'step', Trouble::ulid_hex($runs[0])), '>=', 2,
           'the steps of a run are damaged');
    is(Trouble::damage($d, 'run', Trouble::ulid_hex($runs[1])), 1,
       'and the head of another');
    Trouble::start_nginx($d);

    my @pids = $d->worker_pids;

    is($d->wait_run($good)->{status}, 'Completed', 'the others go on');
    my $failed = $d->wait_run($step, 'Failed');
    is($failed->{output}{name}, 'internal', 'the run is failed, visibly')
        or diag explain $failed;
    ok(work($d), 'new ones run');

    wait_for(10, 'no lease is left', sub {
        return $d->status->{engine}{leases} == 0;
    });

    is($d->status->{sidecar}{credits}, 1024, 'every credit came back');
    is_deeply([$d->worker_pids], \@pids, 'no worker died');
    cmp_ok(Trouble::logged($d, qr/invariant|cannot decide/), '>=', 1,
           'the log says it');
    cmp_ok(Trouble::logged($d, qr/invariant|cannot decide/), '<=', 20,
           'and ends saying it');

    ends_well($d);
};


subtest 'each app has the limit of its own line' => sub {
    my @apps = map { Trouble::bad_app('hang') } 1 .. 3;
    my $d = Trouble::server(workers => 2, app => \%functions,
        http => "durable_app $apps[0]{url} max_calls=3;\n"
                . "durable_app $apps[1]{url} max_calls=200;");

    for my $i (0 .. 2) {
        Trouble::register($d, "hang$i", $apps[$i]{url}, "t/hang$i");
        $d->send_events(map { { name => "t/hang$i", data => {} } } 1 .. 250);
    }

    wait_for(10, 'the calls', sub {
        return $d->status->{engine}{leases} == 3 + 200 + 128;
    });
    ok(work($d), 'another app has its own');
    is($d->status->{engine}{leases}, 3 + 200 + 128, 'no more are added');

    Trouble::end_app($_) for @apps;
    ends_well($d);
};


subtest 'a worker of an unrelated nginx is reported once' => sub {
    my $d = Trouble::server(workers => 3);

    wait_for(5, 'followers', sub { $d->status->{followers} == 2 });
    $d->upgrade;
    $d->wait_ready;
    is(Trouble::logged($d, qr/another nginx/), 0,
       'an upgrade of nginx is not one');

    my $other = Durable->new(workers => 2);

    write_file($other->dir . '/nginx.conf', '');
    my $config = $other->config;
    my ($mine, $theirs) = ($other->dir, $d->dir);
    $config =~ s{durable_store $mine/store}{durable_store $theirs/store};

    {
        no warnings 'redefine';
        local *Durable::config = sub { $config };
        $other->start_nginx;
    }

    wait_for(5, 'all followers', sub { $d->status->{followers} == 4 });
    is(Trouble::logged($d, qr/\[warn\].*another nginx/), 1,
       'two workers of another master are one warning');
    is(Trouble::post($other)->{status}, 200, 'both can be used');
    is(Trouble::post($d)->{status}, 200, 'nevertheless');

    ok($other->stop, 'the other stops');
    ends_well($d);
};


subtest 'a disk that hangs: every request has its answer within 5 s' => sub {
    my $d = Trouble::server(workers => 2, app => \%functions,
                            server => $who);
    my $leader = $d->leader_pid;
    my %client = (leader => Trouble::connection($d, $leader, 1),
                  follower => Trouble::connection($d, $leader, 0));

    Trouble::fault($d, 'sync HANG');

    for my $worker ('leader', 'follower') {
        my $start = time;
        my $r = $client{$worker}->request('POST', '/e/key',
                                          { name => 't/work', data => {} });
        my $took = time - $start;

        is_refused($r, qr/outcome is unknown/, "the $worker refuses");
        cmp_ok($took, '>=', 4.5, 'after the time for a reply');
        cmp_ok($took, '<', 7, 'and not much later');
    }

    is($client{leader}->request('GET', '/worker')->{body}, $leader,
       'the worker that leads serves the site');

    # both were stored when the disk came back: the outcome was unknown

    Trouble::heal($d);
    wait_for(10, 'two runs', sub {
        my $s = $d->status;
        return $s && $s->{engine}{runs_completed} == 2;
    });
    pass('what was taken is done when the disk is back');

    # one that is taken is not answered when nginx is told to stop

    Trouble::fault($d, 'sync HANG');

    my $late = Trouble::connection($d, $leader, 1);
    my $pid = fork;

    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        my $r = $late->request('POST', '/e/key', { name => 't/none' });
        POSIX::_exit($r->{status} == 503 ? 0 : 1);
    }

    $late->close;

    wait_for(5, 'the event waits', sub {
        my $s = $d->status;
        return $s && $s->{queue}{ingest} == 1;
    });

    my $start = time;
    ok($d->stop_nginx, 'nginx stops though the disk hangs');
    cmp_ok(time - $start, '<', 8, 'in time');
    waitpid $pid, 0;
    is($?, 0, 'and the client got a 503 before');

    Trouble::heal($d);
    Trouble::start_nginx($d);
    ok(work($d), 'and starts again');

    ends_well($d);
};


subtest 'more than can wait is refused at once, in bounded memory' => sub {
    my $d = Trouble::server(workers => 2, app => \%functions,
                            server => $who);
    my @pids = $d->worker_pids;

    flood($d, 100, 40_000) for 1 .. 3;

    my %before = map { $_ => Trouble::memory($_) } @pids;

    Trouble::fault($d, 'sync HANG');

    my ($taken, $busy) = flood($d, 900, 40_000);

    cmp_ok($busy, '>', 100, 'events beyond the bound get 503 at once');
    cmp_ok($taken, '>', 100, 'the others wait');

    my $r = wait_for(10, 'a refusal', sub {
        my $r = Trouble::post($d, undef, 1);
        return ($r->{json}{error} || '') =~ /busy/ && $r;
    });

    is_refused($r, qr/busy/, 'which is a proper answer');
    site_is_up($d);

    my @grown = grep { Trouble::memory($_) - $before{$_} > 48 * 1024 } @pids;

    is_deeply(\@grown, [], 'no worker grew by more than 48 MiB');

    Trouble::heal($d);
    wait_for(10, 'events are accepted', sub {
        Trouble::post($d)->{status} == 200;
    });
    ok(work($d), 'it recovers by itself');

    ends_well($d);
};


subtest 'a leader that is stopped: 503 in time, and no leak' => sub {
    my $d = Trouble::server(workers => 2, app => \%functions,
                            server => $who);
    my $leader = $d->leader_pid;
    my ($follower) = grep { $_ != $leader } $d->worker_pids;
    my $client = Trouble::connection($d, $leader, 0);

    kill 'STOP', $leader;

    my $start = time;
    my $r = $client->request('POST', '/e/key', { name => 't/none' });

    is_refused($r, qr/outcome is unknown/, 'a follower refuses');
    cmp_ok(time - $start, '<', 6, 'within 5 s');

    kill 'CONT', $leader;

    is($client->request('POST', '/e/key', { name => 't/none' })->{status},
       200, 'and recovers');

    # clients that do not wait: one round for what is kept, then 10,500

    my $before;
    my $asked = 2;

    for (1 .. 4) {
        kill 'STOP', $leader;
        leave($d, $client, 250) for 1 .. 14;
        kill 'CONT', $leader;

        wait_for(20, 'the queue is empty', sub {
            my $s = $d->status;
            return $s && $s->{queue}{ingest} == 0
                   && Trouble::post($d, undef, 3)->{status} == 200
                   && ++$asked;
        });

        $before ||= Trouble::memory($follower);
    }

    cmp_ok(Trouble::memory($follower) - $before, '<', 2048,
           '10,500 clients that left did not leave 2 MiB behind');
    is($d->status->{engine}{events}, 14_000 + $asked,
       'each of their events is in');
    ok(work($d), 'runs go on');

    ends_well($d);
};


done_testing();


# So many clients at a time, each with an event of the size; how many had no
# answer within a second, how many 503.
sub flood {
    my ($d, $n, $size) = @_;

    my $select = IO::Select->new;
    my $body = '{"name":"t/none","data":{"x":"' . 'x' x $size . '"}}';
    my $text = "POST /e/key HTTP/1.1\r\nHost: localhost\r\n"
        . "Content-Type: application/json\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
    my ($waiting, $busy) = (0, 0);

    for (1 .. $n) {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                      PeerPort => $d->port) or next;
        my $sent = 0;

        while ($sent < length $text) {
            $sent += syswrite($s, $text, length $text, $sent) || last;
        }

        $select->add($s);
    }

    my $end = time + 1;

    while ($select->count && time < $end) {
        for my $s ($select->can_read(0.1)) {
            sysread $s, my $answer, 65536;
            $busy++ if defined $answer && $answer =~ m{\AHTTP/1.1 503};
            $select->remove($s);
        }
    }

    $waiting = $select->count;

    return ($waiting, $busy);
}


# The store alone is on the disk, as a new one.
sub on_disk {
    my ($d, $mount) = @_;

    unlink glob "$mount/*";
    symlink $mount, $d->dir . '/store' or die "symlink: $!\n";

    return;
}


# So many clients that go away while their event waits; the worker of $other
# has read all events before the first client goes, and seen all go.
sub leave {
    my ($d, $other, $n) = @_;

    my $body = '{"name":"t/none","data":{}}';
    my $text = "POST /e/key HTTP/1.1\r\nHost: localhost\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
    my @clients;

    for (1 .. $n) {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                      PeerPort => $d->port)
            or die "connect: $!\n";
        syswrite $s, $text;
        push @clients, $s;
    }

    $other->request('GET', '/worker');
    close $_ for @clients;
    $other->request('GET', '/worker');

    return;
}


# A file system of so many megabytes, undef when that is not allowed.
sub mounted_disk {
    my ($size) = @_;

    return undef if $> != 0;

    my $dir = File::Temp::tempdir('durable-disk-XXXXXX', TMPDIR => 1);

    if (system("mount -t tmpfs -o size=${size}m,mode=755 durable $dir "
               . '2>/dev/null') != 0)
    {
        rmdir $dir;
        return undef;
    }

    $main::disk = $dir;

    return $dir;
}


END {
    if ($main::disk) {
        local $?;
        system "umount -l $main::disk";
        rmdir $main::disk;
    }
}
