# Copyright (C) the nginx-durable authors

# Routes and their deliveries over REST, and deliveries that are sent again:
# one, and all that failed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(time);

use Durable qw(missing wait_for);
use FakeApp;
use Handler;
use HttpClient;

plan skip_all => missing() if missing();


my $port = Durable::free_port();
my $d = Durable->new(port => $port, workers => 2, retry_interval => '50ms');
my $handler = Handler->new(record => $d->dir . '/handled')->start;
my $url = $handler->url;
my $nobody = '01JQDAE4RQF8MBCR55T5AK4KXR';

my $app = FakeApp->new(id => 'shop', server => "http://127.0.0.1:$port",
    record => $d->dir . '/calls', functions => {
        hook => { event => 'event/api.webhooks.app.action',
                  steps => [{ run => 'once', final => 1 }] },
        other => { event => 'shop/other', result => 1 },
    })->start;

push @{$d->{apps}}, $app->url;
$d->{server} = <<"SERVER";
        durable_dedupe \$http_x_id;

        location = /linear { durable_route linear;
                             durable_forward $url/linear?key=1 ordered; }
        location = /app    { durable_route app; }
SERVER

$d->start;
$d->wait_registered('shop');


sub hook {
    my ($path, $id) = @_;

    return is($d->http('POST', $path, "body $id", { 'X-Id' => $id })->{status},
              200, "$path takes $id");
}


sub deliveries {
    my ($connector, $query) = @_;

    my $r = $d->http('GET', "/v1/routes/$connector/deliveries"
                            . (defined $query ? "?$query" : ''));

    is($r->{status}, 200, 'the deliveries of ' . $connector)
        or diag($r->{body});

    return @{$r->{json}{data} || []};
}


# The deliveries, once there are so many of this status.
sub wait_deliveries {
    my ($connector, $status, $n) = @_;

    return @{wait_for(20, "$n deliveries are $status", sub {
        my $r = $d->http('GET', "/v1/routes/$connector/deliveries?limit=51"
                                . "&status=$status");
        @{$r->{json}{data}} == $n && $r->{json}{data};
    })};
}


sub post { return $d->http('POST', @_) }


# The redelivery, when it is done.
sub redelivered {
    my ($r) = @_;

    is($r->{status}, 200, 'a redelivery begins') or diag($r->{body});

    my $id = $r->{json}{data}{id};

    return wait_for(10, 'the redelivery is done', sub {
        my $r = $d->http('GET', "/v1/redeliveries/$id");
        $r->{json}{data}{done} && $r->{json}{data};
    });
}


subtest 'the routes are listed' => sub {
    my $r = $d->http('GET', '/v1/routes');
    my %route = map { $_->{connector} => $_ } @{$r->{json}{data}};

    is_deeply([sort keys %route], ['app', 'linear'], 'both of them');
    is($route{linear}{function}, 'api-linear', 'one that forwards');
    ok($route{linear}{forward} && $route{linear}{ordered}, 'in order');
    is($route{linear}{url}, "$url/linear",
       'its target, without what may be secret');
    is($route{app}{function}, 'shop-hook', 'one that an app listens to');
    ok(!$route{app}{forward}, 'which does not');
};


subtest 'deliveries by route, outcome and time' => sub {
    hook('/linear', 'one');
    hook('/linear', 'two');
    wait_deliveries('linear', 'Completed', 2);

    my ($one) = grep { $_->{delivery_id} eq 'linear:one' }
                deliveries('linear');

    is($one->{http_status}, 200, 'what the target said');
    is($one->{attempts}, 1, 'after how many attempts');
    ok(!$one->{redelivered}, 'it was not sent again');
    like($one->{received_at}, qr/\A\d{4}-\d\d-\d\dT/, 'when it came');

    my $between = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(time + 3600));

    is(scalar deliveries('linear', 'status=failed'), 0, 'by outcome');
    is(scalar deliveries('linear', "after=$between"), 0, 'after a time');
    is(scalar deliveries('linear', "before=$between"), 2, 'before one');

    my $r = $d->http('GET', '/v1/routes/linear/deliveries?limit=1');
    my $next = $r->{json}{metadata}{cursor};

    ok($next, 'a page has a cursor');
    isnt((deliveries('linear', "limit=1&cursor=$next"))[0]{run_id},
         $r->{json}{data}[0]{run_id}, 'that leads to the next one');
};


subtest 'one is sent again' => sub {
    $handler->answers(422);
    hook('/linear', 'broken');

    my ($failed) = wait_deliveries('linear', 'Failed', 1);

    is($failed->{http_status}, 422, 'a delivery failed');
    is($failed->{error}, 'the target answered HTTP 422', 'and says why');

    $handler->answers(200);

    my $r = post("/v1/deliveries/$failed->{run_id}/redeliver");
    is($r->{status}, 200, 'it is sent again');

    my $again = $r->{json}{data}{run_id};
    wait_deliveries('linear', 'Completed', 3);

    my ($old) = grep { $_->{run_id} eq $failed->{run_id} }
                deliveries('linear');
    my ($new) = grep { $_->{run_id} eq $again } deliveries('linear');

    ok($old->{redelivered}, 'the old one says so');
    is($new->{original_run_id}, $failed->{run_id}, 'and the new one of which');
    is($new->{event_id}, $old->{event_id}, 'it is the same webhook');

    my @sent = grep { $_->{path} =~ /linear/ } $handler->requests;
    is($sent[-1]{sha1}, $sent[-2]{sha1}, 'with the same body');
};


subtest 'all that failed are sent again, in order' => sub {
    $handler->answers(400);
    hook('/linear', "late-$_") for 1 .. 40;
    wait_deliveries('linear', 'Failed', 41);
    $handler->answers(200);

    my $before = $handler->requests;
    my $done = redelivered(post('/v1/routes/linear/redeliver'));

    is($done->{redelivered}, 40, 'not the one that was sent again already');
    is($done->{refused}, 0, 'none is refused');

    my @sent;
    wait_for(20, 'the target has them', sub {
        @sent = $handler->requests;
        @sent == $before + 40;
    });

    my @order = map { $_->{headers}{'x-id'} } @sent[$before .. $#sent];
    is_deeply(\@order, [map { "late-$_" } 1 .. 40], 'in order');

    is(redelivered(post('/v1/routes/linear/redeliver',
                        { status => 'Failed' }))->{redelivered}, 0,
       'asked for twice, none goes twice');

    is(redelivered(post('/v1/routes/linear/redeliver',
                        { after => strftime('%Y-%m-%dT%H:%M:%SZ',
                                            gmtime(time + 60)),
                          before => strftime('%Y-%m-%dT%H:%M:%SZ',
                                             gmtime(time + 120)),
                          status => 'Failed,Completed' }))->{scanned}, 0,
       'a window of time');

    is(scalar @{$d->http('GET', '/v1/redeliveries')->{json}{data}}, 3,
       'redeliveries are listed');
};


subtest 'what an app made of a webhook is a delivery as well' => sub {
    hook('/app', 'seven');

    my ($failed) = wait_deliveries('app', 'Failed', 1);
    is($failed->{function}, 'shop-hook', 'of its function');

    is(redelivered(post('/v1/routes/app/redeliver'))->{redelivered}, 1,
       'it is run again');
    wait_deliveries('app', 'Failed', 2);
};


subtest 'a redelivery survives the leader' => sub {
    $handler->answers(400);
    hook('/linear', "more-$_") for 1 .. 40;
    wait_deliveries('linear', 'Completed', 43);
    wait_for(20, 'they failed', sub {
        grep { $_->{headers}{'x-id'} eq 'more-40' } $handler->requests;
    });
    $handler->answers(200);

    my $r = post('/v1/routes/linear/redeliver');
    $d->kill_leader;

    is(redelivered($r)->{redelivered}, 40, 'it is done by the next one');

    my %sent;
    wait_for(30, 'the target has them', sub {
        %sent = ();
        $sent{$_->{headers}{'x-id'}}++
            for grep { $_->{status} == 200
                       && $_->{headers}{'x-id'} =~ /^more-/ }
                $handler->requests;
        keys %sent == 40;
    });

    is_deeply([grep { $sent{$_} != 1 } keys %sent], [], 'each once');
};


subtest 'what cannot be is refused with a sentence' => sub {
    my ($other) = $d->wait_run($d->send_event({ name => 'shop/other',
                                                data => {} }));

    for my $case (
        ['GET', '/v1/routes/nobody/deliveries', undef, 404,
         qr/no route "nobody"/],
        ['GET', '/v1/routes/linear/deliveries?status=gone', undef, 400,
         qr/status must/],
        ['POST', '/v1/routes/nobody/redeliver', {}, 404,
         qr/no route "nobody"/],
        ['POST', '/v1/routes/linear/redeliver', [], 400, qr/an object/],
        ['POST', '/v1/routes/linear/redeliver', '{', 400, qr/an object/],
        ['POST', '/v1/routes/linear/redeliver', { status => 'Running' }, 400,
         qr/status must/],
        ['POST', '/v1/routes/linear/redeliver', { after => 'noon' }, 400,
         qr/after must/],
        ['POST', "/v1/deliveries/$nobody/redeliver", undef, 404,
         qr/no such delivery/],
        ['POST', "/v1/deliveries/$other->{run_id}/redeliver", undef, 404,
         qr/no such delivery/],
        ['POST', '/v1/deliveries/x/redeliver', undef, 400, qr/not a ULID/],
        ['GET', "/v1/redeliveries/$nobody", undef, 404, qr/no redelivery/],
        ['DELETE', "/v1/redeliveries/$nobody", undef, 404,
         qr/no such redelivery/],
        ['PUT', '/v1/routes', undef, 405, qr/not allowed/],
    ) {
        my ($method, $path, $body, $status, $error) = @$case;
        my $r = $d->http($method, $path, $body);

        is($r->{status}, $status, "$method $path");
        like($r->{json}{error}, $error, 'says why');
    }
};


is($d->alerts, '', 'the logs are clean');
ok($d->stop, 'nginx and the sidecar end when asked');

done_testing();
