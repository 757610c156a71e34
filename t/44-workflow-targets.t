# Copyright (C) the nginx-durable authors

# Targets of workflows that answer half, too much, never, nonsense, or are
# away: each is a failed attempt with a sentence, or waits.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use IO::Socket::INET;
use Test::More;

use Durable qw(free_port missing wait_for);
use DurableTarget;

plan skip_all => missing() if missing();


my $target = DurableTarget->start;
my $url = $target->{url};
my $later = free_port();

# How a target answers, and what the run says in the end.
my @answers = (
    ['half a body', 'half', qr/there is no answer: /],
    ['a connection that ends', 'nothing', qr/there is no answer: /],
    ['a connection that is reset', 'reset', qr/there is no answer: /],
    ['no HTTP', 'junk', qr/there is no answer: /],
    ['an answer that never ends', 'stall/200', qr/there is no answer: /],
    ['no answer', 'slow/60000', qr/there is no answer: /],
    ['too large an answer', 'bytes/5000000',
     qr/the answer is larger than \d+ bytes/],
    ['no JSON', 'ok', qr/the answer is no JSON: .*: ok\z/],
    ['an error of the server', 'status/500', qr/has the status 500: status 500/],
    ['an error that is final', 'status/422', qr/has the status 422: status 422/],
);

my $n = 0;
my $d = Durable->new(workers => 1, retry_interval => '20ms');

$d->{http} = join '', map { my ($title, $path) = @$_; $n++; <<"CONF" } @answers;
    durable_function f$n {
        trigger event=t/f$n;
        retries 1;
        step a $url/$path/$n timeout=1s;
    }
CONF

# numbers are parts of some paths
$d->{http} =~ s{/(status|bytes|slow)/(\d+)/\d+}{/$1/$2}g;

$d->{http} .= <<"CONF";
    durable_function redirected {
        trigger event=t/redirected;
        step a $url/redirect/307/%2Fecho%2Fx;
        return steps.a.event.data.n;
    }

    durable_function away {
        trigger event=t/away;
        retries 0;
        step a http://127.0.0.1:$later/x;
        return steps.a;
    }
CONF

$d->start;

sub ended {
    my ($id, $title) = @_;

    return wait_for(40, "$title: the run ends", sub {
        my ($run) = $d->event_runs($id);
        return $run && $run->{status} =~ /^(?:Completed|Failed)$/ ? $run : undef;
    });
}

# All at once: they do not disturb each other.
my @ids = map { $d->send_event({ name => "t/f$_", data => {} }) } 1 .. $n;

for my $i (0 .. $#answers) {
    my ($title, $path, $want) = @{$answers[$i]};

    my $run = ended($ids[$i], $title);
    is($run->{status}, 'Failed', "$title: the run fails");
    like($run->{output}{message}, qr/^step a in \S+:\d+: /, '.. with its place');
    like($run->{output}{message}, $want, '.. and what was wrong');

    my $tree = $d->http('GET', "/v1/runs/$run->{run_id}/tree")->{json}{data};
    my @attempts = @{$tree->{steps}[0]{attempts}};
    is(scalar(grep { $_->{outcome} ne 'parked' } @attempts),
       $path eq 'status/422' ? 1 : 2, '.. after the attempts that it has')
        or diag explain [map { $_->{outcome} } @attempts];
}

my $run = ended($d->send_event({ name => 't/redirected', data => { n => 5 } }),
                'a redirect');
is($run->{output}, 5, 'a redirect is followed');

# -- a target that is away

my $id = $d->send_event({ name => 't/away', data => {} });

wait_for(20, 'the step waits for its target', sub {
    my ($found) = $d->event_runs($id) or return;
    my $tree = $d->http('GET', "/v1/runs/$found->{run_id}/tree")->{json}{data};
    return grep { $_->{outcome} eq 'parked' }
           map { @{$_->{attempts} || []} } @{$tree->{steps} || []};
});

my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5,
    LocalPort => $later, ReuseAddr => 1) or die "port $later: $!\n";
my $child = fork // die "fork: $!\n";

if ($child == 0) {
    while (my $c = $server->accept) {
        sysread $c, my $request, 65536;
        syswrite $c, "HTTP/1.1 200 OK\r\nConnection: close\r\n"
                     . "Content-Length: 6\r\n\r\n\"back\"";
        close $c;
    }
    exit 0;
}

$run = ended($id, 'a target that comes back');
is($run->{status}, 'Completed', 'a target that nobody listens at ends no run');
is($run->{output}, 'back', '.. and is asked again when it is there');

kill 'TERM', $child;
waitpid $child, 0;

is($d->alerts, '', 'nothing alarming is in the log');

$d->stop;
done_testing();
