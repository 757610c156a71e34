# Copyright (C) the nginx-durable authors

# durable_route where nginx comes to it by another way than the request's own
# path: as a fallback, after a rewrite, as a mirror, in a subrequest.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;

use Durable qw(free_port missing slurp wait_for);
use DurableTarget;

plan skip_all => missing() if missing();


my $target = DurableTarget->start;
my $url = $target->{url};
my $nobody = 'http://127.0.0.1:' . free_port();

my $d = Durable->new(workers => 2, retry_interval => '50ms', http => <<'HTTP',
    log_format hooks '$uri|$status|$durable_status|$durable_run_id';
HTTP
                     server => <<"SERVER");
        access_log hooks.log hooks;
        client_body_buffer_size 16k;

        location = /app    { proxy_pass $nobody; error_page 502 = \@keep; }
        location = /memory { proxy_pass $nobody; error_page 502 = \@keep;
                             client_body_buffer_size 2m; }
        location = /up     { proxy_pass $url/echo/up;
                             error_page 502 503 = \@keep; }
        location = /busy   { proxy_pass $url/status/503; error_page 503 = \@keep;
                             proxy_intercept_errors on; }
        location \@keep     { durable_route kept;
                             durable_forward $url/echo/kept; }

        location = /path   { proxy_pass $nobody; error_page 502 = /hook; }
        location = /code   { proxy_pass $nobody; error_page 502 \@keep; }
        location = /hook   { durable_route hook; }

        location /files/   { try_files \$uri \@tried; }
        location \@tried    { durable_route; }

        location = /old    { rewrite ^ /hook last; }
        location = /inside { internal; durable_route inside; }
        location = /in     { rewrite ^ /inside last; }
        location = /again  { error_page 401 = \@keep; durable_route again;
                             durable_verify telegram top-secret; }

        location = /wait   { proxy_pass $nobody; error_page 502 = \@wait; }
        location \@wait     { durable_route waited; durable_respond sync 10s;
                             durable_forward $url/echo/waited; }

        location = /seen   { mirror /copy; proxy_pass $url/echo/seen; }
        location = /copy   { internal; durable_route copied; }
        location = /held   { mirror /hold; proxy_pass $url/echo/held; }
        location = /hold   { internal; durable_route held;
                             durable_respond sync 10s;
                             durable_forward $url/echo/held; }

        location = /page   { ssi on; ssi_types *; root html; }
        location = /gate   { auth_request /asked; proxy_pass $url/echo/gate; }
        location = /asked  { durable_route asked methods=GET; }

        location = /both   { durable_route one also=two; }
        location = /two    { durable_route none also=kept; }

        location = /strict { durable_route strict methods=GET,POST;
                             limit_except GET { deny 198.51.100.1; } }
        location = /status2 { durable_status;
                              limit_except POST { deny 198.51.100.1; } }
        location = /echo/proxied { durable_route proxied;
                              limit_except PUT { proxy_pass $url; } }
SERVER

mkdir $d->dir . '/html';
Durable::write_file($d->dir . '/html/page',
                    '<!--# include virtual="/hook" -->end');
$d->start;


# The newest event of a connector: its data.
sub newest {
    my ($connector) = @_;

    my $r = $d->http('GET', "/v1/events?limit=1&name=event/api.webhooks."
                            . "$connector.action");

    return ($r->{json}{data}[0] || {})->{data} || {};
}


sub logged {
    my ($uri) = @_;

    # written when the answer has gone

    my $line = wait_for(5, "the log has $uri", sub {
        my @lines = grep { /^\Q$uri\E\|/ }
            split /\n/, slurp($d->dir . '/hooks.log');
        return $lines[-1];
    });

    return (split /\|/, $line)[1 .. 3];
}


subtest 'a webhook whose app is down is kept, and sent on' => sub {
    my $n = 0;

    for my $body ('', '{"a": 1}', "\xff\0" x 50, 'x' x 100_000) {
        for my $path ('/app', '/memory') {
            my $r = $d->http('POST', "$path?n=1", $body, { 'X-A' => $n });

            is($r->{status}, 200, length($body) . " bytes to $path");
            is(newest('kept')->{headers}{'x-a'}, $n++, 'are an event');
            wait_for(10, 'it is sent on', sub {
                $target->count('/echo/kept') == $n;
            });

            my ($head, $sent) = split /\r\n\r\n/,
                                      $target->request('/echo/kept'), 2;
            ok($sent eq $body, 'the target has its bytes');
            like($head, qr{\APOST /echo/kept\?n=1 }, 'as they were sent');
        }
    }

    my $r = $d->http('POST', '/busy', 'busy');
    is($r->{status}, 200, 'an app that is busy is one that is down');
    is(newest('kept')->{body}, 'busy', 'for that');
};


subtest 'one whose app is there is not' => sub {
    is($d->http('POST', '/up', 'mine')->{body}, 'mine', 'it answers');
    isnt(newest('kept')->{body}, 'mine', 'and there is no event');
};


subtest 'the connection of a fallback can be used again' => sub {
    for my $i (1 .. 3) {
        is($d->http('POST', '/app', "body $i")->{status}, 200, "request $i");
        is(newest('kept')->{body}, "body $i", 'its own event');
    }
};


subtest 'error_page without "=" keeps its status' => sub {
    is($d->http('POST', '/code', 'code')->{status}, 502, 'it says 502');
    is(newest('kept')->{body}, 'code', 'of what is an event');
};


subtest 'error_page with a path asks with GET, which is refused' => sub {
    my $r = $d->http('POST', '/path', 'lost');

    is($r->{status}, 405, 'it is 405');
    like($r->{json}{error}, qr/^GET is not allowed here.*named location/,
         'with what to do');
};


subtest 'a fallback that waits relays what the target answers' => sub {
    my $r = $d->http('POST', '/wait', 'wait for me');

    is($r->{status}, 200, 'its status');
    is($r->{body}, 'wait for me', 'its body');
};


subtest 'try_files and rewrite lead to a route' => sub {
    is($d->http('POST', '/files/one', 'tried')->{status}, 200, 'try_files');
    is(newest('files')->{body}, 'tried', 'names it by the path');
    is($d->http('POST', '/old', 'rewritten')->{status}, 200, 'rewrite');
    is(newest('hook')->{body}, 'rewritten', 'is an event');
    is($d->http('POST', '/in', 'inside')->{status}, 200, 'internal');
    is(newest('inside')->{body}, 'inside', 'likewise');
    is($d->http('POST', '/inside', 'x')->{status}, 404, 'but not from outside');
};


subtest 'a route may be the error_page of another' => sub {
    is($d->http('POST', '/again', 'unsigned')->{status}, 401,
       'its own answers are no error pages');
    isnt(newest('kept')->{body}, 'unsigned', 'so there is no event');
};


subtest 'a mirrored request is an event' => sub {
    for my $body ('mirrored', 'y' x 200_000) {
        is($d->http('POST', '/seen', $body)->{body}, $body,
           'the app has answered');
        wait_for(10, 'the event', sub {
            (newest('copied')->{body} || '') eq $body;
        });
    }

    is($d->http('POST', '/held', 'held')->{body}, 'held',
       'a mirror that waits holds up nobody');
    wait_for(10, 'both were sent', sub { $target->count('/echo/held') == 2 });
};


subtest 'subrequests ask with GET' => sub {
    my $r = $d->http('GET', '/page');

    like($r->{body}, qr/end\z/, 'a page that includes a route is shown');
    unlike($r->{body}, qr/"status":200/, 'without an event');
    is(newest('hook')->{body}, 'rewritten', 'there is none');

    is($d->http('POST', '/gate', 'x')->{status}, 200,
       'a route of GET may be what auth_request asks');
    is(newest('asked')->{method}, 'GET', 'its event has no more than that');
};


subtest 'of two events the log names the runs of the one that has any' => sub {
    is($d->http('POST', '/both', 'x')->{status}, 200, 'neither has one');
    is((logged('/both'))[2], '-', 'it has none');

    is($d->http('POST', '/two', 'x')->{status}, 200, 'the second one has');
    my ($status, $outcome, $run) = logged('/two');
    is($outcome, 'accepted', 'it is accepted');
    is(($d->run($run) || {})->{run_id}, $run, 'its run is named');
};


subtest 'limit_except leaves a location what it is' => sub {
    is($d->http('POST', '/strict', 'strict')->{status}, 200, 'a route');
    is(newest('strict')->{body}, 'strict', 'is one');
    is($d->http('GET', '/status2')->{json}{role}, 'leader',
       'durable_status is one');
    is($d->http('POST', '/echo/proxied', 'other')->{body}, 'other',
       'proxy_pass inside is what it says');
    is(newest('proxied')->{body}, undef, 'and no route');
};


is($d->alerts, '', 'the logs are clean');
ok($d->stop, 'nginx and the sidecar end when asked');

done_testing();
