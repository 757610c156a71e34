# Copyright (C) the nginx-durable authors

# Realtime in a browser, Debian's Chromium: its WebSocket and its EventSource
# hear what is published, over a reload as well.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;

use Durable qw(free_port missing slurp wait_for write_file);
use HttpClient;
use Provider;

plan skip_all => missing() if missing();

my ($chromium) = grep { -x } map { "/usr/bin/$_" }
    qw(chromium chromium-browser google-chrome);

die "chromium is missing\n" if !$chromium && $ENV{CI};
plan skip_all => 'chromium is not installed' unless $chromium;

my $d = Durable->new(workers => 2, server => <<'SERVER');
        location /page/ {
            alias html/;
        }
SERVER

mkdir "$d->{dir}/html";

write_file("$d->{dir}/html/page.html", <<'PAGE');
<!DOCTYPE html><title>waiting</title>
<script type="module">
const heard = { socket: [], events: [], feed: 0 };
const tell = (text) => fetch("/page/heard?" + encodeURIComponent(text));
const show = () => tell(JSON.stringify(heard));

const token = async () => {
  const answer = await fetch("/v1/realtime/token", { method: "POST",
    body: JSON.stringify([{ channel: "c", name: "t" }]) });
  return (await answer.json()).jwt;
};

const opened = (source) =>
  new Promise((open) => { source.onopen = open; });

const socket = new WebSocket(location.origin.replace("http", "ws")
  + "/v1/realtime/connect?token=" + await token());
const open = [opened(socket)];
socket.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (message.kind === "data") {
    heard.socket.push(message.data);
    show();
  }
};

const events = new EventSource("/v1/realtime/sse?token=" + await token());
open.push(opened(events));
events.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  if (message.kind === "data") {
    heard.events.push(message.data);
    show();
  }
};

const feed = new EventSource("/v1/feed?topics=figures");
open.push(opened(feed));
feed.onmessage = () => { heard.feed++; };

await Promise.all(open);
tell("open");
</script>
PAGE

$d->{http} .= "    log_format page '\$request_uri';\n";
$d->{server} =~ s/alias html\//alias $d->{dir}\/html\/;\n            access_log $d->{dir}\/page.log page/;
$d->start;

my $http = HttpClient->new(port => $d->port, keepalive => 0);
my $pid = Durable::run_child('chromium', "$d->{dir}/chromium.log", $chromium,
    '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
    '--no-first-run', '--disable-background-networking',
    "--user-data-dir=$d->{dir}/chromium", $d->url . '/page/page.html');


# What the page said last.
sub heard {
    my $text = slurp("$d->{dir}/page.log");
    my ($last) = $text =~ /.*\/page\/heard\?(\S+)/s or return '';

    $last =~ s/%([0-9A-F]{2})/chr hex $1/gie;

    return $last;
}


sub says {
    my ($text) = @_;

    wait_for(20, 'a server that takes it', sub {
        return $http->request('POST',
            '/v1/realtime/publish?channel=c&topic=t', $text)->{status} == 200;
    });

    return;
}


my $open = eval { wait_for(60, 'the page is open', sub { heard() eq 'open' }) };
ok $open, 'a browser connects by WebSocket and EventSource'
    or diag $@, slurp("$d->{dir}/chromium.log"), slurp("$d->{dir}/page.log");

says($_) for 1 .. 3;

ok eval {
    wait_for(30, 'three messages', sub {
        heard() =~ /"socket":\[1,2,3\],"events":\[1,2,3\]/;
    });
}, 'both hear what is published, in order' or diag heard();

my %old = map { $_ => 1 } $d->worker_pids;
kill 'HUP', $d->master_pid;
wait_for(20, 'new workers', sub {
    my $now = $d->leader_pid;
    return $now && !$old{$now};
});

says($_) for 4 .. 6;

ok eval {
    wait_for(30, 'six messages', sub {
        heard() =~ /"socket":\[1,2,3,4,5,6\],"events":\[1,2,3,4,5,6\]/;
    });
}, 'and so they do over a reload, each once' or diag heard();

like heard(), qr/"feed":[1-9]/, 'the feed is heard as well';

Durable::end_process($pid, 'TERM', 10);
is $d->alerts, '', 'the log is clean';
$d->stop;

done_testing();
