# Copyright (C) the nginx-durable authors

# Webhooks that nginx sends on itself, and senders that wait for the answer.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(hmac_sha256_hex);
use File::Temp;
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);

use Durable qw(missing slurp wait_for);
use HttpClient;
use Provider;

plan skip_all => missing() if missing();


my $dir = File::Temp->newdir('durable-XXXXXX', TMPDIR => 1);
my $ulid = qr/[0-9A-HJKMNP-TV-Z]{26}/;
my $gate = "$dir/gate";                 # /slow answers when it is there

my $target = Provider->new(record => "$dir/target", answer => sub {
    my ($path, $header, $body) = @_;

    return ('200 OK', 'text/html', "<p>$body",
            'X-Made: by target', 'Set-Cookie: a=1', 'Date: then',
            'Server: other', 'Retry-After: 7')
        if $path =~ m{^/page};
    return ('200 OK', 'application/octet-stream', "\0\xff\xfe") if $path =~ /bin/;
    return ('204 No Content', 'text/plain', '') if $path =~ /204/;
    return ('302 Found', 'text/plain', 'moved', 'Location: /else')
        if $path =~ /302/;
    return ('404 Not Found', 'application/json', '{"no":1}') if $path =~ /404/;
    return ('503 Service Unavailable', 'text/plain', 'busy')
        if $path =~ /503/;

    if ($path =~ /slow/) {
        for (1 .. 500) {
            last if -e $gate;
            sleep 0.02;
        }
    }

    return ('200 OK', 'text/plain', 'ok');
})->start;

my $gone = Durable::free_port();
my $url = $target->url;
my $secret = 'test_secret_0123456789';

my $d = Durable->new(workers => 2, retry_interval => '20ms', http => <<'HTTP',
    log_format hooks '$uri|$status|$durable_status|$durable_event_id'
                     '|$durable_run_id';
HTTP
    server => <<"SERVER");
        access_log hooks.log hooks;

        location = /linear {
            durable_route    linear;
            durable_verify   github $secret;
            durable_forward  $url/linear?key=1;
        }

        location = /retried {
            durable_route    retried;
            durable_retries  2;
            durable_forward  $url/503;
        }

        location /sync/ {
            durable_respond  sync 20s;
            durable_dedupe   \$http_x_delivery;

            location = /sync/page   { durable_route page;
                                      durable_forward $url/page; }
            location = /sync/bin    { durable_route bin;
                                      durable_forward $url/bin; }
            location = /sync/204    { durable_route s204;
                                      durable_forward $url/204; }
            location = /sync/302    { durable_route s302;
                                      durable_forward $url/302; }
            location = /sync/404    { durable_route s404;
                                      durable_forward $url/404; }
            location = /sync/503    { durable_route s503;
                                      durable_forward $url/503; }
            location = /sync/two    { durable_route two also=three;
                                      durable_forward $url/page; }
            location = /sync/gone   { durable_route gone;
                                      durable_respond sync 300ms;
                                      durable_forward
                                          http://127.0.0.1:$gone/; }
            location = /sync/slow   { durable_route slow;
                                      durable_respond sync 100ms;
                                      durable_forward $url/slow; }
            location = /sync/long   { durable_route long;
                                      durable_forward $url/slow; }
        }
SERVER

$d->start;


sub post { return $d->http('POST', @_) }


my %lines;

sub logged {
    my ($uri) = @_;
    my @all;

    wait_for(5, "a line of $uri in the log", sub {
        @all = grep { index($_, "$uri|") == 0 }
               split /\n/, slurp($d->dir . '/hooks.log');
        return @all > ($lines{$uri} || 0);
    });

    $lines{$uri} = @all;

    return split /\|/, $all[-1], -1;
}


sub wait_status {
    my ($id, $status) = @_;

    return wait_for(10, "run $id is $status", sub {
        my $run = $d->run($id);
        return $run && $run->{status} eq $status && $run;
    });
}


sub requests {
    my ($path) = @_;

    return grep { $_->{path} =~ m{^/\Q$path\E\b} } $target->requests;
}


subtest 'a webhook is sent on as it came' => sub {
    my $body = "{\"a\": \"\x{c3}\x{a9}\0\xff\"}\n";
    my $r = post('/linear?team=1', $body, { 'X-GitHub-Delivery' => 'd-1',
        'X-Note' => "caf\xe9", 'X-Forwarded-For' => '198.51.100.1',
        'Host' => 'hooks.example.com',
        'X-Hub-Signature-256' => 'sha256=' . hmac_sha256_hex($body, $secret) });

    is($r->{status}, 200, 'it is accepted');

    my @field = logged('/linear');
    is($field[2], 'accepted', 'the log says so');
    like($field[4], qr/\A$ulid\z/, 'and names the run that delivers it');

    my $run = wait_status($field[4], 'Completed');
    is($run->{output}{status}, 200, 'the run has the answer of the target');

    my ($sent) = requests('linear');
    is($sent->{path}, '/linear?key=1&team=1', 'the queries of both');
    is($sent->{body}, $body, 'the bytes of the body');
    is($sent->{headers}{'x-hub-signature-256'},
       'sha256=' . hmac_sha256_hex($body, $secret),
       'its headers, so that the target may verify it again');
    is($sent->{headers}{'x-note'}, "caf\xe9", 'bytes of headers too');
    is($sent->{headers}{'x-forwarded-for'}, '198.51.100.1, 127.0.0.1',
       'who sent it');
    is($sent->{headers}{'x-forwarded-host'}, 'hooks.example.com',
       'and to whom');
    like($sent->{headers}{host}, qr/\A127\.0\.0\.1:\d+\z/,
         'the host is that of the target');
};


subtest 'a delivery that is sent again is delivered once' => sub {
    my %headers = ('X-GitHub-Delivery' => 'd-2', 'X-Hub-Signature-256' =>
                   'sha256=' . hmac_sha256_hex('{}', $secret));
    my $before = requests('linear');

    is(post('/linear', '{}', \%headers)->{status}, 200, 'the first time');
    wait_status((logged('/linear'))[4], 'Completed');
    is(post('/linear', '{}', \%headers)->{status}, 200, 'the second time');

    my @field = logged('/linear');
    is($field[2], 'duplicate', 'the log tells it from the first');
    is($field[4], '-', 'there is no run');

    post('/linear', '{}', { %headers, 'X-GitHub-Delivery' => 'd-3' });
    wait_status((logged('/linear'))[4], 'Completed');
    is(requests('linear') - $before, 2, 'the target saw one of them');
};


subtest 'what fails is tried again as often as durable_retries says' => sub {
    post('/retried', '{}');
    my $run = wait_status((logged('/retried'))[4], 'Failed');

    my @history = @{$d->http('GET', "/v1/runs/$run->{run_id}/history")
                    ->{json}{data}};
    is(@history, 3, 'one attempt and two more');
    is_deeply([map { $_->{status} } @history], [503, 503, 503],
              'the history has the status of each');
};


subtest 'sync relays what the target answers' => sub {
    my $r = post('/sync/page', 'body');

    is($r->{status}, 200, 'its status');
    is($r->{body}, '<p>body', 'its body');
    is($r->{headers}{'content-type'}, 'text/html', 'its type');
    is($r->{headers}{'x-made'}, 'by target', 'its headers');
    like($r->{headers}{server}, qr/nginx/, 'but not those of its connection');
    isnt($r->{headers}{date}, 'then', 'or of the moment');
    is((logged('/sync/page'))[2], 'delivered', 'the log says that it was delivered');

    is(post('/sync/bin', '')->{body}, "\0\xff\xfe", 'bytes that are no text');

    $r = post('/sync/204', '');
    is(join('|', $r->{status}, $r->{body}), '204|', '204 has no body');

    $r = post('/sync/302', '');
    is($r->{status}, 302, 'a redirect is an answer');
    is($r->{headers}{location}, '/else', 'it is not followed');

    $r = post('/sync/404', '');
    is($r->{status}, 404, 'so is a refusal');
    is_deeply($r->{json}, { no => 1 }, 'with its reason');
    wait_for(5, 'the log says undelivered',
             sub { slurp($d->dir . '/hooks.log') =~ m{/404\|404\|undeli} });

    $r = post('/sync/503', '');
    is(join('|', $r->{status}, $r->{body}), '503|busy',
       'and a failure, once there are no attempts left');

    is(post('/sync/two', 'x')->{body}, '<p>x', 'also with a second name');
};


subtest 'who does not want to wait is told where to ask' => sub {
    my $r = post('/sync/slow', '{}');

    is($r->{status}, 202, 'after the timeout it is accepted');
    like($r->{json}{event_id}, qr/\A$ulid\z/, 'as this event');
    like($r->{headers}{location}, qr{\A/v1/runs/$ulid\z}, 'with a place');
    is($r->{json}{status_url}, $r->{headers}{location}, 'to ask');

    is($d->http('GET', $r->{json}{status_url})->{json}{data}{status},
       'Running', 'where it is still running');

    Durable::write_file($gate, '');
    wait_status(substr($r->{json}{status_url}, 9), 'Completed');
    unlink $gate;

    $r = post('/sync/gone', '{}');
    is($r->{status}, 202, 'a target that is away: the webhook is kept');
    is((logged('/sync/gone'))[2], 'accepted', 'the log says no more');
};


subtest 'a repeated delivery does not wait' => sub {
    my %headers = ('X-Delivery' => 's-1');

    is(post('/sync/page', '1', \%headers)->{body}, '<p>1', 'the first one');
    my $r = post('/sync/page', '1', \%headers);
    is($r->{status}, 202, 'the second one');
    is($r->{json}{status}, 'duplicate', 'is told what it is');
};


subtest 'a sender that leaves, a worker that exits' => sub {
    my $before = requests('slow');

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                       PeerPort => $d->port);
    print {$socket} "POST /sync/long HTTP/1.1\r\nHost: a\r\n"
        . "Content-Length: 2\r\n\r\n{}";

    wait_for(10, 'the target has it', sub { requests('slow') > $before });
    close $socket;
    wait_for(10, 'the log has 499',
             sub { slurp($d->dir . '/hooks.log') =~ m{/long\|499\|accepted} });

    Durable::write_file($gate, '');
    wait_for(10, 'it is delivered all the same', sub {
        my $r = $d->http('GET', '/v1/runs?function=api-long');
        return $r->{json}{data}[0]{status} eq 'Completed';
    });
    unlink $gate;

    $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                    PeerPort => $d->port);
    print {$socket} "POST /sync/long HTTP/1.1\r\nHost: a\r\n"
        . "Connection: close\r\nContent-Length: 2\r\n\r\n{}";
    wait_for(10, 'the target has the next', sub {
        return requests('slow') > $before + 1;
    });

    my $start = time;
    $d->reload;
    like(join('', <$socket>), qr{\AHTTP/1\.1 202 .*"status_url"}s,
         'a reload does not wait for it, the sender is told where to ask');
    cmp_ok(time - $start, '<', 10, 'at once');

    Durable::write_file($gate, '');
    wait_for(10, 'and it is delivered', sub {
        my $r = $d->http('GET', '/v1/runs?function=api-long');
        return 2 == grep { $_->{status} eq 'Completed' } @{$r->{json}{data}};
    });
};


# The names of the functions that start runs.
sub functions {
    my $r = $d->http('GET', '/v1/functions');

    return map { $_->{name} } grep { !$_->{archived_at} }
           @{$r->{json}{data}};
}


subtest 'what the configuration says no more is archived' => sub {
    ok((grep { $_ eq 'api-retried' } functions()),
       'a route is a function that can be seen');

    $d->{server} =~ s/location = \/retried \{.*?\n        \}\n//s;
    Durable::write_file($d->dir . '/nginx.conf', $d->config);
    $d->reload;

    wait_for(10, 'the function is gone', sub {
        return !grep { $_ eq 'api-retried' } functions();
    });

    ok((grep { $_ eq 'api-linear' } functions()), 'the others stay');
};


is($d->alerts, '', 'the log is clean');
ok($d->stop, 'all of it stops when asked');
$target->stop;

done_testing();
