# Copyright (C) the nginx-durable authors

# Large webhooks: stored in pieces, one event in the end, and sent on as they
# came.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use IO::Socket::INET;
use MIME::Base64 qw(decode_base64);
use Test::More;

use Durable qw(missing slurp wait_for);
use DurableTarget;

plan skip_all => missing() if missing();


my $target = DurableTarget->start;
my $url = $target->{url};
my $secret = 'test_secret_0123456789';

my $d = Durable->new(workers => 2, log_level => 'info', retry_interval => '50ms',
                     http => <<'HTTP', server => <<"SERVER");
    log_format hooks '$uri|$status|$durable_status|$durable_event_id';
HTTP
        access_log hooks.log hooks;
        client_body_buffer_size 16k;

        location = /text     { durable_route text; }
        location = /memory   { durable_route memory;
                               client_body_buffer_size 8m; }
        location = /both     { durable_route one also=two; }
        location = /signed   { durable_route signed;
                               durable_verify github $secret; }
        location = /forward  { durable_route forward;
                               add_header X-Event \$durable_event_id;
                               durable_forward $url/echo/forward; }
SERVER
$d->start;


# Text with everything that JSON escapes, and that it does not.
sub text {
    my ($length) = @_;

    my $line = "line \"\\\t\x{1}/<&> gr\xc3\xbc\xc3\x9fe \xe2\x82\xac"
               . " \xf0\x9f\x98\x80\n";
    my $text = $line x (1 + $length / length $line);

    return substr($text, 0, int($length / length $line) * length $line);
}


sub binary { return join '', map { pack 'N', $_ * 2654435761 } 1 .. $_[0] / 4 }


# The bytes of the newest event's body.
sub body {
    my ($connector) = @_;

    my $r = $d->http('GET', '/v1/events?limit=1&name='
                            . "event/api.webhooks.$connector.action");
    my $data = ($r->{json}{data}[0] or return)->{data};

    utf8::encode($data->{body});

    return ($data->{bodyEncoding} || '') eq 'base64'
           ? decode_base64($data->{body}) : $data->{body};
}


sub same {
    my ($got, $want, $what) = @_;

    is(length($got || ''), length $want, "$what: its length");
    is(sha256_hex(defined $got ? $got : ''), sha256_hex($want),
       "$what: its bytes");
}


# A body in chunks of these sizes, over and over.
sub chunked {
    my ($path, $body, @size) = @_;

    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                  PeerPort => $d->port) or die "connect: $!";

    print $s "POST $path HTTP/1.1\r\nHost: localhost\r\n"
             . "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";

    for (my ($at, $i) = (0, 0); $at < length $body; $i++) {
        my $part = substr $body, $at, $size[$i % @size];
        printf $s "%x\r\n%s\r\n", length $part, $part;
        $at += length $part;
    }

    print $s "0\r\n\r\n";
    local $/;
    my ($status) = (<$s> // '') =~ m{\AHTTP/1\.1 (\d+)};

    return $status;
}


subtest 'a large body is one event' => sub {
    for my $size (65_536, 65_560, 200_000, 1_000_000) {
        my $body = text($size);

        is($d->http('POST', '/text', $body)->{status}, 200,
           "$size bytes are accepted");
        same(body('text'), $body, 'the event has all of them');
    }
};


subtest 'bytes that are no text as well' => sub {
    my $body = binary(2_000_000);

    is($d->http('POST', '/text', $body)->{status}, 200, '2 MB');
    same(body('text'), $body, 'the event');
};


subtest 'a body without a length' => sub {
    my $body = text(700_000);

    is(chunked('/text', $body, 1, 5000, 70_000), 200, 'is accepted');
    same(body('text'), $body, 'from a file');

    is(chunked('/memory', $body, 1, 5000, 70_000), 200, 'is accepted');
    same(body('memory'), $body, 'from memory');
};


subtest 'a request that is two events' => sub {
    my $body = text(150_000);

    is($d->http('POST', '/both', $body)->{status}, 200, 'is accepted');
    same(body('one'), $body, 'the first');
    same(body('two'), $body, 'the second');
};


subtest 'a signature is verified before anything is stored' => sub {
    my $body = text(400_000);
    my %header = ('X-GitHub-Delivery' => 'one', 'X-Hub-Signature-256' =>
                  'sha256=' . hmac_sha256_hex($body, $secret));

    is($d->http('POST', '/signed', "$body ", \%header)->{status}, 401,
       'a body that was changed is refused');
    is(body('signed'), undef, 'and no event');
    is($d->http('POST', '/signed', $body, \%header)->{status}, 200,
       'the one that was signed is accepted');
    same(body('signed'), $body, 'it');
};


subtest 'it is sent on as it came' => sub {
    for my $body (text(500_000), binary(10_000_000)) {
        my $count = $target->count('/echo/forward');

        is($d->http('POST', '/forward', $body)->{status}, 200, 'accepted');

        wait_for(20, 'the target has it', sub {
            $target->count('/echo/forward') > $count;
        });

        my (undef, $sent) = split /\r\n\r\n/,
                                  $target->request('/echo/forward'), 2;
        same($sent, $body, 'what the target was sent');
    }
};


# Sends what the sidecar, which stands still, cannot take all of; the event.
sub stalled {
    my ($body) = @_;

    kill 'STOP', $d->sidecar_pid;

    my $r = $d->http('POST', '/forward', $body);
    is($r->{status}, 200, 'a webhook for a sidecar that stands still');
    wait_for(20, 'its call is leased', sub {
        $d->status->{engine}{leases} > 0;
    });

    return $r->{headers}{'x-event'};
}


# What the target got last.
sub sent_on {
    my ($count) = @_;

    wait_for(20, 'the target has it', sub {
        $target->count('/echo/forward') > $count;
    });

    return (split /\r\n\r\n/, $target->request('/echo/forward'), 2)[1];
}


for my $how ('a new sidecar', 'a new leader', 'a new nginx') {
    subtest "a body that is on its way goes out again with $how" => sub {
        my $count = $target->count('/echo/forward');
        my $body = text(9_000_000);
        my $event = stalled($body);

        if ($how eq 'a new sidecar') {
            $d->kill_sidecar;
            $d->start_sidecar;

        } else {
            my $pid = $d->sidecar_pid;
            $how eq 'a new leader' ? $d->kill_leader : $d->reload;
            kill 'CONT', $pid;
        }

        same(sent_on($count), $body, 'what the target was sent');
        ok($d->wait_run($event), 'the run is done');
        is($target->count('/echo/forward'), $count + 1, 'it was sent once');
    };
}


subtest 'a body that is on its way is given up when its run is' => sub {
    my $count = $target->count('/echo/forward');
    my ($run) = $d->event_runs(stalled(text(9_000_000)));

    like($d->http('DELETE', "/v1/runs/$run->{run_id}")->{status}, qr/^2/,
         'its run is cancelled');
    kill 'CONT', $d->sidecar_pid;

    my $body = text(300_000);
    is($d->http('POST', '/forward', $body)->{status}, 200, 'the next one');
    same(sent_on($count), $body, 'is sent on');
    is($target->count('/echo/forward'), $count + 1, 'alone');
};


subtest 'a body whose event is too large is refused' => sub {
    my $pages = $d->status->{engine}{pages_used};

    for my $body ("\x01" x 3_000_000, "\xff" x 13_000_000) {
        my $r = $d->http('POST', '/text', $body);

        is($r->{status}, 413, 'it is 413');
        like($r->{json}{error},
             qr/event of this request is larger than 16777216/,
             'with a sentence');
        isnt(substr(body('text'), 0, 1), substr($body, 0, 1),
             'and no event');
    }

    cmp_ok($d->status->{engine}{pages_used} - $pages, '<', 100,
           'no piece of it was stored');
    like(slurp($d->dir . '/hooks.log'), qr{^/text\|413\|refused\|-$}m,
         'the log says so');
};


subtest 'a sender that leaves in the middle leaves no event' => sub {
    for my $i (1 .. 20) {
        my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                      PeerPort => $d->port)
            or die "connect: $!";
        print $s "POST /text HTTP/1.1\r\nHost: localhost\r\n"
                 . "Content-Length: 1000000\r\n\r\n" . 'x' x 900_000;
        close $s;
    }

    is($d->http('POST', '/text', 'after')->{status}, 200, 'others go on');
    is(body('text'), 'after', 'theirs is the last event');
};


is($d->alerts, '', 'the logs are clean');
ok($d->stop, 'nginx and the sidecar end when asked');

done_testing();
