# Copyright (C) the nginx-durable authors

# docs/webhooks.md and conf.d/webhooks.conf by copy and paste: what is
# configuration is read by nginx, the examples are played against handlers and
# an app as they stand there.  Nothing is changed but what adapted() lists.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper", "$FindBin::Bin/sdk";

use Digest::SHA qw(hmac_sha256_hex);
use File::Path qw(make_path);
use JSON::PP qw(decode_json encode_json);
use Test::More;
use Time::HiRes qw(time);

use Clients;
use Durable qw(free_port missing slurp wait_for write_file);
use Handler;

if (my $reason = missing() || (`curl --version 2>&1` ? '' : 'no curl here')) {
    die "$reason\n" if $ENV{CI};
    plan skip_all => $reason;
}

my $page = slurp('docs/webhooks.md');
my $conf = slurp('conf.d/webhooks.conf');
my $directives = slurp('docs/directives.md');

my %port = map { $_ => free_port() } qw(server app github logs);
my $text_secret = 'test_secret_0123456789';
my %secret = (
    discord  =>
        'ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c',
    sendgrid => 'MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEGZYBqoDKiZ3MK1dV0BfiSY7m'
                . 'ozfNhDO2XynPy+WJOY1Rpdkpr3xUaJYXe0FaTQ2gzDXUh/cq8NU98SaGGCS'
                . 'obw==',
    clerk    => 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'github.old' => 'the-one-before',
);

my ($d, $handler);                      # of the server that runs


every_provider_has_a_location();
a_missing_secret_is_named();
the_page_serves();

done_testing();


sub blocks {
    my ($text, $language) = @_;

    return $text =~ /^```$language\n(.*?)^```$/msg;
}


sub section {
    my ($title) = @_;

    my ($part) = $page =~ /^## \Q$title\E\n(.*?)(?=^## |\z)/ms
        or die "no section \"$title\"\n";

    return $part;
}


sub adapted {
    my ($text) = @_;

    my %change = (
        '/etc/nginx/secrets' => $d->dir . '/secrets',
        '/var/log/nginx' => $d->dir,
        '127.0.0.1:3000' => "127.0.0.1:$port{app}",
        '127.0.0.1:5000' => '127.0.0.1:' . ($handler ? $handler->{port} : 9),
        '127.0.0.1:8080' => "127.0.0.1:$port{github}",
        '127.0.0.1:8081' => "127.0.0.1:$port{logs}",
        '127.0.0.1:8288' => "127.0.0.1:$port{server}",
    );
    my $any = join '|', map { quotemeta } sort keys %change;

    $text =~ s/($any)/$change{$1}/g;

    return $text;
}


sub server {
    my (%option) = @_;

    $d = Durable->new(port => $port{server}, retry_interval => '50ms',
                      log_level => 'info', workers => 1, %option);
    make_path($d->dir . '/secrets');

    return;
}


sub write_secrets {
    my (@name) = @_;

    write_file($d->dir . "/secrets/$_",
               defined $secret{$_} ? $secret{$_} : $text_secret)
        for @name;

    return;
}


sub nginx_t {
    my $dir = $d->dir;

    write_file("$dir/test.conf", $d->config);

    my $nginx = Durable::binary();
    my $said = `$nginx -t -p $dir/ -e $dir/test.log -c $dir/test.conf 2>&1`;

    return ($? >> 8, $said);
}


sub accepted {
    my ($what) = @_;

    my ($status, $said) = nginx_t();

    is($status, 0, "$what: nginx -t is content") or diag($said);
    unlike($said, qr/\[(?:warn|error|crit)\]/, "$what: without a warning");

    return;
}


# ---- conf.d/webhooks.conf

sub every_provider_has_a_location {
    my ($list) = $directives =~ /^The providers are (.*?)\. Several/ms
        or die "docs/directives.md: no list of providers\n";

    $list =~ s/\(.*?\)//gs;
    my %said = map { $_ => 1 } $list =~ /`(\w+)`/g;
    my %used = map { $_ => 1 } $conf =~ /^ *durable_verify +(\w+)/mg;

    ok(keys %said > 15, 'the providers are listed');
    is_deeply([sort keys %used], [sort keys %said],
              'conf.d/webhooks.conf has a location for each provider');

    # the same, once for each connector
    my @routes = $conf =~ /^ *durable_route +(\S+?)[; ]/mg;
    my %routes = map { $_ => 1 } @routes;

    is(scalar @routes, scalar(my @locations = $conf =~ /^location /mg),
       'each location is a route');
    is(scalar keys %routes, scalar @routes, 'of its own');

    server(server => $conf);
    $d->{server} = adapted($conf);
    write_secrets($conf =~ m{secrets/([\w.]+);?\n}g);
    accepted('conf.d/webhooks.conf');

    return;
}


sub a_missing_secret_is_named {
    server();
    $d->{server} = adapted($conf);
    write_secrets(grep { $_ ne 'stripe' } $conf =~ m{secrets/([\w.]+);?\n}g);

    my ($status, $said) = nginx_t();

    is($status, 1, 'without a file nginx does not start');
    like($said, qr{secrets/stripe.*in .*test\.conf:\d+}s,
         'and says which one is missing, and where it stands');

    return;
}


# ---- docs/webhooks.md

# Blocks that are locations and blocks that are more.
sub configurations {
    my (@location, @http);

    for my $block (blocks($page, 'nginx')) {
        if ($block =~ /^location /) {
            push @location, $block;
        } else {
            push @http, $block;
        }
    }

    return (\@location, \@http);
}


sub the_page_serves {
    my ($location, $http) = configurations();

    is(@$location, 5, 'five blocks of locations');
    is(@$http, 2, 'two servers');

    $_ eq 'null' or decode_json($_) for blocks($page, 'json');
    pass('what is JSON is JSON');

    server(apps => ["http://127.0.0.1:$port{app}/api/inngest"]);
    $handler = Handler->new(record => $d->dir . '/handled')->start;

    $d->{server} = adapted(join '', @$location);
    $d->{http} = adapted(join '', @$http);
    write_secrets(qw(linear stripe github github.old acme twilio));

    accepted('docs/webhooks.md');
    $d->start;

    linear();
    stripe();
    github();
    fallback();
    others();

    is($d->alerts, '', 'the logs are clean');
    ok($d->stop, 'nginx and the sidecar end when asked');

    return;
}


sub post {
    my ($path, $body, $headers, $on) = @_;

    return HttpClient->new(port => $on || $port{server}, keepalive => 0)
                     ->request('POST', $path, $body, $headers);
}


# A command of the page; "01..." are the ids, in order.
sub command {
    my ($text, @id) = @_;

    $text = adapted($text);
    $text =~ s/01\.\.\./$_/ for @id;
    $text =~ s/\bcurl /curl -sS --max-time 20 /g;

    return scalar `$text`;
}


# The commands of a section that begin so, lines that go on put together.
sub commands {
    my ($title, $begin) = @_;

    return grep { /\A$begin/ }
           map { my $t = $_; $t =~ s/\\\n\s*//g; split /\n/, $t }
           blocks(section($title), 'sh');
}


sub runs_of {
    my ($connector) = @_;

    my $r = $d->http('GET', "/v1/routes/$connector/deliveries");

    return @{$r->{json}{data} || []};
}


sub linear_hook {
    my ($id, $body) = @_;

    $body = encode_json({ %$body, webhookTimestamp => int(1000 * time) });

    my $r = post('/linear/webhook', $body, {
        'Linear-Signature' => hmac_sha256_hex($body, $text_secret),
        'Linear-Delivery' => $id });

    is($r->{status}, 200, "Linear: $body is accepted");

    return;
}


# The app of the page, as it stands there, with the npm package.
sub linear {
    my $title = 'Linear: an issue starts a workflow';

    SKIP: {
        my $reason = Clients::missing('v4');
        skip($reason, 1) if $reason;

        my ($code) = blocks(section($title), 'js');
        my $file = Clients::home(Clients::client('v4')) . "/page-$$.mjs";

        write_file($file, $code);

        local $ENV{PORT} = $port{app};
        local $ENV{INNGEST_DEV} = "http://127.0.0.1:$port{server}";

        my $pid = Durable::run_child('app', $d->dir . '/app.log',
                                     Durable::node_bin(20), $file);

        wait_for(30, 'the app is registered', sub {
            my $r = $d->http('GET', '/v1/apps/agents/functions');
            ref $r->{json} eq 'ARRAY' && @{$r->{json}};
        });

        linear_hook('one', { action => 'create', type => 'Issue',
                             data => { id => 'i-1', title => 'Crash' } });
        linear_hook('two', { action => 'update', type => 'Comment',
                             data => {} });

        my %output = map { $_ => ended($_) } qw(linear:one linear:two);

        is_deeply($output{'linear:one'},
                  { issue => 'i-1', comment => 'i-1: Look into: Crash' },
                  'Linear: the workflow has run');
        is($output{'linear:two'}, 'not a new issue',
           'Linear: what is no new issue is not');

        my ($list) = commands($title, 'curl');
        my $shown = decode_json(command($list))->{data};

        is(scalar @$shown, 2, 'Linear: both are listed');

        kill 'TERM', $pid;
        waitpid $pid, 0;
        unlink $file;
    }

    return;
}


# The output of the run of a delivery.
sub ended {
    my ($id) = @_;

    return wait_for(30, "$id has ended", sub {
        my ($delivery) = grep { $_->{delivery_id} eq $id
                                && $_->{status} eq 'Completed' }
                         runs_of('linear');
        $delivery && $d->run($delivery->{run_id});
    })->{output};
}


sub stripe_hook {
    my ($id) = @_;

    my $body = encode_json({ id => $id, type => 'invoice.paid' });
    my $now = int time;
    my $r = post('/stripe/webhook', $body, { 'Stripe-Signature' =>
        "t=$now,v1=" . hmac_sha256_hex("$now.$body", $text_secret) });

    is($r->{status}, 200, "Stripe: $id is accepted");

    return;
}


sub handled {
    my ($path) = @_;

    return grep { $_->{path} eq $path } $handler->requests;
}


# In order, with a handler that is broken and mended, by the page's commands.
sub stripe {
    my ($routes, $failed, $history) = commands('When something fails', 'curl');
    my ($one, $all, $progress) = commands('Sending again', 'curl');

    stripe_hook("evt_$_") for 1 .. 3;
    stripe_hook('evt_3');
    wait_for(10, 'the handler has them', sub {
        handled('/stripe/webhook') == 3;
    });
    ok((handled('/stripe/webhook'))[0]{headers}{'stripe-signature'},
       'Stripe: the handler can verify the signature again');

    $handler->answers(400);
    stripe_hook("evt_$_") for 4 .. 6;

    my $list = wait_for(10, 'they failed', sub {
        my $list = decode_json(command($failed))->{data};
        @$list == 3 && $list;
    });

    like(command($history, $list->[0]{run_id}), qr/"answer":"ok\\n"/,
         'the history has what the handler said');
    ok((grep { $_->{connector} eq 'stripe' }
        @{decode_json(command($routes))->{data}}), 'the route is listed');

    $handler->answers(200);

    is(decode_json(command($one, $list->[0]{run_id}))->{error}, undef,
       'one is sent again');
    (my $since = $all) =~ s/2026-01-31T18:00:00Z/2020-01-01T00:00:00Z/
        or die "no time in: $all\n";
    is(decode_json(command($since))->{data}{connector}, 'stripe',
       'and all that failed');

    wait_for(10, 'the redelivery is done', sub {
        my ($x) = @{decode_json(command($progress))->{data}};
        $x->{done} && $x->{redelivered} == 2;
    });
    wait_for(10, 'the handler has them all', sub {
        (grep { $_->{status} == 200 } handled('/stripe/webhook')) == 6;
    });

    return;
}


sub github_hook {
    my ($path, $id, $event, $secret) = @_;

    my $body = encode_json({ event => $event });

    return post($path, $body, { 'X-GitHub-Event' => $event,
        'X-GitHub-Delivery' => $id, 'X-Hub-Signature-256' =>
        'sha256=' . hmac_sha256_hex($body, $secret) }, $port{github});
}


sub github {
    my $r = github_hook('/github/webhook', 'one', 'push', $text_secret);
    is($r->{status}, 200, 'GitHub: a push');

    $r = github_hook('/github/webhook', 'two', 'issues', 'the-one-before');
    is($r->{status}, 200, 'GitHub: with the secret of before');

    $r = github_hook('/github/webhook', 'three', 'push', 'another');
    is($r->{status}, 401, 'GitHub: not with another one');

    for my $name (qw(github-push github)) {
        my $r = $d->http('GET', '/v1/events?name=event/api.webhooks.'
                                . "$name.action");
        is(scalar @{$r->{json}{data}}, 1, "GitHub: $name is an event");
    }

    $r = github_hook('/github/deploy', 'four', 'push', $text_secret);
    is("$r->{status} $r->{body}", "200 ok\n",
       'GitHub: the answer of the handler is relayed');
    is(scalar handled('/deploy'), 1, 'which has the request');

    return;
}


# A handler that answers by itself while it is there.
sub fallback {
    is(post('/shop/webhook', 'one')->{body}, "ok\n", 'the handler answers');
    is(post('/audit/webhook', 'two')->{body}, "ok\n", 'one that is copied, too');
    is(scalar runs_of('shop'), 0, 'what it took is not kept');

    $handler->stop;
    is(post('/shop/webhook', 'three')->{status}, 200,
       'a handler that is down takes nothing, its webhook is kept');
    $handler->start;

    wait_for(20, 'it is sent on', sub { handled('/shop/webhook') == 2 });

    my $r = $d->http('GET', '/v1/events?name=event/api.webhooks.audit.action');
    is($r->{json}{data}[0]{data}{body}, 'two', 'the copy is an event');

    return;
}


# A provider of whatever kind, played by the shell of the page.
sub others {
    my ($shell) = blocks(section('Other providers'), 'sh');

    local $ENV{ACME_SECRET} = $text_secret;

    # the page's location is in the server on 8288 here
    $shell =~ s/127\.0\.0\.1:8080/127.0.0.1:8288/ or die "no port\n";
    $shell = adapted($shell);
    $shell =~ s/\bcurl /curl -sS -o \/dev\/null -w '%{http_code}' /;
    write_file($d->dir . '/acme.sh', $shell);

    is(scalar `sh @{[$d->dir]}/acme.sh`, 200, 'the shell can sign as well');

    local $ENV{ACME_SECRET} = 'another';
    is(scalar `sh @{[$d->dir]}/acme.sh`, 401, 'not with another secret');

    my $r = HttpClient->new(port => $port{logs}, keepalive => 0)
        ->request('POST', '/linear/webhook', 'x');

    is($r->{status}, 401, 'nobody is let in without a signature');
    wait_for(5, 'the log has it', sub {
        slurp($d->dir . '/webhooks.log') =~ / 401 unverified - -$/m;
    });

    return;
}
