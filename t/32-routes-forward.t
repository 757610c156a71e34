# Copyright (C) the nginx-durable authors

# durable_forward: webhooks that nginx sends on, through the sidecar, to
# targets that answer, fail, are away, or are slow.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;

use Durable qw(free_port missing wait_for);
use DurableTarget;

plan skip_all => missing() if missing();


my $target = DurableTarget->start;
my $url = $target->{url};
my $later = free_port();

my $d = Durable->new(workers => 2, retry_interval => '50ms',
                     server => routes("durable_forward $url/gate/turn "
                                      . "ordered;"));
$d->start;


sub routes {
    my ($turn) = @_;

    return <<"SERVER";
        location = /hook  { durable_route hook; durable_forward $url/echo/hook; }
        location = /bad   { durable_route bad;
                            durable_forward $url/status/422; }
        location = /fails { durable_route fails; durable_retries 2;
                            durable_forward $url/status/500; }
        location = /moved { durable_route moved;
                            durable_forward $url/redirect/307/%2Fok; }
        location = /away  { durable_route away; durable_retries 0;
                            durable_forward http://127.0.0.1:$later/echo/away; }
        location = /large { durable_route large;
                            durable_forward $url/bytes/100000; }
        location = /turn  { durable_route turn; $turn }
SERVER
}


# The id of the run that a webhook started.
sub hook {
    my ($path, $body, $headers) = @_;

    my $r = $d->http('POST', $path, $body, $headers);
    is($r->{status}, 200, "$path is accepted");

    my ($connector) = $path =~ m{^/(\w+)};
    my $list = $d->http('GET', "/v1/events?name=event/api.webhooks.$connector"
                        . '.action&limit=1');

    return ($d->event_runs($list->{json}{data}[0]{internal_id}))[0]{run_id};
}


sub tree { return $d->http('GET', "/v1/runs/$_[0]/tree")->{json}{data} }


sub ended {
    my ($run, $status) = @_;
    my $tree;

    wait_for(20, "the delivery is $status", sub {
        $tree = tree($run);
        return $tree->{status} ne 'Running';
    });

    is($tree->{status}, $status, "it is $status in the end");

    return $tree;
}


subtest 'a webhook is sent on as it came' => sub {
    my $body = join '', map { chr } 0 .. 255;
    my $tree = ended(hook('/hook?a=1&b=%20', $body,
                          { 'X-Github-Event' => 'push', Host => 'h.test',
                            Connection => 'X-Hop', 'X-Hop' => 1 }),
                     'Completed');
    my ($head, $sent) = split /\r\n\r\n/, $target->request('/echo/hook'), 2;

    ok($sent eq $body, 'the bytes of the body');
    like($head, qr{^POST /echo/hook\?a=1&b=%20 HTTP/1.1\r\n},
         'method and query');
    like($head, qr/^x-github-event: push\r?$/mi, 'its headers');
    like($head, qr/^x-forwarded-host: h\.test\r?$/mi, 'its host, aside');
    like($head, qr/^x-forwarded-for: 127\.0\.0\.1\r?$/mi, 'who asked');
    like($head, qr/^x-forwarded-proto: http\r?$/mi, 'and how');
    like($head, qr/^host: 127\.0\.0\.1:$target->{port}\r?$/mi,
         'the host is the target');
    unlike($head, qr/x-hop/i, 'what is of the connection stays');

    is($tree->{function}, 'api-hook', 'a function is declared');
    is(scalar @{$tree->{steps}}, 1, 'its run has one step');
    is($tree->{steps}[0]{id}, "forward request to $url/echo/hook",
       'with its name');
    is($tree->{output}{status}, 200, 'whose output is the answer');
};


subtest 'a status that is final fails it at once' => sub {
    for my $case ([ '/bad', 422 ], [ '/moved', 307 ]) {
        my $tree = ended(hook($case->[0], 'x'), 'Failed');
        my @attempts = @{$tree->{steps}[0]{attempts}};

        is("$attempts[0]{status} " . @attempts, "$case->[1] 1",
           'one attempt');
        is($tree->{error}{data}{status}, $case->[1],
           'the error has the answer');
    }
    is($target->count('/ok'), 0, 'no redirect was followed');
};


subtest 'one that is not is tried again' => sub {
    my $tree = ended(hook('/fails', 'x'), 'Failed');
    my @attempts = @{$tree->{steps}[0]{attempts}};

    is(scalar @attempts, 3, 'three attempts');
    is($_->{answer}, 'status 500', 'with the first bytes of the answer')
        for @attempts;
    is($target->count('/status/500'), 3, 'as the target saw them');
};


subtest 'a long answer is one' => sub {
    my $run = hook('/large', 'x');
    ended($run, 'Completed');

    my $output = $d->run($run)->{output};
    is(length $output->{body}, 65536, 'its first 64 KiB are kept');
    ok($output->{bodyTruncated}, 'and it says so');
};


subtest 'a target that is away is waited for' => sub {
    my @runs = map { hook('/away', $_) } 1 .. 5;

    wait_for(10, 'the target is parked', sub {
        grep { $_->{app} eq 'nginx:away' } @{$d->status->{parked}};
    });

    my $back = DurableTarget->start($later);
    ended($_, 'Completed') for @runs;
    is($back->count('/echo/away'), 5, 'each went out once');
};


subtest 'an ordered route sends one at a time, also across reload and kill' =>
sub {
    my @runs = map { hook('/turn', $_) } 1 .. 4;

    ok($target->wait_held('turn'), 'the first is out');
    is($target->held('turn'), 1, 'alone');

    $d->reload;
    push @runs, hook('/turn', 5);
    is($target->held('turn'), 1, 'after a reload as well');

    $d->kill_leader;
    push @runs, hook('/turn', 6);
    is($target->held('turn'), 1, 'and with another leader');
    like($target->request('/gate/turn'), qr/\r\n\r\n1\z/, 'it is the first');

    $target->open('turn');
    ended($_, 'Completed') for @runs;
    is($target->count('/gate/turn'), 6, 'all went out once');
};


subtest 'a route that is gone leaves its function' => sub {
    $d->{server} = routes('');
    Durable::write_file($d->dir . '/nginx.conf', $d->config);
    $d->reload;

    ok(wait_for(10, 'the next leader says so', sub {
        my $r = $d->http('GET', '/v1/apps');
        return $r->{status} == 200
               && !grep { $_->{name} eq 'nginx:turn' } @{$r->{json}{data}};
    }), 'its target is no app any more');
    is($d->http('POST', '/turn', 'x')->{status}, 200,
       'its webhooks are events');
};


is($d->alerts, '', 'nothing to complain about');

done_testing();
