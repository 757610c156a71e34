# What can be read, and how the server answers whatever it does not know.

use strict;
use warnings;

use Test::Nginx::Socket 'no_plan';

our $Dev = 'durable_store $TEST_NGINX_SERVER_ROOT/html/store size=256m;
durable_mode dev;
';

our $Production = 'durable_store $TEST_NGINX_SERVER_ROOT/html/store size=256m;
durable_event_key first;
durable_signing_key signkey-test-12345678;
';

our $Token = 'Authorization: Bearer signkey-test-'
    . 'b2ed992186a5cb19f6668aade821f502c1d00970dfd0e35128d51bac4649916c';

our $Seed = int(time) . '000,eii2YKXRVTJPuA==';
our $Nobody = '01JQDAE4RQF8MBCR55T5AK4KXR';

our $Fetched = qr/"metadata":\{"fetched_at":"\d{4}-\d\d-\d\dT[\d:.]+Z"\}/;


# The id that $Seed gives to the first event.
sub seeded {
    my ($ms) = split /,/, $Seed;
    my @digit = split //, '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
    my $text = '';

    for (1 .. 10) {
        $text = $digit[$ms % 32] . $text;
        $ms = int($ms / 32);
    }

    return "${text}F8MBCR55T5AK4KXS";
}


sub function {
    my $url = 'http://127.0.0.1:1/api/inngest';

    return 'POST /fn/register' . "\n" . '{"url":"' . $url . '","appName":"shop"'
           . ',"sdk":"js:v4.24.0","v":"0.1","functions":[{"id":"shop-one",'
           . '"name":"one","triggers":[{"event":"t/one"}],"steps":{"step":'
           . '{"id":"step","name":"step","runtime":{"type":"http","url":"'
           . $url . '?fnId=shop-one&stepId=step"}}}}]}';
}

# Method, path and key of every route, out of the tables themselves, so that
# none is forgotten here: an "x" for each "*".
sub routes {
    my ($file, $prefix) = @_;

    open my $fh, '<', $file or die "$file: $!\n";
    my $text = do { local $/; <$fh> };
    my @found;

    while ($text =~ /\{\s*(NGX_HTTP_[A-Z|_]+),\s*ngx_string\("([^"]+)"\),
                     \s*NGX_HTTP_DURABLE_(\w+),\s*(\w+)\s*\}/gx)
    {
        my ($methods, $path, $key, $handler) = ($1, $2, $3, $4);

        $path =~ s/\*+/x/g;
        push @found, [$_, "$prefix$path", $key, $handler]
            for map { s/NGX_HTTP_//r } split /\|/, $methods;
    }

    die "$file: no routes\n" if @found < 10;

    return @found;
}

our @Routes = (routes('ngx_module/ngx_http_durable_server.c', ''),
               routes('ngx_module/ngx_http_durable_v2.c', '/v2/'));
our @Closed = grep { $$_[2] eq 'SIGNING_KEY' } @Routes;
our @Later = grep { $$_[3] =~ /later_handler/ } @Routes;

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value('http_config', $Dev)
        unless defined $block->http_config;
    $block->set_value('config', 'location / { durable_server; }
                                 location = /durable { durable_status; }')
        unless defined $block->config;
});

log_level('info');
no_long_string();
no_root_location();
no_shuffle();
run_tests();

__DATA__

=== health
--- request
GET /health
--- response_headers
Content-Type: application/json
X-Inngest-Server-Kind: dev
--- response_body chomp
{"status":200,"message":"OK"}



=== a HEAD request is a GET without a body
--- request
HEAD /health
--- response_headers
Content-Length: 29
X-Inngest-Server-Kind: dev
--- response_body



=== a dev server tells that it is one
--- request
GET /dev
--- response_headers
Content-Type: application/json
--- response_body_like: ^\{"version":"[\d.]+","authed":false,"startOpts":\{\},"functions":\[\],"handlers":\[\],.*"isMissingSigningKey":true,"isMissingEventKeys":true,"features":\{\}\}$



=== a dev server lists what was registered
--- pipelined_requests eval
[main::function(), "GET /dev"]
--- response_body_like eval
[qr/"ok":true/, qr/"functions":\[\{.*"shop-one".*\],"handlers":\[\{.*"name":"shop".*\]/]



=== a production server does not
--- http_config eval: $::Production
--- request
GET /dev
--- error_code: 404
--- response_headers
Content-Type: text/plain
X-Inngest-Server-Kind: cloud
--- response_body eval
"404 page not found\r\n"



=== an empty list of events is in an envelope
--- request
GET /v1/events
--- response_body_like eval
qr/\A\{"data":\[\],"metadata":\{"fetched_at":"[^"]+","cursor":null,"scanned":\{"rows":0,"newest":null,"oldest":null\}\}\}\z/



=== events are listed newest first, as many as asked for
--- pipelined_requests eval
[qq(POST /e/k\n[{"name":"a"},{"name":"b"},{"name":"c"}]),
 "GET /v1/events?limit=2", "GET /v1/events?name=a"]
--- response_body_like eval
[qr/"status":200/,
 qr/\A\{"data":\[\{[^]]*"name":"c"[^]]*\},\{[^]]*"name":"b"(?![^]]*"name":"a")/,
 qr/\A\{"data":\[\{[^]]*"name":"a"(?![^]]*"name":"[bc]")/]



=== the pages of a list follow a cursor
--- pipelined_requests eval
[qq(POST /e/k\n[{"name":"a"},{"name":"b"}]),
 "GET /v1/events?cursor=" . main::seeded() =~ s/S$/T/r]
--- more_headers eval
"X-Inngest-Event-Id-Seed: $::Seed"
--- response_body_like eval
[qr/"status":200/, qr/"name":"a"(?!.*"name":"b")/]



=== a time that nothing is older than
--- pipelined_requests eval
[qq(POST /e/k\n{"name":"a"}),
 "GET /v1/events?received_before=2020-01-01T00:00:00Z",
 "GET /v1/events?received_after=2020-01-01T00%3A00%3A00%2B01%3A00"]
--- response_body_like eval
[qr/"status":200/, qr/\A\{"data":\[\],/, qr/"name":"a"/]



=== wrong arguments of a list
--- pipelined_requests eval
["GET /v1/events?limit=0", "GET /v1/events?limit=52", "GET /v1/events?limit=x",
 "GET /v1/events?cursor=1", "GET /v1/events?received_after=today",
 "GET /v1/events?received_before=1"]
--- error_code eval
[(400) x 6]
--- response_body eval
[('{"error":"limit must be a number from 1 to 51","status":400}') x 3,
 '{"error":"cursor must be a ULID","status":400}',
 '{"error":"received_after must be an RFC 3339 time","status":400}',
 '{"error":"received_before must be an RFC 3339 time","status":400}']



=== one event by its id
--- pipelined_requests eval
[qq(POST /e/k\n{"name":"a"}), "GET /v1/events/" . main::seeded()]
--- more_headers eval
"X-Inngest-Event-Id-Seed: $::Seed"
--- response_body_like eval
[qr/"status":200/, qr/\A\{"data":\{.*"name":"a".*\},$::Fetched\}\z/]



=== runs are listed, with a cursor and how far it was looked
--- pipelined_requests eval
[main::function(), qq(POST /e/k\n[{"name":"t/one"},{"name":"t/one"}]),
 "GET /v1/runs?limit=1", "GET /v1/runs?app=shop&function=shop-one&status=failed",
 "GET /v1/runs?after=2020-01-01T00:00:00Z&before=2020-01-02T00:00:00Z"]
--- response_body_like eval
[qr/"ok":true/, qr/"ids"/,
 qr/\A\{"data":\[\{"run_id":"\w{26}",[^\]]*"function":"shop-one",[^\]]*"app":"shop","output_bytes":0,"event_name":"[^"]+","duration_ms":null,"has_output":false\}\],"metadata":\{"fetched_at":"[^"]+","cursor":"\w{26}","scanned":\{"rows":1,"newest":"[^"]+","oldest":"[^"]+"\}\}\}\z/,
 qr/\A\{"data":\[\],.*"cursor":null,"scanned":\{"rows":2,/,
 qr/\A\{"data":\[\],.*"rows":0,/]



=== wrong arguments of a list of runs
--- pipelined_requests eval
["GET /v1/runs?limit=52", "GET /v1/runs?cursor=x", "GET /v1/runs?after=x",
 "GET /v1/runs?before=x", "GET /v1/runs?status=Odd", "GET /v1/runs?status=,",
 "GET /v1/runs?app=nobody", "GET /v1/runs?function=nobody"]
--- error_code eval
[(400) x 6, 404, 404]
--- response_body_like eval
[qr/limit must/, qr/cursor must/, qr/after must/, qr/before must/,
 (qr/status must be a list of/) x 2, qr/there is no app \\"nobody/,
 qr/there is no function \\"nobody/]



=== apps and functions are listed
--- pipelined_requests eval
[main::function(), "GET /v1/apps", "GET /v1/functions", "GET /v1/functions?app=shop",
 "GET /v1/functions?app=nobody"]
--- error_code eval
[200, 200, 200, 200, 404]
--- response_body_like eval
[qr/"ok":true/, qr/\A\{"data":\[\{"id":"[0-9a-f-]{36}",.*"name":"shop"/,
 (qr/\A\{"data":\[\{.*"id":"shop-one".*"app":"shop".*"paused":false/) x 2,
 qr/there is no app/]



=== the tree and the jobs of a run that is not there, and steps that are none
--- pipelined_requests eval
["GET /v1/runs/$::Nobody/tree", "GET /v1/runs/$::Nobody/jobs",
 "GET /v1/runs/$::Nobody/steps/" . 'a' x 40, "GET /v1/runs/$::Nobody/steps/x",
 "GET /v1/runs/x/steps/" . 'a' x 40, "GET /v1/runs/x/tree", "GET /v1/runs/x/jobs"]
--- error_code eval
[404, 404, 404, (400) x 4]
--- response_body_like eval
[(qr/"there is no run $::Nobody"/) x 2, qr/"there is no step a{40} of a run /,
 qr/is not the hashed id of a step/, (qr/is not a ULID/) x 3]



=== metadata of a run is checked
--- pipelined_requests eval
my $path = "POST /v1/runs/$::Nobody/metadata\n";
["${path}{", "${path}\[]", "$path\{}", $path . '{"metadata":[{"kind":"a"}]}',
 $path . '{"metadata":[{"kind":"a","op":"set","values":1}]}',
 $path . '{"target":{"run_id":"x"},"metadata":[]}', $path . '{"target":1}',
 $path . '{"metadata":[{"kind":"a","op":"set","values":{}}]}',
 "POST /v1/runs/x/metadata\n" . '{"metadata":[]}',
 $path . '{"metadata":[],"x":"' . 'x' x 65536 . '"}']
--- error_code eval
[(400) x 7, 404, 400, 413]



=== spans are taken and thrown away
--- pipelined_requests eval
["POST /v1/traces/userland\n{\"resourceSpans\":[]}", "POST /dev/traces\n\x0a\x00"]
--- response_body eval
["{}", "{}"]



=== too many of them are not
--- request eval
"POST /v1/traces/userland\n" . 'x' x (8 * 1024 * 1024 + 1)
--- config
location / { durable_server; client_max_body_size 16m; }
--- error_code: 413
--- response_body chomp
{"error":"the request body is larger than 8388608 bytes","status":413}



=== realtime messages are taken, whether or not somebody listens
--- pipelined_requests eval
["POST /v1/realtime/publish?channel=c&topic=t\n{}",
 "POST /v1/realtime/publish/tee?channel=c\nraw"]
--- response_body eval
["", ""]
--- no_error_log
[error]



=== a message without a channel is a mistake
--- request
POST /v1/realtime/publish?topic=t
{}
--- error_code: 400
--- response_body chomp
{"error":"the argument \"channel\" is missing","status":400}



=== every answer may be read by browsers
--- pipelined_requests eval
["GET /health", "GET /unknown", "PUT /health\n", "GET /v1/runs/x", "POST /e/k\n{",
 "OPTIONS /v1/runs", "HEAD /v1/runs"]
--- error_code eval
[200, 404, 405, 400, 400, 204, 200]
--- response_headers eval
[("Access-Control-Allow-Origin: *\nX-Inngest-Server-Kind: dev") x 7]



=== an event that is not there
--- request eval
"GET /v1/events/$::Nobody"
--- error_code: 404
--- response_body eval
qq({"error":"there is no event $::Nobody","status":404})



=== a run that is not there
--- request eval
"GET /v1/runs/$::Nobody"
--- error_code: 404
--- response_body eval
qq({"error":"there is no run $::Nobody","status":404})



=== the history of a run that is not there
--- request eval
"GET /v1/runs/$::Nobody/history"
--- error_code: 404
--- response_body eval
qq({"error":"there is no run $::Nobody","status":404})



=== the state of a run that is not there is gone
--- pipelined_requests eval
["GET /v0/runs/$::Nobody/batch", "GET /v0/runs/$::Nobody/actions"]
--- error_code eval
[410, 410]
--- response_body eval
[(qq({"error":"the run $::Nobody is gone or never was","status":410})) x 2]



=== an id that is none
--- pipelined_requests eval
["GET /v1/events/x", "GET /v1/events/x/runs", "GET /v1/runs/x",
 "GET /v1/runs/x/history", "GET /v0/runs/x/batch", "GET /v0/runs/x/actions",
 "DELETE /v1/runs/x", "DELETE /v0/runs/x"]
--- error_code eval
[(400) x 8]
--- response_body eval
[('{"error":"\"x\" is not a ULID","status":400}') x 8]



=== a run: from its event to its end
--- pipelined_requests eval
[main::function(),
 qq(POST /e/k\n{"name":"t/one","data":{"n":1}}),
 "GET /v1/events/" . main::seeded() . "/runs"]
--- more_headers eval
"X-Inngest-Event-Id-Seed: $::Seed"
--- response_headers eval
["", "", "Cache-Control: private, max-age=15"]
--- response_body_like eval
[qr/"ok":true/, qr/"status":200/,
 qr/\A\{"data":\[\{.*"run_id":"\w{26}".*"event_id":"\w{26}".*\}\],$::Fetched\}\z/]



=== a run that is not there cannot be cancelled
--- pipelined_requests eval
["DELETE /v1/runs/$::Nobody", "DELETE /v0/runs/$::Nobody"]
--- error_code eval
[404, 404]
--- response_body_like eval
[(qr/\A\{"error":".+","status":404.*\}\z/) x 2]



=== the functions of an app that is not there
--- request
GET /v1/apps/nobody/functions
--- error_code: 404
--- response_body chomp
{"error":"there is no app \"nobody\"","status":404}



=== telemetry is thrown away
--- request
POST /v0/telemetry
{"any":"thing"}
--- response_body chomp
{}



=== production asks for the key wherever something can be read or done
--- http_config eval: $::Production
--- pipelined_requests eval
[map { "$$_[0] $$_[1]" . ($$_[0] =~ /^P/ ? "\n{}" : '') } @::Closed]
--- error_code eval
[(401) x @::Closed]
--- response_headers eval
[('WWW-Authenticate: Bearer') x @::Closed]



=== a key of somebody else opens nothing
--- http_config eval: $::Production
--- pipelined_requests eval
[map { "$$_[0] $$_[1]" . ($$_[0] =~ /^P/ ? "\n{}" : '') } @::Closed]
--- more_headers
Authorization: Bearer signkey-test-87654321
--- error_code eval
[(401) x @::Closed]



=== what is open is known by name
--- request
GET /health
--- response_body_like eval
my $open = join ' ', sort map { $$_[1] } grep { $$_[2] eq 'OPEN' } @::Routes;
$open eq join(' ', sort '/health', '/dev', '/v0/telemetry',
    '/v1/checkpoint/x/output', '/v1/http/runs/x/output',
    '/v1/realtime/connect', '/v1/realtime/sse', '/dev/traces')
    ? qr/"OK"/ : qr/\A$open\z/



=== production lets the key in
--- http_config eval: $::Production
--- request
GET /v1/events
--- more_headers eval: $::Token
--- response_body_like: ^\{"data":\[\],



=== an unknown path
--- request
GET /unknown
--- error_code: 404
--- response_headers
Content-Type: application/json
X-Inngest-Server-Kind: dev
--- response_body chomp
{"error":"there is nothing at /unknown","status":404}



=== a path too long for a route
--- pipelined_requests eval
["GET /v1/runs/a/b/c", "GET /health/", "GET /e", "POST /e/a/b"]
--- error_code eval
[404, 404, 404, 404]



=== a known path, another method
--- pipelined_requests eval
["GET /e/k", "POST /health", "PUT /v1/runs/x", "DELETE /fn/register"]
--- error_code eval
[405, 405, 405, 405]
--- response_headers eval
["Allow: POST, OPTIONS", "Allow: GET, HEAD, OPTIONS",
 "Allow: GET, HEAD, DELETE, OPTIONS", "Allow: POST, OPTIONS"]
--- response_body eval
['{"error":"GET is not allowed here, POST, OPTIONS are","status":405}',
 '{"error":"POST is not allowed here, GET, HEAD, OPTIONS are","status":405}',
 '{"error":"PUT is not allowed here, GET, HEAD, DELETE, OPTIONS are","status":405}',
 '{"error":"DELETE is not allowed here, POST, OPTIONS are","status":405}']



=== a browser may ask first
--- request
OPTIONS /e/k
--- more_headers
Origin: http://example.com
Access-Control-Request-Method: POST
Access-Control-Request-Headers: content-type,x-inngest-sdk
--- error_code: 204
--- response_headers
Access-Control-Allow-Origin: *
Access-Control-Allow-Methods: GET, POST, PUT, DELETE, OPTIONS
Access-Control-Allow-Headers: content-type,x-inngest-sdk
Access-Control-Max-Age: 3600
! Access-Control-Allow-Credentials



=== what is not there yet says so
--- pipelined_requests eval
[map { "$$_[0] $$_[1]" . ($$_[0] eq 'POST' ? "\n{}" : '') } @::Later]
--- error_code eval
[(501) x @::Later]
--- response_body_like eval
[(qr/\A\{"error":"(?:GET|POST|DELETE) \/\S+ is not implemented by this server","status":501\}\z/) x @::Later]



=== an error page of nginx in the words of the server
--- config
location / { durable_server; deny all; }
--- request
GET /health
--- error_code: 403
--- response_headers
Content-Type: application/json
X-Inngest-Server-Kind: dev
--- response_body chomp
{"error":"access is forbidden by the configuration of this server","status":403}



=== an error page of nginx for a HEAD request
--- config
location / { durable_server; deny all; }
--- request
HEAD /health
--- error_code: 403
--- response_headers
Content-Length: 80
--- response_body



=== an "if" keeps the words of its location
--- config
location / { durable_server; if ($arg_no) { return 503; } }
--- request
GET /health?no=1
--- error_code: 503
--- response_headers
X-Inngest-Server-Kind: dev
Retry-After: 1
--- response_body chomp
{"error":"the server is busy, try again","status":503}



=== locations of others are left alone
--- config
location / { durable_server; }
location /other { return 404; }
--- request
GET /other
--- error_code: 404
--- response_headers
Content-Type: text/html
! X-Inngest-Server-Kind
! Access-Control-Allow-Origin



=== the status of the server
--- request
GET /durable
--- response_headers
Content-Type: application/json
! X-Inngest-Server-Kind
--- response_body_like: ^\{"role":"leader","pid":\d+,"epoch":1,"queue":\{.+\},"batch":\{.+\},"sidecar":\{"connected":false,.*"engine":\{.+\},"parked":\[\]\}$



=== the status is read, not written
--- request
POST /durable
{}
--- error_code: 405
--- response_headers
Allow: GET, HEAD
--- response_body chomp
{"error":"POST is not allowed here, GET is","status":405}
