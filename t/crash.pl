#!/usr/bin/env perl

# Kills, reloads and upgrades a real server under load and then asks whether
# anything was lost or done twice.
#
#     perl t/crash.pl [--rounds 20] [--runs 200] [--seed N] [--workers N]
#                     [--only KIND,...] [--keep DIR]
#
# The runs use steps of every kind (t/helper/CrashFunctions.pm).  A round waits a
# random moment with at least --runs of them in flight and does one of: leader (kill -9 of the leading worker), nginx (kill -9 of all of
# nginx, started again), sidecar (the same with the sidecar), both, reload,
# upgrade.  All the time one process sends events, one ends what runs wait for
# and another asks a plain location.  The output is TAP; the seed of a failure is in it.

use strict;
use warnings;
use feature 'state';

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Path qw(make_path remove_tree);
use Getopt::Long qw(GetOptions);
use List::Util qw(max min sum0);
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use CrashFunctions;
use CrashResume;
use Durable qw(free_port missing slurp wait_for);
use DurableTarget ();
use FakeApp;
use FakeSteps;
use HttpClient;

my ($rounds, $runs, $seed, $workers, $only, $keep) = (20, 200);

GetOptions('rounds=i' => \$rounds, 'runs=i' => \$runs, 'seed=i' => \$seed,
           'workers=i' => \$workers, 'only=s' => \$only, 'keep=s' => \$keep)
    or die "see the head of $0\n";

if (my $reason = missing()) {
    die "$reason\n" if $ENV{CI};
    plan skip_all => $reason;
}

$seed = int(time * 1000) % 1_000_000 unless defined $seed;
srand $seed;
$workers = 2 + int rand 3 unless $workers;

my @kinds = $only ? split(/,/, $only)
    : (('leader') x 3, ('nginx') x 2, ('sidecar') x 2, 'both',
       ('reload') x 2, 'upgrade');

my $target = DurableTarget->start;      # of gateways
my $functions = CrashFunctions::functions($target->{url});
my @names = CrashFunctions::names($functions);
my %expected_attempt = CrashFunctions::attempts($functions);

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

my $port = free_port();
my $app = FakeApp->new(id => 'crash', server => "http://127.0.0.1:$port",
    record => "$keep/calls.txt", functions => $functions)->start;
my $server = Durable->new(dir => $keep, port => $port, workers => $workers,
    apps => [$app->url], retry_interval => '300ms');

note("seed $seed, $workers workers, in $keep");

my @windows;                            # [kind, from, to]
my @helpers;
my $resume;

eval {
    $server->start;
    $server->wait_registered('crash');

    @helpers = (background(\&send_events), background(\&ask_plain));
    $resume = background(\&resume);

    for my $round (1 .. $rounds) {
        one_round($round);
    }

    1;
} or fail("the rounds are done: $@");

$_->() for @helpers;

check();

ok($server->stop, 'nginx and the sidecar end when they are asked');
is($server->alerts, '', 'no alert, crash or leaked connection in the logs');

$app->stop;

if (!Test::More->builder->is_passing) {
    diag("seed $seed: perl t/crash.pl --seed $seed --rounds $rounds "
         . "--runs $runs --workers $workers --keep DIR");
}

done_testing();


# ---- what goes on beside

# A process until the returned code is called.
sub background {
    my ($code) = @_;

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        my $end = 0;
        local $SIG{TERM} = sub { $end = 1 };
        srand($seed + $$);
        eval { $code->(\$end); 1 } or print STDERR "# $@";
        POSIX::_exit(0);
    }

    return sub { kill 'TERM', $pid; waitpid $pid, 0 };
}


sub event {
    my ($name) = @_;

    state $n = 0;

    $name ||= $names[rand @names];

    return { name => "crash/$name", data => { id => "$$-" . ++$n,
                                              key => int rand 3 } };
}


# Ends what runs wait for; a line for each: what, run.
sub resume {
    my ($end) = @_;

    open my $log, '>>', "$keep/resumed.txt" or die "resumed.txt: $!\n";
    $log->autoflush(1);

    my $resume = CrashResume->new(port => $port, log => $log,
                                  calls => "$keep/calls.txt");

    until ($$end) {
        $resume->turn;
        sleep 0.02;
    }

    return;
}


# Each answer as a line: time, status, ids or the error.
sub send_events {
    my ($end) = @_;

    open my $log, '>>', "$keep/events.txt" or die "events.txt: $!\n";
    $log->autoflush(1);

    open my $singles, '>>', "$keep/singles.txt" or die "singles.txt: $!\n";
    $singles->autoflush(1);

    my $client = HttpClient->new(port => $port, keepalive => 0, timeout => 15);

    until ($$end) {
        # a machine that is busy with other things need not drown
        submit($client, $log, map { event() } 1 .. 1 + rand 3)
            if in_flight() < 1.5 * $runs;
        submit($client, $singles, event('single')) if rand() < 0.1;
        sleep 0.01 + rand 0.04;
    }

    return;
}


sub submit {
    my ($client, $log, @events) = @_;

    my $from = time;
    my $r = $client->request('POST', '/e/key', \@events);
    my @ids = $r->{status} == 200 ? @{$r->{json}{ids}} : ();
    my $said = @ids ? "@ids" : $r->{error} || $r->{body};

    $said =~ s/\s+/ /g;
    printf {$log} "%.6f %.6f %d %s\n", $from, time, $r->{status}, $said;

    return @ids;
}


# Failures as lines: time, what; and at the end how often it was asked.
sub ask_plain {
    my ($end) = @_;

    open my $log, '>>', "$keep/plain.txt" or die "plain.txt: $!\n";
    $log->autoflush(1);

    my $client = HttpClient->new(port => $port, keepalive => 0, timeout => 5);
    my $asked = 0;

    until ($$end) {
        my $from = time;
        my $r = $client->request('GET', '/plain');

        $asked++;
        printf {$log} "%.6f %.6f %d %s\n", $from, time, $r->{status},
               $r->{error} || '' if $r->{status} != 200;
        sleep 0.01;
    }

    print {$log} "asked $asked\n";

    return;
}


# ---- a round

# Accepted events less the runs whose end the app was asked for, or that were
# cancelled; of the events above, not those of singletons and invokes.
sub in_flight {
    state %read;
    state %ended;
    state $accepted = 0;

    for my $name ('events.txt', 'calls.txt', 'resumed.txt') {
        my $text = slurp("$keep/$name", $read{$name} || 0);

        $text =~ s/[^\n]*\z//;
        $read{$name} += length $text;

        for my $line (split /\n/, $text) {
            if ($name eq 'events.txt') {
                my (undef, undef, $status, @ids) = split / /, $line;
                $accepted += @ids if $status == 200;

            } elsif ($name eq 'resumed.txt') {
                $ended{$1} = 1 if $line =~ /\Astop (\w+)/;

            } elsif ($line =~ /"does":"end"/ && $line =~ /"run":"(\w+)"/) {
                $ended{$1} = 1 if $line !~ /"fn":"(?:child|basket|single)"/;
            }
        }
    }

    return $accepted - keys %ended;
}


sub one_round {
    my ($round) = @_;

    my $kind = $kinds[rand @kinds];

    top_up();
    sleep rand 1.2;

    my $flying = wait_for(20, "$runs runs in flight", sub {
        my $n = in_flight();
        return $n if $n >= $runs;
        top_up();
        return 0;
    });

    my $window = [$kind, time, 0];

    push @windows, $window;
    act($kind);
    $server->wait_ready(20);
    $window->[2] = time;

    note(sprintf 'round %d: %s with %d runs in flight, %.0f ms', $round, $kind,
         $flying, 1000 * ($window->[2] - $window->[1]));

    return;
}


sub top_up {
    my $missing = $runs - in_flight();

    return if $missing <= 0;

    open my $log, '>>', "$keep/events.txt" or die "events.txt: $!\n";

    submit(HttpClient->new(port => $port, keepalive => 0, timeout => 15), $log,
           map { event() } 1 .. $missing);
    close $log;

    return;
}


sub act {
    my ($kind) = @_;

    if ($kind eq 'leader') {
        $server->kill_leader;

    } elsif ($kind eq 'nginx') {
        $server->kill_nginx;
        sleep rand 0.3;
        $server->start_nginx;

    } elsif ($kind eq 'sidecar') {
        $server->kill_sidecar;
        sleep rand 0.3;
        $server->start_sidecar;

    } elsif ($kind eq 'both') {
        my @kill = (sub { $server->kill_nginx },
                    sub { $server->kill_sidecar });
        my @start = (sub { $server->start_nginx },
                     sub { $server->start_sidecar });

        $_->() for rand() < 0.5 ? @kill : reverse @kill;
        sleep rand 0.3;
        $_->() for rand() < 0.5 ? @start : reverse @start;

    } elsif ($kind eq 'reload') {
        $server->reload;

    } else {
        $server->upgrade;
    }

    return;
}


# ---- what must hold

sub check {
    my @sent = map { [split / /, $_, 4] } split /\n/,
               slurp("$keep/events.txt");
    my @accepted = map { split / /, $_->[3] } grep { $_->[2] == 200 } @sent;

    my $left = eval {
        wait_for(90, 'the end of all runs', sub { in_flight() <= 0 }, 0.1);
    };
    my $error = $@;

    ok($left, 'every run comes to its end')
        || diag($error, in_flight(), ' are left: ', explain($server->status));

    $resume->() if $resume;
    ok(@accepted >= $runs, scalar(@accepted) . ' events were accepted');

    for my $kind (qw(go ready stop)) {
        my $n = () = slurp("$keep/resumed.txt") =~ /^$kind /mg;
        cmp_ok($n, '>', 0, "\"$kind\" was sent to $n runs that wait");
    }

    my @calls = $app->calls;

    check_runs(@accepted);
    check_singles(\@calls);
    check_refusals(@sent);
    check_plain();
    check_calls(@calls);
    check_told(@calls);
    check_invokes(@calls);
    check_gateways(@calls);

    return;
}


sub check_runs {
    my (@ids) = @_;

    my @bad;

    for my $id (@ids) {
        my @runs;

        # the answer of the last call may still be on its way
        next if eval { wait_for(@bad ? 0 : 10, 'the run', sub {
            @runs = $server->event_runs($id);
            return @runs == 1 && right_end($runs[0]);
        }) };

        push @bad, "event $id: " . (@runs
            ? join ', ', map { "run $_->{run_id} $_->{status}" } @runs
            : 'no run');
    }

    none('every accepted event has one run, which ends right', @bad);

    return;
}


# Completed, but for those that cancelOn ends.
sub right_end {
    my ($run) = @_;

    return $run->{status} eq 'Completed' && $run->{output} =~ /\Aend of /
           || $run->{status} eq 'Cancelled' && stopped()->{$run->{run_id}};
}


# The runs whose cancelling event was accepted.
sub stopped {
    state %stopped = map { $_ => 1 }
                     slurp("$keep/resumed.txt") =~ /^stop (\w+)$/mg;

    return \%stopped;
}


# Of the runs of one key no two at a time: what the app was called for of one
# is over before the other begins.
sub check_singles {
    my ($calls) = @_;

    my @ids = map { (split / /)[3] } grep { (split / /)[2] == 200 }
              split /\n/, slurp("$keep/singles.txt");
    my (@bad, %status, %key, %life);

    for my $id (@ids) {
        my @runs;

        next if eval { wait_for(@bad ? 0 : 10, 'the run', sub {
            @runs = $server->event_runs($id);
            return @runs == 1 && $runs[0]{status} =~ /Completed|Skipped/
                   && ++$status{$runs[0]{status}};
        }) };

        push @bad, "event $id: " . join ', ',
             map { "run $_->{run_id} $_->{status}" } @runs;
    }

    none(scalar(@ids) . ' events of singletons have a run that is completed '
         . 'or skipped', @bad);
    cmp_ok($status{Completed} || 0, '>', 0, ($status{Completed} || 0)
           . ' were completed, ' . ($status{Skipped} || 0) . ' skipped');

    for my $call (grep { ($_->{fn} || '') eq 'single' } @$calls) {
        my $life = $life{$call->{run}} ||= [$call->{t}, 0, $call->{run}];

        $life->[1] = $call->{t};
        push @{$key{$call->{group}}}, $life if $life->[0] == $life->[1];
    }

    @bad = ();

    for my $group (values %key) {
        my @lives = sort { $a->[0] <=> $b->[0] } @$group;

        for my $i (1 .. $#lives) {
            push @bad, "$lives[$i][2] begins " . when($lives[$i][0])
                       . ", $lives[$i - 1][2] runs"
                if $lives[$i][0] < $lives[$i - 1][1];
        }
    }

    none('and no two of one key run at a time', @bad);

    return;
}


# The windows in which something of this kind was going on.
sub within {
    my ($from, $to, $slack, @kinds) = @_;

    return grep { my $window = $_;
                  $from <= $window->[2] + $slack && $to >= $window->[1]
                  && grep { $window->[0] eq $_ } @kinds } @windows;
}


# A connection may break when its process is killed, and the leader may be
# missing for a moment; nothing else is an excuse.
sub check_refusals {
    my (@sent) = @_;

    my @bad;

    for my $answer (@sent) {
        my ($from, $to, $status, $said) = @$answer;

        next if $status == 200;
        next if $status == 0
                && within($from, $to, 0, 'leader', 'nginx', 'both');
        next if $status == 503
                && within($from, $to, 3, 'leader', 'nginx', 'both', 'reload',
                          'upgrade');

        push @bad, sprintf 'at %s: %d %s', when($from), $status, $said;
    }

    none('an event is refused only while its process is killed or the leader '
         . 'is elected', @bad);

    return;
}


sub check_plain {
    my @lines = split /\n/, slurp("$keep/plain.txt");
    my ($asked) = (@lines && $lines[-1] =~ /\Aasked (\d+)/) ? $1 : 0;
    my (@bad, %once);

    for my $line (grep { !/\Aasked/ } @lines) {
        my ($from, $to, $status, $said) = split / /, $line, 4;

        next if $status == 0 && within($from, $to, 0, 'nginx', 'both');

        # one connection at a time: a killed worker breaks one at most
        my ($window) = within($from, $to, 0, 'leader');
        next if $status == 0 && $window && !$once{$window->[1]}++;

        push @bad, sprintf 'at %s: %d %s', when($from), $status, $said;
    }

    cmp_ok($asked, '>', 0, "the plain location was asked $asked times");
    none('the plain location fails only with a process that is killed', @bad);

    return;
}


sub check_calls {
    my (@calls) = @_;

    my (%memo, %done, %broken, %first, @again, @twice, @attempts);
    my ($executed, $excused) = (0, 0);

    $broken{$_->{seq}} = 1 for grep { $_->{kind} eq 'broken' } @calls;

    for my $call (grep { $_->{kind} eq 'call' } @calls) {
        my $run = $call->{run};
        my $does = $call->{does};

        $first{$run} ||= $call->{t};

        if (defined $does && $call->{ok}) {
            my $key = "$run $does";
            my $before = $done{$key};

            $executed++;

            push @again, "$key at " . when($call->{t})
                if $does ne 'end' && !$broken{$call->{seq}}
                   && $memo{$run}{FakeSteps::step_id({ run => $does })};

            # A call that the app read late, on a connection of a sidecar
            # that is dead by then, counts as that sidecar's.
            if ($before && ($broken{$before->{seq}} || $broken{$call->{seq}}
                            || sidecar_died($before->{opened}, $call->{t})))
            {
                $excused++;

            } elsif ($before) {
                push @twice, "$key at " . when($before->{t}) . ' and '
                             . when($call->{t}) . " (item $before->{item}, "
                             . "$call->{item})";
            }

            my $extra = $call->{attempt} - ($expected_attempt{$does} || 0);

            push @attempts, "$key took attempt $call->{attempt}"
                if $extra > 0
                   && sidecar_died($first{$run}, $call->{t}) < 3;

            $done{$key} = $call;
        }

        $memo{$run}{$_} = 1 for @{$call->{memos}};
    }

    cmp_ok($executed, '>', 0, "$executed steps were executed, $excused of "
           . 'them again after the sidecar died');
    none('no memoized step is executed again', @again);
    none('a step is executed twice only when the sidecar died', @twice);
    none('no accident of ours costs an attempt', @attempts);

    return;
}


# What a checkpoint was answered 200 for is known to every later lease.
sub check_told {
    my (@calls) = @_;

    my (%told, %seq, @again);
    my $told = 0;

    for my $call (@calls) {
        if ($call->{kind} eq 'told') {
            next if $call->{status} != 200;
            $told{"$call->{run} $call->{does}"} ||= $call;
            $told++;

        } elsif ($call->{kind} eq 'call' && defined $call->{does}) {
            my $before = $told{"$call->{run} $call->{does}"};

            push @again, "$call->{run} $call->{does} at " . when($call->{t})
                if $before && $before->{seq} ne $call->{seq}
                   && $call->{generation} > $before->{generation};
        }
    }

    cmp_ok($told, '>', 0, "$told steps were told by checkpoints");
    none('and none of them is executed by a later call', @again);

    return;
}


# The children of each parent that has ended.
sub check_invokes {
    my (@calls) = @_;

    my (%children, %ended, @bad);

    for my $call (grep { $_->{kind} eq 'call' } @calls) {
        $children{$call->{key}}{$call->{run}} = 1 if $call->{fn} eq 'child';
        $ended{$call->{run}} = 1
            if $call->{fn} eq 'parent' && ($call->{does} || '') eq 'end';
    }

    for my $run (sort keys %ended) {
        my $n = keys %{$children{$run} || {}};

        push @bad, "$run has $n" if $n != 3;
    }

    cmp_ok(scalar keys %ended, '>', 0, keys(%ended) . ' runs invoked others');
    none('three each, once', @bad);

    return;
}


sub check_gateways {
    my (@calls) = @_;

    my (%first, %last, @bad);
    my $asked = 0;

    for my $call (grep { ($_->{fn} || '') eq 'fetch' } @calls) {
        $first{$call->{run}} ||= $call->{t};
        $last{$call->{run}} = $call->{t};
    }

    for my $run (sort keys %first) {
        my $most = 1 + sidecar_died($first{$run}, $last{$run});

        for my $path ("/echo/$run", map { "/echo/$_-$run" } 1, 2) {
            my $n = $target->count($path);

            $asked += $n;
            push @bad, "$path $n times" if $n < 1 || $n > $most;
        }
    }

    cmp_ok($asked, '>', 0, "$asked requests of gateways were made");
    none('one is made again only when the sidecar died', @bad);

    return;
}


# How often between these times.
sub sidecar_died {
    my ($from, $to) = @_;

    return scalar within($from, $to, 0, 'sidecar', 'both');
}


sub when {
    my ($time) = @_;

    my ($last) = grep { $_->[1] <= $time } reverse @windows;

    return $last ? sprintf('%.0f ms after %s', 1000 * ($time - $last->[1]),
                           $last->[0])
                 : 'the beginning';
}


sub none {
    my ($name, @bad) = @_;

    ok(!@bad, $name) && return;
    diag(scalar(@bad) . ' times:');
    diag("    $_") for @bad[0 .. min(9, $#bad)];

    return;
}
