# Copyright (C) the nginx-durable authors

# What durable_redact hides: from everybody who reads, from no app.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;

use Durable qw(missing slurp wait_for write_file);
use FakeApp;
use HttpClient;
use IO::Select;
use IO::Socket::INET;

plan skip_all => missing() if missing();


my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $hidden = '[redacted]';

my @secrets = ('ssn-0123', 'card-4567', 'pass-89ab', 'deep-cdef');
my $secret = join '|', @secrets;

my $root = tempdir(CLEANUP => 1);
my $port = Durable::free_port();

write_file("$root/index.html", '<!doctype html>');
chmod 0755, $root;

my $person = { user => { ssn => $secrets[0], name => 'me' },
               cards => [{ number => $secrets[1], type => 'x' }],
               password => $secrets[2] };

my $app = FakeApp->new(id => 'shop', server => "http://127.0.0.1:$port",
    record => tempdir(CLEANUP => 1) . '/calls',
    functions => {
        order => {
            event => 't/order', retries => 0,
            steps => [
                { run => 'load', data => $person },
                { invoke => 'ask', function => 'shop-other',
                  data => $person },
                { run => 'last', data => [{ password => $secrets[2] }] },
            ],
            result => { list => [{ a => { password => $secrets[3] } }],
                        ok => 1 },
        },
        watch => { event => 'inngest/function.failed', retries => 0,
                   result => 'seen' },
        other => { event => 't/other', retries => 0,
                   result => { user => { ssn => $secrets[0] } } },
        fails => { event => 't/fails', retries => 0, code => sub {
            return (400, { 'X-Inngest-No-Retry' => 'true' },
                    { name => 'Error', message => "no $secrets[3]",
                      stack => '' });
        } },
    });

$app->start;

my $d;

nothing_is_hidden_without();
people_read_less();
apps_read_all();
filters_tell_nothing();
what_is_hidden_is_not_sent_back();
messages_can_be_hidden();
bad_paths_are_refused();

$app->stop;
done_testing();


sub server {
    my ($redact, %option) = @_;

    $d = Durable->new(port => $port, apps => [$app->url],
        retry_interval => '50ms', http => $redact, server => "
        location /durable/ { durable_dashboard root=$root; }
    ", %option);

    $d->start;
    $d->wait_registered('shop');

    return;
}


sub quit {
    is($d->alerts, '', 'the log is clean');
    unlike($d->error_log, qr/$secret/, 'and has none of the secrets');
    $d->stop;

    return;
}


sub get {
    my ($path) = @_;

    return HttpClient->new(port => $port, keepalive => 0)
                     ->request('GET', $path);
}


sub act {
    my ($path, $body) = @_;

    return HttpClient->new(port => $port, keepalive => 0)
        ->request('POST', $path, $json->encode($body),
                  { 'Sec-Fetch-Site' => 'same-origin' });
}


# Each way to read something of the run and its event.
sub ways {
    my ($event, $run) = @_;

    my $tree = get("/v1/runs/$run/tree")->{json}{data};
    my @steps = map { "/v1/runs/$run/steps/$_->{hashed_id}" }
                @{$tree->{steps}};

    return map { ($_, "/durable/api$_") }
        ("/v1/events/$event", '/v1/events?limit=50',
         "/v1/events/$event/runs", "/v1/runs/$run", "/v1/runs/$run/tree",
         "/v1/runs/$run/history", "/v1/runs/$run/jobs", '/v1/runs?limit=50',
         '/v1/queue', @steps);
}


# ---- without the directive

sub nothing_is_hidden_without {
    server('');

    is(get('/durable/api/session')->{json}{data}{redacted},
       JSON::PP::false, 'the session says that nothing is hidden');

    my $event = $d->send_event({ name => 't/order', data => $person });
    my $run = $d->wait_run($event)->{run_id};
    my $text = join '', map { get($_)->{body} } ways($event, $run);

    for my $word (@secrets) {
        like($text, qr/$word/, "without durable_redact $word is shown");
    }

    unlike($text, qr/redacted/, 'and nothing is hidden');

    $d->stop;

    return;
}


# ---- people

my ($event, $run);

sub people_read_less {
    server('durable_redact data.user.ssn data.cards[*].number;'
           . ' durable_redact **.password;');

    is(get('/durable/api/session')->{json}{data}{redacted}, JSON::PP::true,
       'the session says that something is hidden');

    $event = $d->send_event({ name => 't/order', data => $person });
    $run = $d->wait_run($event)->{run_id};

    my @ways = (ways($event, $run), "/v2/runs/$run", '/v2/runs',
                "/v2/runs/$run/trace", "/v2/events/$event/runs");

    for my $path (@ways) {
        my $r = get($path);

        is($r->{status}, $path =~ m{/durable/api/v2} ? 404 : 200,
           "GET $path");
        unlike($r->{body}, qr/$secret/, '... shows none of the secrets');
        ok(defined $r->{json}, '... and is JSON');
    }

    my $data = get("/v1/events/$event")->{json}{data}{data};

    is_deeply($data, { user => { ssn => $hidden, name => 'me' },
                       cards => [{ number => $hidden, type => 'x' }],
                       password => $hidden },
              'of the event the members that are named are hidden');

    my ($listed) = grep { $_->{internal_id} eq $event }
                   @{get('/v1/events?limit=50')->{json}{data}};
    is_deeply($listed->{data}, $data, 'in lists as well');

    my $tree = get("/v1/runs/$run/tree")->{json}{data};
    my %step = map { $_->{id} => $_ } @{$tree->{steps}};

    is_deeply($step{load}{output}, $data,
              'a step that passes the data on shows as little');
    is_deeply($step{last}{output}, [{ password => $hidden }], 'a list of values is each of them');
    like($json->encode($step{ask}{output}), qr/"ssn":"\[redacted\]"/,
         'what an invoked function gives back is looked through');
    is_deeply($tree->{output},
              { list => [{ a => { password => $hidden } }], ok => 1 },
              'the output of the run has what is not hidden');

    return;
}


# ---- apps

sub apps_read_all {
    my @calls = grep { ($_->{kind} || '') eq 'call' } $app->calls;
    my $memos = get("/v0/runs/$run/actions");
    my $batch = get("/v0/runs/$run/batch");

    is($memos->{status}, 200, 'SDKs read the memos of a run');
    like($memos->{body}, qr/$secrets[0].*$secrets[2]/s,
         '... with everything in them');
    like($batch->{body}, qr/$secrets[0]/, 'and the events');

    # a rerun from the last step on: the memos before it are those of the run
    my $r = act("/v1/runs/$run/rerun", {});
    is($r->{status}, 200, 'a run is run again');

    my $again = wait_for(20, 'the second run', sub {
        my ($other) = grep { $_->{run_id} ne $run
                             && $_->{status} eq 'Completed' }
                      $d->event_runs($event);
        return $other;
    });

    like(get("/v0/runs/$again->{run_id}/actions")->{body}, qr/$secrets[2]/,
         '... with what it had, not with what is shown');

    $r = act("/v1/events/$event/replay", {});
    is($r->{status}, 200, 'an event is replayed');

    my $copy = $r->{json}{data}{ids}[0];
    my $new = $d->wait_run($copy)->{run_id};

    like(get("/v0/runs/$new/batch")->{body}, qr/$secrets[0]/,
         '... as it was');
    unlike(get("/v1/events/$copy")->{body}, qr/$secret/,
           '... and shown as little');

    return;
}


# ---- filters

sub filters_tell_nothing {
    my %is = (
        "event.data.user.ssn == '$secrets[0]'" => 0,
        "event.data.user.ssn == '$hidden'" => 1,
        "event.data.user.name == 'me'" => 1,
        "event.data.password.startsWith('pass')" => 0,
        "output.list[0].a.password == '$secrets[3]'" => 0,
        'output.ok == 1' => 1,
    );

    for my $q (sort keys %is) {
        my $quoted = $q;
        $quoted =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;

        for my $list ('runs', 'events') {
            next if $list eq 'events' && $q =~ /output/;

            my $r = get("/v1/$list?limit=50&q=$quoted");

            is($r->{status}, 200, "$list where $q");
            is(scalar @{$r->{json}{data}} ? 1 : 0, $is{$q},
               $is{$q} ? '... are there' : '... nobody learns');
        }
    }

    return;
}


# ---- what was shown comes back

sub what_is_hidden_is_not_sent_back {
    my $sentence = qr/"\[redacted\]" stands where durable_redact hides/;
    my $step = (grep { $_->{id} eq 'last' }
                @{get("/v1/runs/$run/tree")->{json}{data}{steps}})[0];

    for my $base ('', '/durable/api') {
        for my $input ({ password => $hidden }, [{ password => $hidden }],
                       { user => { ssn => $hidden } })
        {
            my $r = act("$base/v1/runs/$run/rerun",
                { from_step => { step_id => $step->{hashed_id},
                                 input => $input } });

            is($r->{status}, 400, "$base: an input as it was shown is "
               . 'refused: ' . $json->encode($input));
            like($r->{json}{error}, $sentence, '... with a sentence');
        }
    }

    my $r = act("/v1/runs/$run/rerun",
        { from_step => { step_id => $step->{hashed_id},
                         input => [{ other => $hidden }] } });
    unlike($r->{json}{error} || '', $sentence,
           'the word elsewhere is nobody\'s business');

    my $n = @{get('/v1/events?limit=50&name=t/order')->{json}{data}};

    $r = act('/durable/api/e/dashboard',
             { name => 't/order', data => { password => $hidden } });
    is($r->{status}, 400, 'an event as it was shown is refused');
    like($r->{json}{error}, $sentence, '... with a sentence');

    $r = act('/durable/api/e/dashboard', [{ name => 't/order', data =>
             { user => { ssn => $hidden } } }]);
    is($r->{status}, 400, '... in a list as well');

    $r = act('/durable/api/invoke/shop-other',
             { data => { user => { ssn => $hidden } } });
    is($r->{status}, 400, '... and the data of an invoke');

    is(scalar @{get('/v1/events?limit=50&name=t/order')->{json}{data}}, $n,
       'nothing of it was stored');

    is(act('/e/key', { name => 't/none', data => { password => $hidden } })
       ->{status}, 200, 'an app may send what it likes');

    quit();

    return;
}


# ---- messages of errors

sub messages_can_be_hidden {
    for my $redact ('**.password', 'message') {
        server("durable_redact $redact;");

        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                           PeerPort => $port) or die $!;
        print $socket "GET /durable/api/v1/feed?topics=runs,steps HTTP/1.1"
                      . "\r\nHost: localhost\r\n\r\n";
        my $feed = '';
        sysread $socket, $feed, 65536, length $feed;
        like($feed, qr/text\/event-stream/, 'a reader of the feed is there');

        my $event = $d->send_event({ name => 't/fails', data => $person });
        my $run = $d->wait_run($event, 'Failed')->{run_id};

        wait_for(20, 'the feed tells of it', sub {
            IO::Select->new($socket)->can_read(0.05)
                and sysread $socket, $feed, 65536, length $feed;
            return $feed =~ /run\.failed|"Failed"/;
        });

        my $failed = wait_for(20, 'the event of its end', sub {
            my $r = get('/v1/events?name=inngest/function.failed');
            my ($e) = grep { $_->{data}{run_id} eq $run }
                      @{$r->{json}{data}};
            return $e;
        });

        is($failed->{data}{event}{data}{password},
           $redact eq 'message' ? $secrets[2] : $hidden,
           "$redact: an event in an event is looked through");

        my %shown = (feed => $feed, failed => $json->encode(
            $failed->{data}{error}));
        $shown{$_} = get($_)->{body}
            for "/v1/runs/$run", "/v1/runs/$run/tree", '/v1/runs?limit=50',
                "/v1/runs/$run/history", "/v2/runs/$run/trace";

        my $all = join '', values %shown;

        if ($redact ne 'message') {
            like($all, qr/no $secrets[3]/, 'a message is shown');
            $d->stop;
            next;
        }

        for my $name (sort keys %shown) {
            unlike($shown{$name}, qr/$secrets[3]/,
                   "$redact: $name does not show the message");
        }

        like($shown{"/v1/runs/$run/tree"}, qr/"error":.*\[redacted\]/,
             '... but that there is one');
        like($shown{"/v1/runs/$run"}, qr/"name":"Error"/, '... and its name');

        quit();
    }

    return;
}


# ---- nginx -t

sub bad_paths_are_refused {
    my %wrong = (
        'durable_redact data..x;' => qr/the path "data\.\.x" has no name/,
        'durable_redact data.**;' => qr/ends with "\*\*"/,
        'durable_redact data.x[;' => qr/has brackets/,
        'durable_redact ' . join(' ', map { "a.b$_" } 1 .. 65) . ';'
            => qr/more than 64 paths/,
        'durable_redact;' => qr/invalid number of arguments/,
    );

    for my $text (sort keys %wrong) {
        my $t = Durable->new(http => $text);
        my $conf = $t->dir . '/nginx.conf';

        write_file($conf, $t->config);

        my $said = `@{[Durable::binary()]} -t -p @{[$t->dir]} -c $conf 2>&1`;

        like($said, $wrong{$text}, substr("$text is refused", 0, 60));
        like($said, qr/in \Q$conf\E:\d+/, '... with its place');
    }

    return;
}
