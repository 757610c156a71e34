# Copyright (C) the nginx-durable authors

# The process half of the glue: who leads, what followers do meanwhile, and
# what goes over the leader link (design sections 4 and 5).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Copy qw(copy);
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(time);

use Durable qw(missing wait_for slurp);
use DurableFrame ();
use FakeApp;
use HttpClient;

plan skip_all => missing() if missing();


my %functions = (
    work => { event => 't/work', steps => [{ run => 'a' }, { run => 'b' }],
              result => 'done' },
    slow => { event => 't/slow', steps => [{ run => 'a', delay => 2 }],
              result => 'done' },
);


sub server {
    my (%option) = @_;

    my $port = Durable::free_port();
    my $app = FakeApp->new(id => 'app', functions => \%functions,
                           server => "http://127.0.0.1:$port",
                           record => tempdir(CLEANUP => 1) . '/calls');
    $app->start;

    my $d = Durable->new(port => $port, apps => [$app->url], %option);
    $d->start;
    $d->wait_registered('app');

    $d->{app} = $app;                   # it lives as long as the server

    return ($d, $app);
}


sub peer {
    my ($d, %fields) = @_;

    my $link = DurableFrame->connect($d->dir . '/store/leader.sock');

    $link->send(HELLO => { VERSION => 1, PID => $$, ROLE => 0, CODEC => 1,
                           %fields });

    return ($link, $link->next('WELCOME', 5));
}


sub calls_of {
    my ($app) = @_;

    return grep { $_->{kind} eq 'call' } $app->calls;
}


sub post {
    my ($d, $limit) = @_;

    return HttpClient->new(port => $d->port, keepalive => 0,
                           timeout => $limit || 10)
        ->request('POST', '/e/key', { name => 't/none', data => {} });
}


subtest 'one worker leads, the others follow, and all accept events' => sub {
    my ($d, $app) = server(workers => 3);

    wait_for(5, 'two followers', sub { $d->status->{followers} == 2 });

    my $s = $d->status;

    is($s->{role}, 'leader', 'the status is that of the leader');
    ok($s->{sidecar}{connected}, 'the sidecar is connected');
    cmp_ok($s->{sidecar}{credits}, '>', 0, 'and gave credits');
    ok((grep { $_ == $s->{pid} } $d->worker_pids), 'a worker leads');

    is(post($d)->{status}, 200, "event $_ is accepted") for 1 .. 12;

    $d->wait_run($d->send_event({ name => 't/work', data => {} }));
    is(scalar(calls_of($app)), 3, 'a run of two steps is three calls');

    is($d->status->{engine}{events}, 13, 'every event was counted once');
    is($d->status->{sidecar}{credits}, $s->{sidecar}{credits},
       'every credit came back');

    ok($d->stop, 'it stops when asked');
    is($d->alerts, '', 'the log is clean');
};


subtest 'an observer hears the feed, and nothing before it asks' => sub {
    my ($d) = server(workers => 1);
    my ($link, $welcome) = peer($d, ROLE => 1);

    is($welcome->{EPOCH}, $d->status->{epoch}, 'WELCOME says the epoch');
    is(length $welcome->{STORE_ID}, 16, 'and the store');
    is($welcome->{PID}, $d->leader_pid, 'and who leads');
    is($d->status->{followers}, 0, 'an observer is no follower');

    $d->wait_run($d->send_event({ name => 't/work', data => {} }));
    ok($link->sync, 'the link answers a PING');
    is($link->next('NOTIFY', 0), undef, 'no notice without SUBSCRIBE');

    $link->send(SUBSCRIBE => { TOPIC => 'feed', SEQUENCE => 0 });
    $link->sync;

    $d->wait_run($d->send_event({ name => 't/work', data => {} }));

    my (@kinds, $sequence);

    while (my $f = $link->next('NOTIFY', 5)) {
        push @kinds, decode_json($f->{data})->{kind};
        $sequence = $f->{SEQUENCE};
        last if $kinds[-1] eq 'run.completed';
    }

    is_deeply(\@kinds, ['run.started', 'step.completed', 'step.completed',
                        'run.completed'], 'a run is four lines');
    is($sequence, 4, 'they are numbered');

    $link->send(OP => { ID => 1, LENGTH => 4 }, "\1\2\0\0");
    ok($link->closed, 'an observer may not submit');

    ok($d->stop, 'it stops when asked');
    is($d->alerts, '', 'the log is clean');
};


subtest 'what is no frame, and what is not for a worker, ends a link' => sub {
    my ($d) = server(workers => 1);

    my ($link) = peer($d);
    $link->write("GET / HTTP/1.1\r\nHost: leader\r\n\r\n");
    ok($link->closed, 'another protocol is cut off');

    ($link) = peer($d, VERSION => 9);
    ok($link->closed, 'another version too');

    ($link) = peer($d);
    $link->send(OP => { ID => 1, LENGTH => 20 }, "\1\1" . "\0" x 18);
    ok($link->closed, 'CONFIG is the business of the leader');

    $link = DurableFrame->connect($d->dir . '/store/leader.sock');
    $link->send(SUBSCRIBE => { TOPIC => 'feed' });
    ok($link->closed, 'HELLO comes first');

    is(post($d)->{status}, 200, 'the leader goes on');

    ok($d->stop, 'it stops when asked');
    is($d->alerts, '', 'the log is clean');
};


subtest 'who begins to listen is told to look' => sub {
    my ($d) = server(workers => 1);
    my ($link) = peer($d);

    $link->send(SUBSCRIBE => { TOPIC => 'realtime' });
    ok($link->next('NOTIFY', 5), 'what was said on the way is not missed');

    ok($d->stop, 'it stops when asked');
};


subtest 'an older leader steps down for a newer worker' => sub {
    my ($d) = server(workers => 2);
    my $old = $d->leader_pid;

    my ($same) = peer($d);
    $same->send(YIELD => { CODEC => 1 });
    ok($same->sync, 'for one of its own age it does not');

    my ($link) = peer($d, CODEC => 2);
    $link->send(YIELD => { CODEC => 2 });
    ok($link->closed, 'the link ends');

    wait_for(5, 'another leader', sub {
        my $pid = $d->leader_pid;
        return $pid && $pid != $old;
    });

    is($d->status->{epoch}, 2, 'with a higher epoch');
    $d->wait_run($d->send_event({ name => 't/work', data => {} }));

    ok($d->stop, 'it stops when asked');
    is($d->alerts, '', 'the log is clean');
};


subtest 'a call in flight is adopted by the next leader' => sub {
    my ($d, $app) = server(workers => 2);
    my $event = $d->send_event({ name => 't/slow', data => {} });

    wait_for(5, 'a call in flight', sub { $d->status->{engine}{leases} });

    $d->reload;
    $d->kill_leader;

    is($d->wait_run($event)->{status}, 'Completed', 'the run completes');
    is(scalar(calls_of($app)), 2, 'without a call more than its two');

    my $s = $d->status;
    cmp_ok($s->{epoch}, '>=', 3, 'it had three leaders');
    is($s->{engine}{leases}, 0, 'no lease is left');

    ok($d->stop, 'it stops when asked');
    is($d->alerts, '', 'the log is clean');
};


subtest 'a store that was put back is led with a higher epoch' => sub {
    my ($d) = server(workers => 1);
    my $store = $d->dir . '/store/data.mdb';

    ok($d->stop_nginx, 'nginx stops');
    copy($store, "$store.old") or die "$store.old: $!\n";

    $d->start_nginx;
    $d->reload;
    is($d->wait_ready && $d->status->{epoch}, 3, 'the epoch grows');
    wait_for(5, 'the sidecar', sub { $d->status->{sidecar}{connected} });
    ok($d->stop_nginx, 'nginx stops');

    copy("$store.old", $store) or die "$store: $!\n";
    $d->start_nginx;

    wait_for(5, 'the sidecar', sub { $d->status->{sidecar}{connected} });
    is($d->status->{epoch}, 4, 'one more than the sidecar has seen');
    $d->wait_run($d->send_event({ name => 't/work', data => {} }));

    ok($d->stop, 'it stops when asked');
    is($d->alerts, '', 'the log is clean');
};


subtest 'a store that cannot be used disables durable locations only' => sub {
    my ($d) = server(workers => 2);
    my $store = $d->dir . '/store/data.mdb';

    ok($d->stop_nginx, 'nginx stops');
    copy($store, "$store.good") or die "$store.good: $!\n";
    Durable::write_file($store, 'this is no store ' x 4096);

    # without a leader start_nginx would not return
    {
        no warnings 'redefine';
        local *Durable::wait_ready = sub { 1 };
        $d->start_nginx;
    }

    my $r = wait_for(5, 'the reason', sub {
        my $r = post($d);
        return ($r->{json}{error} || '') =~ /failed/ && $r;
    });

    is($r->{status}, 503, 'events are refused');
    like($r->{json}{error}, qr/store/, 'with a reason');
    is($d->http('GET', '/plain')->{body}, "plain\n", 'the site is served');

    copy("$store.good", $store) or die "$store: $!\n";
    $d->wait_ready(15);

    # the other worker may still be on its way to the new leader
    ok(wait_for(10, 'an event is taken', sub { post($d)->{status} == 200 }),
       'it is tried again and works');

    ok($d->stop, 'it stops when asked');
    is($d->alerts, '', 'the log is clean');
};


subtest 'a leader that stands still is reported, not waited for' => sub {
    my ($d) = server(workers => 2);
    my $leader = $d->leader_pid;
    my ($other) = grep { $_ != $leader } $d->worker_pids;

    # a connection that the other worker accepted
    my ($client, @rest);

    for (1 .. 200) {
        $client = HttpClient->new(port => $d->port, timeout => 12);
        $client->request('GET', '/plain');
        last if connection_of($d, $other, $client);
        push @rest, $client;
        $client = undef;
    }

    SKIP: {
        skip 'the other worker accepts nothing here', 3 unless $client;

        kill 'STOP', $leader;

        my $start = time;
        my $r = $client->request('POST', '/e/key',
                                 { name => 't/none', data => {} });
        my $took = time - $start;

        kill 'CONT', $leader;

        is($r->{status}, 503, 'the event is refused');
        cmp_ok($took, '>=', 4.9, 'after the time for a reply');
        cmp_ok($took, '<', 8, 'and not much later');
    }

    wait_for(10, 'the leader', sub { post($d)->{status} == 200 });
    $d->wait_run($d->send_event({ name => 't/work', data => {} }));

    ok($d->stop, 'it stops when asked');
    is($d->alerts, '', 'the log is clean');
};


# True when the connection of the client belongs to the process.
sub connection_of {
    my ($d, $pid, $client) = @_;

    my $socket = $client->{socket} or return 0;
    my ($local, $remote) = ($socket->sockport, $d->port);
    my $inode;

    for (split /\n/, slurp("/proc/$pid/net/tcp")) {
        my @f = split;
        next unless @f > 9 && $f[1] =~ /:([0-9A-F]{4})$/
                    && hex $1 == $remote && $f[2] =~ /:([0-9A-F]{4})$/
                    && hex $1 == $local;
        $inode = $f[9];
    }

    return 0 unless $inode;

    return scalar grep { (readlink($_) || '') eq "socket:[$inode]" }
                  glob "/proc/$pid/fd/*";
}


done_testing();
