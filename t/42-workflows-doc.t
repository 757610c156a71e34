# Copyright (C) the nginx-durable authors

# docs/workflows.md by copy and paste: its functions in one nginx, its services
# beside it, its commands in a shell, and the results that it shows.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use IO::Socket::INET;
use JSON::PP;
use Test::More;

use Durable qw(free_port missing slurp wait_for);

plan skip_all => missing() if missing();
plan skip_all => 'no python3 here' if system('python3 -c 1 2>/dev/null');
plan skip_all => 'no curl here' if system('curl --version >/dev/null 2>&1');


my $docs = slurp("$FindBin::Bin/../docs/workflows.md");
my $port = free_port();
my $d = Durable->new(workers => 2, retry_interval => '50ms');
my $server = $d->port;

my ($part) = $docs =~ /^## Examples\n(.*?)^## /ms;
my (undef, @examples) = split /^### /m, $part;

is(@examples, 5, 'there are five examples');

sub local_ports {
    my ($text) = @_;

    $text =~ s/127\.0\.0\.1:7001/127.0.0.1:$port/g;
    $text =~ s/127\.0\.0\.1:8288/127.0.0.1:$server/g;

    return $text;
}

sub blocks {
    my ($text, $kind) = @_;

    return map { local_ports($_) } $text =~ /^```$kind\n(.*?)^```$/gms;
}

my ($hello) = blocks($docs, 'nginx');
$hello =~ s/\A.*?(?=    durable_function)//s;
$hello =~ s/\}\s*\z//;

my $snippet = local_ports(slurp("$FindBin::Bin/../conf.d/workflows.conf"));

$d->{http} = join "\n", $hello, $snippet, map { blocks($_, 'nginx') } @examples;

my $services = fork // die "fork: $!\n";

if ($services == 0) {
    open STDOUT, '>', $d->dir . '/services.log';
    exec 'python3', "$FindBin::Bin/../examples/workflows/services.py", $port;
    exit 1;
}

END {
    if ($services) {
        my $status = $?;
        kill 'TERM', $services;
        waitpid $services, 0;
        $? = $status;
    }
}

wait_for(20, 'the services', sub {
    IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
});

$d->start;

my $id = $d->send_event({ name => 'hello', data => { name => 'Ann' } });
is_deeply($d->wait_run($id)->{output}, { sent => JSON::PP::true,
          text => 'Hello, Ann' }, 'the first function works');

# the services have none of its paths: it fails, and says so to nobody

$id = $d->send_event({ name => 'order/placed', data => { id => 1,
    amount => 5, customer => 'ann' } });
like($d->wait_run($id, 'Failed')->{output}{message},
     qr/^step reserve in \S+:\d+: the answer has the status 404/,
     'the function of conf.d is there');

for my $example (@examples) {
    my ($title) = $example =~ /\A(.*)\n/;
    my ($shell) = blocks($example, 'sh');
    my ($want) = blocks($example, 'json');
    my ($trigger) = $shell =~ /"name": "([^"]+)"/;

    my $out = qx{sh -c '@{[ $shell =~ s/'/'\\''/gr ]}' 2>&1};
    like($out, qr/"ids"/, "$title: the event is taken");

    my $run;

    wait_for(30, "$title: the run ends", sub {
        my $list = $d->http('GET', "/v1/events?name=$trigger&limit=1");
        ($run) = $d->event_runs($list->{json}{data}[0]{internal_id});
        return $run && $run->{status} !~ /^(?:Running|Scheduled)$/;
    });

    $want = decode_json($want);

    if (ref $want eq 'HASH' && $want->{message}) {
        my ($before, $after) = $want->{message} =~ /^(\w+ in ).*?:\d+(: .*)$/;

        is($run->{status}, 'Failed', "$title: the run fails");
        is($run->{output}{name}, $want->{name}, '.. with the name');
        like($run->{output}{message},
             qr/\A\Q$before\E\S+:\d+\Q$after\E\z/, '.. and the message');
        next;
    }

    is($run->{status}, 'Completed', "$title: the run completes");
    is_deeply($run->{output}, $want, '.. with the result that is shown');
}

is($d->alerts, '', 'nothing alarming is in the log');

$d->stop;
done_testing();
