# Copyright (C) the nginx-durable authors

# Lists of runs and events: each filter, cursors, and what is asked wrongly;
# a run that is waited for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use POSIX qw(strftime);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(time);

use Durable qw(missing wait_for);
use FakeApp;
use HttpClient;

plan skip_all => missing() if missing();


my $port = Durable::free_port();
my $app = FakeApp->new(id => 'shop', server => "http://127.0.0.1:$port",
    record => tempdir(CLEANUP => 1) . '/calls',
    functions => {
        order => { event => 'shop/order.placed', result => { total => 7 } },
        bad => { event => 'shop/order.bad', retries => 0,
                 steps => [{ run => 'odd', fail => 9 }] },
        naps => { event => 'shop/nap', steps => [{ sleep => 'nap',
                                                   for => '1h' }] },
        soon => { event => 'shop/soon', result => 'done',
                  steps => [{ sleep => 'nap', for => '2s' }] },
    });

$app->start;

my $d = Durable->new(port => $port, apps => [$app->url], workers => 2,
                     retry_interval => '50ms');
$d->start;
$d->wait_registered('shop');


sub escape {
    my ($text) = @_;

    $text =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ge;

    return $text;
}


sub query {
    my (%arguments) = @_;

    return join '&', map { "$_=" . escape($arguments{$_}) }
        sort keys %arguments;
}


sub list {
    my ($what, %arguments) = @_;

    my $r = $d->http('GET', "/v1/$what?" . query(%arguments));

    return $r->{json} if $r->{status} == 200;

    diag($r->{body});

    return { data => [{}] };
}


# The numbers of the orders whose runs, or which themselves, are listed.
my %number;

sub numbers {
    my ($what, %arguments) = @_;

    my $id = $what eq 'runs' ? 'event_id' : 'internal_id';

    return join ' ', map { $number{$_->{$id} || ''} // '?' }
        @{list($what, %arguments)->{data}};
}


sub send_one {
    my ($name, %data) = @_;

    my $id = $d->send_event({ name => $name, data => \%data });
    $number{$id} = $data{n};

    return $id;
}


my @ids;
push @ids, send_one('shop/order.placed', n => 1, who => 'ann');
push @ids, send_one('shop/order.placed', n => 2, who => 'bob + co');
push @ids, send_one('shop/order.bad', n => 3, who => 'bob');
push @ids, send_one('shop/nap', n => 4, who => 'eve');
send_one('shop/nobody', n => 5);

wait_for(20, 'three runs have ended and one sleeps', sub {
    numbers('runs', status => 'Completed,Failed') eq '3 2 1'
    && numbers('runs', status => 'Running') eq '4';
});

my ($nap, $bad, $two, $one) = map { $_->{run_id} } @{list('runs')->{data}};


subtest 'each filter of runs' => sub {
    my $now = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 1));
    my @rows = (
        ['none', {}, '4 3 2 1'],
        ['a status', { status => 'failed' }, '3'],
        ['several', { status => 'Running,FAILED' }, '4 3'],
        ['one that no run has', { status => 'Cancelled' }, ''],
        ['an app', { app => 'shop' }, '4 3 2 1'],
        ['a function', { function => 'shop-order' }, '2 1'],
        ['a function of an app', { app => 'shop', function => 'bad' }, '3'],
        ['an event', { event => 'shop/nap' }, '4'],
        ['the start of its name', { event => 'shop/order.*' }, '3 2 1'],
        ['a whole id', { id => $two }, '2'],
        ['that of an event', { id => lc $ids[2] }, '3'],
        ['a part of an id', { id => substr $one, 9, 12 }, '1'],
        ['an expression over the event',
         { q => 'event.data.who == "bob + co" || event.data.n > 3' }, '4 2'],
        ['over the output', { q => 'output.total == 7' }, '2 1'],
        ['an error is an output', { q => 'has(output.message)' }, '3'],
        ['a run that goes on has none', { q => 'output == null' }, '4'],
        ['over the run', { q => 'run.status == "Completed" '
                               . '&& run.duration_ms >= 0' }, '2 1'],
        ['an expression that is an error', { q => 'event.data.n / 0 == 1' },
         ''],
        ['after', { after => $now }, ''],
        ['before', { before => $now }, '4 3 2 1'],
        ['all together', { status => 'Completed', app => 'shop',
            function => 'shop-order', event => 'shop/*', id => substr($one, 0, 4), before => $now, after => '2020-01-01T00:00:00Z',
            q => 'event.data.n == 1' }, '1'],
    );

    is(numbers('runs', %{$_->[1]}), $_->[2], $_->[0]) for @rows;
};


subtest 'each filter of events' => sub {
    is(numbers('events', name => 'shop/order.placed'), '2 1', 'a name');
    is(numbers('events', name => 'shop/*'), '5 4 3 2 1', 'its start');
    is(numbers('events', id => $ids[1]), '2', 'an id');
    is(numbers('events', id => substr $ids[1], 10), '2', 'a part of it');
    is(numbers('events', q => 'event.data.who == "eve"'), '4',
       'an expression');
    is(numbers('events', q => 'event.name.endsWith("nobody")'), '5',
       'over the name');
    is(numbers('events', name => 'shop/*',
               received_before => '2020-01-01T00:00:00Z'), '', 'a time');
};


subtest 'what rows say' => sub {
    my ($first, $failed, $done) = @{list('runs')->{data}};

    is($first->{event_name}, 'shop/nap', 'the name of the event');
    is($first->{duration_ms}, undef, 'no duration while it runs');
    ok(!$first->{has_output} && !exists $first->{error},
       'neither output nor error');
    like($failed->{error}, qr/\S/, 'the message of a failed one');
    like($failed->{duration_ms}, qr/\A\d+\z/, 'how long it took');
    ok($done->{has_output} && !exists $done->{error}, 'an output, no error');

    my ($nobody, $slept) = @{list('events', name => 'shop/*')->{data}};

    is($nobody->{runs}, 0, 'an event that started nothing');
    is($slept->{runs}, 1, 'one that started a run');

    send_one('shop/large', n => 6, text => 'x' x 70_000);
    my ($whole) = @{list('events', name => 'shop/large')->{data}};
    is(length $whole->{data}{text}, 70_000, 'data is there as it was sent');

    my ($large) = @{list('events', name => 'shop/large',
                         data => 'short')->{data}};

    is($large->{data}, undef, 'or left out when it is large');
    ok($large->{data_bytes} > 70_000, 'and its length is there');
    is(length $d->http('GET', "/v1/events/$large->{internal_id}")
                ->{json}{data}{data}{text}, 70_000, 'the event has it');
    is(numbers('events', q => 'size(event.data.text) == 70000'), '6',
       'an expression sees it');
};


subtest 'a plus is a space in an expression' => sub {
    my $r = $d->http('GET', '/v1/runs?q=event.data.n+==+4');
    is(scalar @{$r->{json}{data}}, 1, 'as forms write it');
    $r = $d->http('GET', '/v1/runs?q=event.data.n+%2B+1==+5');
    is(scalar @{$r->{json}{data}}, 1, 'and %2B is a plus');
};


subtest 'what is asked wrongly' => sub {
    my @rows = (
        ['runs', q => 'event.data.x = 1',
         400, 'q: "=" is no operator, == compares, at column 14'],
        ['runs', q => 'evnt.x == 1', 400, 'q: unknown name "evnt", at '
                                          . 'column 1'],
        ['runs', q => '(' x 200, 400, qr/\Aq: .*column/],
        ['events', q => 'run.id == "x"', 400, qr/\Aq: unknown name "run"/],
        ['events', q => '"', 400, qr/\Aq: .*column/],
        ['runs', after => 'today', 400, 'after must be an RFC 3339 time'],
        ['runs', before => '1', 400, 'before must be an RFC 3339 time'],
        ['events', received_after => 'x', 400,
         'received_after must be an RFC 3339 time'],
        ['events', received_before => 'x', 400,
         'received_before must be an RFC 3339 time'],
        ['runs', status => 'Failed,,', 400, qr/\Astatus must be a list of/],
        ['runs', app => 'nobody', 404, 'there is no app "nobody"'],
        ['runs', function => 'nobody', 404, 'there is no function "nobody"'],
        ['runs', cursor => 'x', 400, 'cursor must be a ULID'],
        ['runs', limit => 0, 400, 'limit must be a number from 1 to 51'],
        ['runs', limit => 52, 400, 'limit must be a number from 1 to 51'],
        ['runs', id => '01', 400, qr/\Aid must be 3 to 26/],
        ['runs', id => '01K/..', 400, qr/\Aid must be 3 to 26/],
        ['events', id => '0' x 27, 400, qr/\Aid must be 3 to 26/],
        ['routes/nobody/deliveries', id => '01K', 404,
         'there is no route "nobody"'],
    );

    for my $row (@rows) {
        my ($what, $name, $value, $status, $error) = @$row;
        my $r = $d->http('GET', "/v1/$what?" . query($name => $value));
        my $title = "$what?$name=" . substr $value, 0, 30;

        is($r->{status}, $status, $title);
        ref $error ? like($r->{json}{error}, $error, 'with a sentence')
                   : is($r->{json}{error}, $error, 'with a sentence');
    }
};


# All of the pages.
sub walk {
    my ($between, %arguments) = @_;

    my ($cursor, @rows);

    for (1 .. 200) {
        my $page = list('runs', %arguments,
                        defined $cursor ? (cursor => $cursor) : ());

        push @rows, @{$page->{data}};
        $cursor = $page->{metadata}{cursor};
        last unless defined $cursor;
        $between->();
    }

    return @rows;
}


subtest 'a walk by cursors meets each run once while others come' => sub {
    my $n = 100;
    my @before = map { $_->{run_id} } walk(sub { }, limit => 51);

    my @seen = map { $_->{run_id} } walk(sub {
        send_one('shop/order.placed', n => $n++);
    }, limit => 1);

    is_deeply(\@seen, \@before, 'exactly those that were there');
    ok($n > 100, 'and others came');
};


subtest 'the runs of one event by its id, page by page' => sub {
    $d->http('POST', "/v1/runs/$one/rerun", '{}') for 1 .. 4;

    my @runs = walk(sub { }, id => $ids[0], limit => 2);

    is(scalar @runs, 5, 'the run and its reruns');
    is_deeply([map { $_->{run_id} } @runs],
              [reverse sort map { $_->{run_id} } @runs], 'newest first');
    is($runs[4]{run_id}, $one, 'the first run is the last');
};


# ---- a run that is waited for

sub wait_for_run {
    my ($run, $wait) = @_;

    my $began = time;
    my $r = HttpClient->new(port => $port)
                      ->request('GET', "/v1/runs/$run?wait=$wait");

    return ($r, time - $began);
}


sub run_of {
    my ($event) = @_;

    return wait_for(10, 'the event has a run', sub {
        ($d->event_runs($event))[0]
    })->{run_id};
}


subtest 'a run is waited for until it ends' => sub {
    my ($r, $took) = wait_for_run(run_of(send_one('shop/soon')), '30s');

    is($r->{json}{data}{status}, 'Completed', 'it has ended');
    is($r->{json}{data}{output}, 'done', 'with its output');
    ok($took > 0.5 && $took < 10, 'as soon as it has');

    ($r, $took) = wait_for_run($one, 300);
    is($r->{json}{data}{status}, 'Completed', 'one that is over');
    ok($took < 1, 'is told at once');

    ($r, $took) = wait_for_run($nap, '1s');
    is($r->{json}{data}{status}, 'Running', 'at the timeout it is as it is');
    ok($took > 0.9 && $took < 5, 'after that time');
};


subtest 'what is waited for wrongly' => sub {
    for ('x', '0s', '999ms', '301', '6m', '-1s', '1e9') {
        my ($r) = wait_for_run($one, $_);
        is($r->{status}, 400, "wait=$_");
        is($r->{json}{error}, 'wait must be a time from 1s to 5m',
           'with a sentence');
    }

    my ($r) = wait_for_run('01JQDAE4RQF8MBCR55T5AK4KXR', '30s');
    is($r->{status}, 404, 'a run that is not there');
    ($r) = wait_for_run('x', '30s');
    is($r->{status}, 400, 'an id that is none');
};


# The answers of many clients that wait, when they have them.
sub start_waiting {
    my ($n, $run) = @_;

    my @waiting;

    for (1 .. $n) {
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                           PeerPort => $port)
            or die "no connection: $!\n";

        print $socket "GET /v1/runs/$run?wait=1m HTTP/1.1\r\n"
                      . "Host: x\r\nConnection: close\r\n\r\n";
        push @waiting, $socket;
    }

    return @waiting;
}


sub answers {
    return map { my $socket = $_; local $/; scalar <$socket> } @_;
}


subtest 'many wait at once, and some go away' => sub {
    my $run = run_of(send_one('shop/nap'));
    my @waiting = start_waiting(200, $run);

    close $_ for splice @waiting, 0, 100;

    is($d->http('DELETE', "/v1/runs/$run")->{status}, 200, 'it is cancelled');
    is(scalar(grep { /"status":"Cancelled"/ } answers(@waiting)), 100,
       'and all that still wait are told');
};


subtest 'a reload answers those who wait' => sub {
    my $run = run_of(send_one('shop/nap'));
    my @waiting = start_waiting(5, $run);

    wait_for(10, 'they wait', sub { numbers('runs', status => 'Running') });
    $d->reload;

    is(scalar(grep { /"status":"Running"|503 / } answers(@waiting)), 5,
       'with the run as it is, or that they must ask again');
    $d->http('DELETE', "/v1/runs/$run");
};


# ---- functions, figures, the system

subtest 'one function' => sub {
    my $fn = $d->http('GET', '/v1/functions/shop-naps')->{json}{data};

    is($fn->{id}, 'shop-naps', 'by its slug');
    is($fn->{app}, 'shop', 'its app');
    is($fn->{config}{triggers}[0]{event}, 'shop/nap', 'its configuration');
    ok(exists $fn->{paused} && !$fn->{paused}, 'whether it is paused');

    is($d->http('GET', "/v1/functions/$fn->{internal_id}")->{json}{data}{id},
       'shop-naps', 'or by its UUID');

    my $r = $d->http('GET', '/v1/functions/nobody');
    is($r->{status}, 404, 'one that is not there');
    is($r->{json}{error}, 'there is no function "nobody"', 'is named');
};


subtest 'figures of the newest runs' => sub {
    my $f = $d->http('GET', '/v1/figures?window=1h')->{json}{data};

    is($f->{window_s}, 3600, 'of a window');
    ok($f->{complete}, 'that they cover');
    ok($f->{sampled}{runs} > 10, 'with all runs');
    is(scalar @{$f->{series}}, 60, 'in sixty pieces');

    my %fn = map { $_->{function} => $_ } @{$f->{functions}};

    is($fn{'shop-bad'}{failed}, 1, 'how many failed');
    is($fn{'shop-bad'}{failure_share}, 1, 'their share');
    is($fn{'shop-bad'}{app}, 'shop', 'of which app');
    ok($fn{'shop-order'}{completed} > 5, 'how many completed');
    like($fn{'shop-order'}{p99_ms}, qr/\A\d+\z/, 'how long they took');
    ok($fn{'shop-naps'}{running} >= 1 && !defined $fn{'shop-naps'}{p50_ms},
       'those that still run have no duration');
    is($fn{'shop-naps'}{cancelled}, 2, 'how many were cancelled');

    my $started = 0;
    $started += $_->[1] for @{$f->{series}};
    is($started, $f->{sampled}{runs}, 'each run started once');

    for ('x', '59s', '25h', '0') {
        my $r = $d->http('GET', "/v1/figures?window=$_");
        is($r->{json}{error}, 'window must be a time from 1m to 24h',
           "window=$_");
    }
};


subtest 'the state of the server' => sub {
    my $s = $d->http('GET', '/v1/system')->{json}{data};

    ok($s->{leader}{pid} && $s->{leader}{epoch}, 'who leads');
    like($s->{leader}{since}, qr/\A\d{4}-/, 'since when');
    ok($s->{batches}{count} > 0 && $s->{batches}{commit_p99_us} > 0,
       'how long commits take');
    ok(exists $s->{event_loop}{lag_p99_us}, 'how late the event loop is');
    ok($s->{sidecar}{connected}, 'the sidecar is there');
    like($s->{sidecar}{version}, qr{\Adurable/\S+ libcurl/\d},
         'and which it is');
    ok($s->{store}{contents}{used_bytes} > 0
       && $s->{store}{contents}{limit_bytes}
          >= $s->{store}{contents}{file_bytes}, 'how large the store is');
    ok($s->{store}{contents}{rows}{run} > 10, 'the rows of its tables');
    unlike($s->{store}{name}, qr{/}, 'not where it is');
    like($s->{versions}{nginx}, qr/\A\d/, 'versions');
    is($s->{mode}, 'dev', 'the mode');
    is($s->{workers}, 2, 'the workers');
};


done_testing();
