# Copyright (C) the nginx-durable authors

# docs/openapi.json and the server agree: each route of the table is in it and
# no other, and what a server with real runs answers is what it says, bad
# requests included.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Temp qw(tempdir);
use JSON::PP ();
use Test::More;

use Durable qw(build missing slurp wait_for write_file);
use FakeApp;
use HttpClient;

plan skip_all => missing() if missing();


my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $spec = $json->decode(slurp('docs/openapi.json'));

my (@answers, %asked);
my ($d, $port);

the_table_is_described();
references_lead_somewhere();

$port = Durable::free_port();

my $app = app();

$app->start;
$d = Durable->new(port => $port, apps => [$app->url], workers => 1,
    retry_interval => '50ms', server => '
        location /hook { durable_route linear; }
');
$d->start;
$d->wait_registered('shop');

requests();

is($d->alerts, '', 'the log is clean');
$d->stop;
$app->stop;

every_route_was_asked();
answers_are_as_described();

done_testing();


# ---- the table

# "GET /v1/runs/*"
sub table {
    my $source = slurp('ngx_module/ngx_http_durable_server.c');
    my %route;

    while ($source =~ m{\{\s*([A-Z_|]+),\s*ngx_string\("([^"]+)"\),\s*
                        NGX_HTTP_DURABLE_\w+,}gsx)
    {
        my ($methods, $pattern) = ($1, $2);

        next unless $pattern =~ m{\A/(?:v1|e|invoke|health)(?:/|\z)};

        $route{"$1 $pattern"} = 1 while $methods =~ /NGX_HTTP_([A-Z]+)/g;
    }

    return \%route;
}


sub described {
    my %route;

    for my $path (keys %{$spec->{paths}}) {
        (my $pattern = $path) =~ s/\{\w+\}/*/g;

        for my $method (grep { $_ ne 'parameters' }
                        keys %{$spec->{paths}{$path}})
        {
            $route{uc($method) . " $pattern"} = $path;
        }
    }

    return \%route;
}


sub the_table_is_described {
    my ($table, $described) = (table(), described());

    like($spec->{openapi}, qr/\A3\.1\./, 'the document is OpenAPI 3.1');
    cmp_ok(scalar keys %$table, '>', 40, 'the table was read');
    is_deeply([grep { !$described->{$_} } sort keys %$table], [],
              'each route of the server is in it');
    is_deeply([grep { !$table->{$_} } sort keys %$described], [],
              'and nothing that the server has not');

    my %id;

    for my $path (sort keys %{$spec->{paths}}) {
        my %item = %{$spec->{paths}{$path}};
        my @named = $path =~ /\{(\w+)\}/g;
        my @always = @{delete $item{parameters} || []};

        is_deeply([sort map { $_->{name} } grep { $_->{in} eq 'path' }
                   @always], [sort @named],
                  "$path: what stands in the path is described");

        for my $method (sort keys %item) {
            my $op = $item{$method};

            ok(!$id{$op->{operationId}}++, "$method $path has its own id");
            ok(length $op->{summary} && keys %{$op->{responses}},
               '... a summary, and answers');
        }
    }

    return;
}


sub references_lead_somewhere {
    my @refs = slurp('docs/openapi.json') =~ /"\$ref"\s*:\s*"([^"]+)"/g;
    my %seen;

    for my $ref (grep { !$seen{$_}++ } @refs) {
        my $node = $spec;

        for my $name (split m{/}, substr $ref, 2) {
            $node = ref $node eq 'HASH' ? $node->{$name} : undef;
        }

        ok(defined $node, "$ref is there");
    }

    return;
}


# ---- a server with something to show

sub app {
    return FakeApp->new(id => 'shop', server => "http://127.0.0.1:$port",
        record => tempdir(CLEANUP => 1) . '/calls',
        functions => {
            order => {
                event => 't/order', retries => 1, result => { ok => 1 },
                config => { concurrency => [{ limit => 5,
                                              key => 'event.data.user' }],
                            throttle => { limit => 1000, period => '1h',
                                          burst => 1000 } },
                steps => [{ run => 'charge', data => { n => 1 }, fail => 1 },
                          { sleep => 'a moment', for => '10ms' },
                          { invoke => 'ask', function => 'shop-other' },
                          { all => [{ run => 'mail' }, { run => 'ship' }] }],
            },
            other => { event => 't/other', retries => 0, result => 7 },
            fails => { event => 't/fails', retries => 0,
                       steps => [{ run => 'never', fail => 9 }] },
            waits => { event => 't/waits', retries => 0, steps => [{ all => [
                { wait => 'answer', event => 't/answer', timeout => '1h' },
                { signal => 'bell', for => 'bell-1' },
                { sleep => 'long', for => '1h' }] }] },
            daily => { triggers => [{ cron => '0 4 * * *' }], retries => 0,
                       result => 1 },
            hook => { event => 'event/api.webhooks.linear.action',
                      retries => 0, result => { status => 200 },
                      config => { id => 'api-linear' } },
        });
}


# Asks, and keeps what was answered.
sub ask {
    my ($method, $path, $body, %header) = @_;

    my $r = HttpClient->new(port => $port, keepalive => 0)
        ->request($method, $path, defined $body && ref $body
                  ? $json->encode($body) : $body, \%header);
    (my $plain = $path) =~ s/\?.*//;
    my ($route) = grep { matches($_, "$method $plain") }
                  sort { $a =~ tr/*// <=> $b =~ tr/*// } keys %{described()};

    ok($route, "$method $path is described") or return $r;
    $asked{$route} = 1;

    push @answers, { method => lc $method, path => described()->{$route},
                     asked => "$method $path", status => $r->{status},
                     type => $r->{headers}{'content-type'},
                     body => $r->{body} };

    return $r;
}


sub matches {
    my ($route, $request) = @_;

    my $pattern = join '[^/]+', map { quotemeta } split /\*/, $route, -1;

    return $request =~ /\A$pattern\z/;
}


sub requests {
    my $none = '01K00000000000000000000000';
    my %id;

    for my $name (qw(order fails waits other)) {
        my $r = ask('POST', '/e/key', { name => "t/$name",
                                        data => { user => 'me' } });
        $id{$name} = $r->{json}{ids}[0];
    }

    ask('POST', '/e/key', '{');
    ask('POST', '/e/key', { data => {} });

    my $order = $d->wait_run($id{order})->{run_id};
    my $fails = $d->wait_run($id{fails}, 'Failed')->{run_id};
    my $waits = $d->wait_run($id{waits}, 'Running')->{run_id};

    $d->http('POST', '/hook', '{"a":1}');

    my $delivery = wait_for(20, 'a delivery', sub {
        my $r = $d->http('GET', '/v1/routes/linear/deliveries');
        my ($run) = @{$r->{json}{data} || []};
        return $run && $run->{status} eq 'Completed' && $run->{run_id};
    });

    ask('GET', $_) for ('/health', '/v1/events', '/v1/events?limit=x',
        '/v1/events?name=t/*&limit=2', '/v1/events?q=event.data.user+==+1',
        '/v1/events?q=)', "/v1/events/$id{order}", "/v1/events/$none",
        '/v1/events/x', "/v1/events/$id{order}/runs",
        "/v1/events/$id{waits}/runs", '/v1/runs', '/v1/runs?limit=2',
        '/v1/runs?status=Failed', '/v1/runs?status=Running', '/v1/runs?q=(',
        '/v1/runs?status=x', '/v1/runs?function=none', '/v1/runs?cursor=x',
        (map { ("/v1/runs/$_", "/v1/runs/$_/tree", "/v1/runs/$_/history",
                "/v1/runs/$_/jobs") } $order, $fails, $waits, $none, 'x'),
        "/v1/runs/$order?wait=1s", "/v1/runs/$order?wait=x",
        '/v1/queue', '/v1/queue?limit=1',
        '/v1/functions', '/v1/functions?app=shop', '/v1/functions?app=none',
        (map { ("/v1/functions/$_", "/v1/functions/$_/queue") }
            'shop-order', 'shop-daily', 'none'),
        '/v1/apps', '/v1/apps/shop/functions', '/v1/apps/none/functions',
        '/v1/routes', '/v1/routes/linear/deliveries',
        '/v1/routes/none/deliveries', '/v1/figures', '/v1/figures?window=2h',
        '/v1/figures?window=x', '/v1/system', '/v1/redeliveries',
        "/v1/redeliveries/$none", '/v1/cancellations', '/v1/bulk',
        "/v1/bulk/$none", '/v1/feed?topics=x',
        '/v1/realtime/sse', '/v1/realtime/connect',
        "/v1/checkpoint/$none/output", "/v1/http/runs/$none/output");

    my $tree = $d->http('GET', "/v1/runs/$order/tree")->{json}{data};
    ask('GET', "/v1/runs/$order/steps/$_->{hashed_id}")
        for @{$tree->{steps}};
    ask('GET', "/v1/runs/$order/steps/" . 'a' x 40);
    ask('GET', "/v1/runs/$order/steps/x");

    actions($none, \%id, { order => $order, fails => $fails,
                           waits => $waits, delivery => $delivery });

    return;
}


sub actions {
    my ($none, $id, $run) = @_;

    ask('POST', '/invoke/shop-other', { data => { a => 1 } });
    ask('POST', '/invoke/none', { data => {} });
    ask('POST', '/invoke/shop-other', '[');
    ask('POST', "/v1/events/$id->{other}/replay", {});
    ask('POST', "/v1/events/$none/replay", {});
    ask('POST', "/v1/runs/$_/rerun", {}) for $run->{fails}, $none, 'x';
    ask('POST', "/v1/runs/$run->{order}/metadata", { metadata => [] });
    ask('POST', '/v1/signals', { signal => 'bell-1', data => 1 });
    ask('POST', '/v1/signals', { signal => 'nobody' });
    ask('POST', '/v1/signals', {});
    ask('POST', "/v1/functions/$_/pause", {}) for 'shop-other', 'none';
    ask('GET', '/v1/functions/shop-other');
    ask('POST', "/v1/functions/$_/resume", {}) for 'shop-other', 'none';

    my $c = ask('POST', '/v1/cancellations', { app_id => 'shop',
        function_id => 'shop-waits', started_before => '2020-01-01T00:00:00Z'
    });
    ask('POST', '/v1/cancellations', {});
    ask('GET', '/v1/cancellations');
    ask('DELETE', "/v1/cancellations/$_")
        for $c->{json}{id} || $c->{json}{data}{id} || $none, $none, 'x';

    ask('POST', "/v1/deliveries/$_/redeliver", {})
        for $run->{delivery}, $none, 'x';
    my $re = ask('POST', '/v1/routes/linear/redeliver', {});
    ask('POST', '/v1/routes/none/redeliver', {});
    ask('POST', '/v1/routes/linear/redeliver', { status => 'x' });
    ask('GET', '/v1/redeliveries');
    ask('GET', "/v1/redeliveries/$re->{json}{data}{id}");
    ask('DELETE', "/v1/redeliveries/$_")
        for $re->{json}{data}{id}, $none, 'x';

    my $bulk = ask('POST', '/v1/bulk', { action => 'replay',
        filter => { status => 'Failed', function => 'shop-fails' } });
    ask('POST', '/v1/bulk', $_)
        for {}, { action => 'x' }, { action => 'cancel', filter => {} };
    ask('GET', '/v1/bulk');
    ask('GET', "/v1/bulk/$bulk->{json}{data}{id}");
    ask('DELETE', "/v1/bulk/$_") for $bulk->{json}{data}{id}, $none, 'x';

    ask('DELETE', "/v1/runs/$_")
        for $run->{waits}, $run->{order}, $none, 'x';
    ask('GET', "/v1/runs/$run->{waits}");
    ask('GET', "/v1/runs/$run->{waits}/tree");

    ask('POST', '/v1/apps', { url => 'http://127.0.0.1:9/none' });
    ask('POST', '/v1/apps', { url => 'x' });
    ask('POST', "/v1/apps/$_/sync", {}) for 'shop', 'none';
    ask('DELETE', '/v1/apps?url=http%3A%2F%2F127.0.0.1%3A9%2Fnone');
    ask('DELETE', '/v1/apps?url=x');
    ask('DELETE', "/v1/apps/$_") for 'shop', 'none';
    ask('GET', '/v1/apps');

    ask('POST', '/v1/realtime/token', [{ channel => 'c', topics => ['t'] }]);
    ask('POST', '/v1/realtime/token', {});
    ask('POST', '/v1/realtime/publish?channel=c&topic=t', { a => 1 });
    ask('POST', '/v1/realtime/publish', { a => 1 });
    ask('POST', '/v1/realtime/publish/tee', 'text');
    ask('POST', '/v1/realtime/publish/tee?channel=c&topic=t', 'text');
    ask('POST', '/v1/traces/userland', '{}');

    for my $path ('/v1/checkpoint', "/v1/checkpoint/$none/steps",
                  "/v1/checkpoint/$none/async", '/v1/http/runs',
                  "/v1/http/runs/$none/steps", "/v1/http/runs/$none/async")
    {
        ask('POST', $path, '{');
        ask('POST', $path, {});
    }

    return;
}


# ---- what was answered

sub every_route_was_asked {
    is_deeply([grep { !$asked{$_} } sort keys %{described()}], [],
              'each route was asked for');

    return;
}


sub answers_are_as_described {
    my $home = build('openapi');
    my $dir = tempdir(CLEANUP => 1);

    if (!-x "$home/bin/python3" || !-e "$home/.installed") {
        my $made = eval {
            Durable::run_once("$dir/log", 'python3', '-m', 'venv', $home);
            Durable::run_once("$dir/log", "$home/bin/pip", 'install', '-q',
                '--disable-pip-version-check', 'jsonschema==4.23.0');
            write_file("$home/.installed", '');
            1;
        };

        if (!$made) {
            die "no jsonschema: $@" if $ENV{CI};
            note("no jsonschema here: $@");
            return;
        }
    }

    write_file("$dir/answers", join '', map { $json->encode($_) . "\n" }
                               @answers);
    write_file("$dir/check.py", <<'PYTHON');
import json, sys
from jsonschema import Draft202012Validator as Validator

spec = json.load(open(sys.argv[1]))
faults = 0


def wrong(answer, text):
    global faults
    faults += 1
    print("%s -> %s: %s" % (answer["asked"], answer["status"], text))


for name, schema in spec["components"]["schemas"].items():
    Validator.check_schema(schema)

for line in open(sys.argv[2]):
    a = json.loads(line)
    responses = spec["paths"][a["path"]][a["method"]]["responses"]
    r = responses.get(str(a["status"]))
    if r is None:
        wrong(a, "this status is not described: " + a["body"][:200])
        continue
    while "$ref" in r:
        r = spec["components"]["responses"][r["$ref"].split("/")[-1]]
    content = r.get("content", {})
    kind = (a["type"] or "").split(";")[0]
    if not a["body"]:
        if content:
            wrong(a, "there is no body")
        continue
    if kind not in content:
        wrong(a, "the type %s is not described" % kind)
        continue
    if kind != "application/json":
        continue
    schema = dict(content[kind]["schema"], components=spec["components"])
    for e in list(Validator(schema).iter_errors(json.loads(a["body"])))[:2]:
        where = "/".join(str(p) for p in e.absolute_path)
        wrong(a, "at %s: %s" % (where, e.message[:300]))

sys.exit(1 if faults else 0)
PYTHON

    my $said = `$home/bin/python3 $dir/check.py docs/openapi.json $dir/answers 2>&1`;

    is($?, 0, 'the answers of the server are as they are described')
        or diag($said);

    return;
}
