#!/usr/bin/env perl

# Kills, reloads and upgrades a server while webhooks come in and are sent on,
# and takes their target away, and then asks whether each was delivered, as it
# was, once, and in order where that is asked for.
#
#     perl t/crash_routes.pl [--rounds 20] [--seed N] [--workers N]
#                            [--only KIND,...] [--keep DIR]
#
# A round waits a random moment and does one of: leader, nginx, sidecar, both
# (kill -9), reload, upgrade, target (kill -9, back after a while), broken (the
# target answers 503 for a while).  Three processes send webhooks: to a route
# that is ordered, with large bodies among them to one that is not, and to one
# that an app listens to, which sends them on by itself.  Each sends a delivery
# again, with its id, until it is accepted.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(sha1_hex);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use Getopt::Long qw(GetOptions);
use MIME::Base64 qw(decode_base64);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use Durable qw(missing slurp wait_for);
use FakeApp;
use Handler;
use HttpClient;

my ($rounds, $seed, $workers, $only, $keep) = (20);

GetOptions('rounds=i' => \$rounds, 'seed=i' => \$seed,
           'workers=i' => \$workers, 'only=s' => \$only, 'keep=s' => \$keep)
    or die "see the head of $0\n";

if (my $reason = missing()) {
    die "$reason\n" if $ENV{CI};
    plan skip_all => $reason;
}

$seed = int(time * 1000) % 1_000_000 unless defined $seed;
srand $seed;
$workers = 1 + int rand 3 unless $workers;

my @kinds = $only ? split(/,/, $only)
    : (('leader') x 3, 'nginx', ('sidecar') x 2, 'both', ('reload') x 2,
       'upgrade', 'target', 'broken');

my $temporary;

if (!defined $keep) {
    $temporary = File::Temp->newdir('crash-XXXXXX', TMPDIR => 1);
    $keep = $temporary->dirname;
}

if (glob("$keep/*") && !-e "$keep/nginx.conf") {
    die "$keep holds something else\n";
}

make_path($keep);
remove_tree($keep, { keep_root => 1 });

my $handler = Handler->new(record => "$keep/handled")->start;
my $url = $handler->url;
my $app = FakeApp->new(id => 'api', record => "$keep/called", functions => {
    app => { event => 'event/api.webhooks.app.action', retries => 20,
             code => \&send_on } });
my $server = Durable->new(dir => $keep, workers => $workers,
    apps => [$app->url], retry_interval => '200ms', server => <<"SERVER");
        durable_dedupe  \$http_x_id;
        durable_retries 20;

        location = /ordered  { durable_route   ordered;
                               durable_forward $url/ordered ordered; }
        location = /parallel { durable_route   parallel;
                               durable_forward $url/parallel; }
        location = /app      { durable_route   app; }
SERVER
$app->{server} = $server->url;
$app->start;

note("seed $seed, $workers workers, in $keep");

my @windows;                            # [kind, from, to]

eval {
    $server->start;
    $server->wait_registered('api');

    my @senders = map { sender($_) } qw(ordered parallel app);

    for my $round (1 .. $rounds) {
        one_round($round);
    }

    $_->() for @senders;
    1;
} or fail("the rounds are done: $@");

eval {
    wait_for(120, 'all deliveries have ended', sub {
        my $status = eval { $server->status } or return;
        return defined $status->{engine}{runs_live}
               && $status->{engine}{runs_live} == 0;
    });
    pass('all deliveries have ended');
    check();
    1;
} or fail("the end: $@");

ok($server->stop, 'nginx and the sidecar end when they are asked');
is($server->alerts, '', 'no alert, crash or leaked connection in the logs');

diag("seed $seed: perl t/crash_routes.pl --seed $seed --rounds $rounds "
     . "--workers $workers --keep DIR")
    unless Test::More->builder->is_passing;

done_testing();


# ---- who sends

# A process until the returned code is called.
sub sender {
    my ($route) = @_;

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        my $end = 0;
        local $SIG{TERM} = sub { $end = 1 };
        srand($seed + ord $route);

        eval {
            for (my $n = 1; !$end; $n++) {
                send_one($route, $n);
                sleep rand 0.01;
            }
            1;
        } or print STDERR "# sender of $route: $@";

        POSIX::_exit($end ? 0 : 1);
    }

    return sub {
        kill 'TERM', $pid;
        waitpid $pid, 0;
        is($?, 0, "every webhook of $route was accepted in the end");
    };
}


# Until it is accepted; one that was not may have been all the same.
sub send_one {
    my ($route, $n) = @_;

    my $body = $route ne 'ordered' && $n % 25 == 0
               ? join('', map { pack 'N', $_ * 2654435761 }
                          1 .. 20_000 + int rand 80_000)
               : "$route $n";

    open my $out, '>>', "$keep/sent.$route" or die "$keep: $!\n";

    my $at = time;

    for (1 .. 600) {
        my $r = HttpClient->new(port => $server->port, keepalive => 0)
            ->request('POST', "/$route", $body, { 'X-Id' => $n });

        if ($r->{status} == 200) {
            syswrite $out, "$n " . sha1_hex($body) . " $at\n";
            return;
        }

        die "HTTP $r->{status}: $r->{body}\n"
            if $r->{status} && $r->{status} != 503;

        sleep 0.05;
    }

    die "$route $n was refused for too long\n";
}


# What an app's own forwarder does with the event of a webhook.
sub send_on {
    my ($call) = @_;

    my $data = $call->{request}{event}{data};
    my $body = $data->{body};

    utf8::encode($body);
    $body = decode_base64($body)
        if ($data->{bodyEncoding} || '') eq 'base64';

    my $r = HttpClient->new(port => $handler->{port}, keepalive => 0)
        ->request($data->{method}, '/app', $body,
                  { 'X-Id' => $data->{headers}{'x-id'} });

    return $r->{status} == 200 ? (200, {}, { status => 200 })
                               : (500, {}, { message => 'not taken' });
}


# ---- accidents

sub one_round {
    my ($round) = @_;

    my $kind = $kinds[int rand @kinds];
    my $from;

    sleep 0.2 + rand 0.8;

    $from = time;
    act($kind);
    push @windows, [$kind, $from, time];
    note(sprintf 'round %d: %s, %.2f s', $round, $kind, time - $from);

    return;
}


sub act {
    my ($kind) = @_;

    return $server->kill_leader if $kind eq 'leader';
    return $server->reload if $kind eq 'reload';
    return $server->upgrade if $kind eq 'upgrade';

    if ($kind eq 'target') {
        $handler->stop;
        sleep 0.5 + rand 2;
        $handler->start;

    } elsif ($kind eq 'broken') {
        $handler->answers(503);
        sleep 0.5 + rand 1;
        $handler->answers(200);

    } elsif ($kind eq 'sidecar') {
        $server->kill_sidecar;
        $server->start_sidecar;

    } else {
        $server->kill_sidecar if $kind eq 'both';
        $server->kill_nginx;
        $server->start_sidecar if $kind eq 'both';
        $server->start_nginx;
    }

    return;
}


# ---- what is asked in the end

sub none {
    my ($what, @bad) = @_;

    return ok(!@bad, $what)
        || diag(scalar(@bad) . ", such as $bad[0]");
}


sub check {
    my %taken;                          # route => [requests with 200]

    push @{$taken{substr $_->{path}, 1}}, $_
        for grep { $_->{status} == 200 } $handler->requests;

    for my $route (qw(ordered parallel app)) {
        check_route($route, $taken{$route} || []);
    }

    my @order;
    my %seen;

    for my $n (map { $_->{headers}{'x-id'} } @{$taken{ordered}}) {
        push @order, $n unless $seen{$n}++;
    }

    none('the ordered route kept its order',
         map { "$order[$_] after $order[$_ - 1]" }
         grep { $order[$_] < $order[$_ - 1] } 1 .. $#order);

    return;
}


sub check_route {
    my ($route, $taken) = @_;

    my @lines = map { [split / /] } split /\n/, slurp("$keep/sent.$route");
    my %sent = map { $_->[0] => $_->[1] } @lines;
    my %since = map { $_->[0] => $_->[2] } @lines;
    my %at;

    push @{$at{$_->{headers}{'x-id'}}}, $_ for @$taken;

    cmp_ok(scalar keys %sent, '>', 2 * $rounds, "$route: webhooks were sent")
        or return;
    note(scalar(keys %sent) . " webhooks of $route, " . @$taken . ' taken');

    none("$route: each that was accepted was delivered",
         grep { !$at{$_} } sort { $a <=> $b } keys %sent);
    none("$route: with its bytes",
         grep { $at{$_} && $at{$_}[0]{sha1} ne $sent{$_} } keys %sent);
    none("$route: and once, unless the sidecar or the target was killed",
         map { $route eq 'app' ? again_by_app($_, $since{$_}, @{$at{$_}})
                               : again($_, @{$at{$_}}) }
         sort { $a <=> $b } keys %at);

    for my $status (qw(Failed Cancelled Running Scheduled)) {
        my $r = $server->http('GET', "/v1/routes/$route/deliveries?limit=51"
                                     . "&status=$status");

        none("$route: none is $status",
             map { $_->{run_id} } @{$r->{json}{data}});
    }

    return;
}


# What was taken twice although nobody who knew of the first was killed.
sub again {
    my ($n, @taken) = @_;

    my @bad;

    for my $i (1 .. $#taken) {
        my ($from, $to) = ($taken[$i - 1]{at}, $taken[$i]{at});

        push @bad, "$n"
            unless grep { $_->[0] =~ /^(?:sidecar|both|target)$/
                          && $_->[2] >= $from - 0.1 && $_->[1] <= $to + 0.1 }
                   @windows;
    }

    return @bad;
}


# The same of an app: what it was asked before an accident it may do long after
# it, when it is busy.  So each time but the first needs an accident since the
# webhook came.
sub again_by_app {
    my ($n, $since, @taken) = @_;

    return grep { $_ > 0 } map {
        my $i = $_;
        my $accidents = grep { $_->[0] =~ /^(?:sidecar|both|target)$/
                               && $_->[2] >= $since - 0.1
                               && $_->[1] <= $taken[$i]{at} + 0.1 } @windows;
        $accidents < $i ? $n : 0;
    } 1 .. $#taken;
}
