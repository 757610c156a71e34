# Copyright (C) the nginx-durable authors

# Workflows under kill -9 of leaders, of all of nginx and of the sidecar, and
# under reloads that change and remove the function of runs in flight: no run
# is lost, none ends with another definition than it began with, and a step
# that was answered is not asked again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;

use Durable qw(missing wait_for write_file);

plan skip_all => missing() if missing();


my $d = Durable->new(workers => 2, retry_interval => '20ms');
my $log = $d->dir . '/steps.log';
my $first = <<'BODY';
        trigger event=t/go;
        step a SERVICE/a;
        foreach i in=[1,2,3] concurrency=2 { step b SERVICE/b; }
        wait_for_event go event=t/on match=data.batch timeout=1h;
        step c SERVICE/c;
        return "{'version': 1, 'b': steps.b, 'a': steps.a}";
BODY
my $second = <<'BODY';
        trigger event=t/go;
        step a SERVICE/a;
        step z SERVICE/c;
        return "{'version': 2, 'a': steps.a}";
BODY

# Every request of a step is a line, written when it has been answered.
sub http {
    my ($body) = @_;

    my $url = $d->url . '/s';
    my $function = $body ? "    durable_function flow {\n$body    }\n" : '';

    $function =~ s/SERVICE/$url/g;

    return "    log_format step '\$uri \$http_idempotency_key';\n" . $function;
}

$d->{server} = <<"SERVER";
        location /s/ { access_log $log step; return 200 '"\$uri"'; }
SERVER

my $batch = 0;

# Events of one batch; their ids.
sub go {
    my ($n) = @_;

    $batch++;

    return map { wait_for(20, 'the event is taken', sub {
        my $r = eval { $d->http('POST', '/e/test', { name => 't/go',
                       data => { batch => $batch }, id => "e$batch-$_" }) };
        return $r && $r->{status} == 200 && $r->{json}{ids}[0];
    }) } 1 .. $n;
}

sub on {
    wait_for(20, 'the event is taken', sub {
        my $r = eval { $d->http('POST', '/e/test', { name => 't/on',
                       data => { batch => $batch } }) };
        return $r && $r->{status} == 200;
    });
}

sub waiting {
    my ($id) = @_;

    my ($run) = eval { $d->event_runs($id) } or return;
    my $r = eval { $d->http('GET', "/v1/runs/$run->{run_id}/tree") };

    return $r && $r->{status} == 200
           && grep { $_->{id} eq 'go' } @{$r->{json}{data}{steps} || []};
}

sub outputs {
    my (@ids) = @_;

    return map { my $id = $_; wait_for(60, "the run of $id ends", sub {
        my ($run) = eval { $d->event_runs($id) };
        return $run && $run->{status} =~ /^(?:Completed|Failed)$/
               ? $run : undef;
    }) } @ids;
}

sub count {
    my ($list, $version) = @_;

    return scalar grep { $_->{status} eq 'Completed'
                         && $_->{output}{version} == $version } @$list;
}


$d->{http} = http($first);
$d->start;

# -- kills

my %kill = (
    'the leader' => sub { $d->kill_leader },
    'all of nginx' => sub { $d->kill_nginx; $d->start_nginx },
    'the sidecar' => sub { $d->kill_sidecar; $d->start_sidecar },
);

for my $what (sort keys %kill) {
    my @ids = go(12);
    $kill{$what}->();
    wait_for(60, 'all runs wait', sub { 12 == grep { waiting($_) } @ids });
    $kill{$what}->();
    on();
    my @runs = outputs(@ids);
    is(count(\@runs, 1), 12, "kill -9 of $what: every run completes");
    is_deeply($runs[0]{output}, { version => 1, a => '/s/a',
              b => [('/s/b') x 3] }, '.. with the outputs of its steps');
}

# A step is asked again only when its connection, or who had it, was killed:
# not once its answer was taken.
my %asked;
$asked{$_}++ for split /\n/, Durable::slurp($log);
my $again = grep { $_ > 3 } values %asked;
is($again, 0, 'no step is asked again and again');
is(scalar(keys %asked), 36 * 5, 'each step of each run was asked');

# -- reloads

my @before = go(10);
wait_for(60, 'all runs wait', sub { 10 == grep { waiting($_) } @before });
my $old = $batch;

$d->{http} = http($second);
write_file($d->dir . '/nginx.conf', $d->config);
$d->reload;
$d->wait_ready;

my @after = go(10);
my @runs = outputs(@after);
is(count(\@runs, 2), 10, 'after a reload that changes the function new runs '
   . 'have the new definition');

$batch = $old;
on();
$batch += 10;

@runs = outputs(@before);
is(count(\@runs, 1), 10, 'and those in flight the one that they began with');

$d->{http} = http($first);
write_file($d->dir . '/nginx.conf', $d->config);
$d->reload;
$d->wait_ready;

@before = go(10);
wait_for(60, 'all runs wait', sub { 10 == grep { waiting($_) } @before });

$d->{http} = http('');
write_file($d->dir . '/nginx.conf', $d->config);
$d->kill_nginx;
$d->start_nginx;

on();
@runs = outputs(@before);
is(count(\@runs, 1), 10, 'runs of a function that was removed while nginx was '
   . 'down end as they began');

my ($id) = go(1);
is(scalar(() = $d->event_runs($id)), 0, 'and it starts nothing any more');

is($d->alerts, '', 'nothing alarming is in the log');

$d->stop;
done_testing();
