# The second API: the same things in other words, below /v2 and /api/v2.

use strict;
use warnings;

use Test::Nginx::Socket 'no_plan';

our $Dev = 'durable_store $TEST_NGINX_SERVER_ROOT/html/store size=256m;
durable_mode dev;
';

our $Production = 'durable_store $TEST_NGINX_SERVER_ROOT/html/store size=256m;
durable_event_key first-secret-event-key;
durable_signing_key signkey-test-12345678 signkey-test-abcdef12;
';

our $Token = 'Authorization: Bearer signkey-test-'
    . 'b2ed992186a5cb19f6668aade821f502c1d00970dfd0e35128d51bac4649916c';

our $Nobody = '01JQDAE4RQF8MBCR55T5AK4KXR';
our $Meta = qr/"metadata":\{"fetchedAt":"[^"]+","cachedUntil":null\}/;


sub function {
    my $url = 'http://127.0.0.1:1/api/inngest';

    return 'POST /fn/register' . "\n" . '{"url":"' . $url . '","appName":"shop"'
           . ',"sdk":"js:v4.24.0","v":"0.1","functions":[{"id":"shop-one",'
           . '"name":"one","triggers":[{"event":"t/one"}],"steps":{"step":'
           . '{"id":"step","name":"step","runtime":{"type":"http","url":"'
           . $url . '?fnId=shop-one&stepId=step"}}}}]}';
}

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value('http_config', $Dev)
        unless defined $block->http_config;
    $block->set_value('config', 'location / { durable_server; }')
        unless defined $block->config;
});

log_level('info');
no_long_string();
no_root_location();
no_shuffle();
run_tests();

__DATA__

=== health, below both prefixes
--- pipelined_requests eval
["GET /v2/health", "GET /api/v2/health", "HEAD /v2/health"]
--- response_headers eval
[("Content-Type: application/json", "X-Inngest-Server-Kind: dev",
  "Access-Control-Allow-Origin: *")]
--- response_body_like eval
[(qr/\A\{"data":\{"status":"ok"\},$::Meta\}\z/) x 2, qr/\A\z/]



=== an event is sent
--- request
POST /v2/events
{"name":"a","data":{"n":1}}
--- response_body_like eval
qr/\A\{"data":\{"ids":\["\w{26}"\]\},$::Meta\}\z/



=== an event that is none is refused in the words of this API
--- request
POST /v2/events
{"data":{}}
--- error_code: 400
--- response_body_like: ^\{"errors":\[\{"code":"invalid_request","message":".*name.*"\}\]\}$



=== an app and its functions, by their own ids and in lists
--- pipelined_requests eval
[main::function(), "GET /v2/apps", "GET /v2/apps/shop",
 "GET /v2/apps/shop/functions", "GET /v2/apps/shop/functions/one",
 "GET /v2/apps/shop/functions/shop-one"]
--- response_body_like eval
[qr/"ok":true/,
 qr/\A\{"data":\[\{"id":"shop","internalId":"[0-9a-f-]{36}".*"functionCount":1.*\}\],$::Meta\}\z/,
 qr/\A\{"data":\{"id":"shop",.*\},$::Meta\}\z/,
 qr/\A\{"data":\[\{"id":"one",.*"slug":"shop-one".*"isPaused":false.*\}\],$::Meta\}\z/,
 (qr/\A\{"data":\{"id":"one",.*\},$::Meta\}\z/) x 2]



=== runs in a list, of an app's function, with a page
--- pipelined_requests eval
[main::function(), qq(POST /v2/events\n{"name":"t/one"}),
 "GET /v2/apps/shop/functions/one/runs?limit=1", "GET /v2/runs?status=scheduled,RUNNING",
 "GET /v2/runs?status=FAILED"]
--- response_body_like eval
[qr/"ok":true/, qr/"ids"/,
 (qr/\A\{"data":\[\{"id":"\w{26}","status":"(?:SCHEDULED|RUNNING)","appId":"shop","functionId":"shop-one",.*"eventIds":\["\w{26}"\].*\}\],$::Meta,"page":\{"cursor":null,"hasMore":false,"limit":\d+\}\}\z/) x 2,
 qr/\A\{"data":\[\],/]



=== a function is invoked by its names, once for an idempotency key
--- pipelined_requests eval
[main::function(), map { "POST /v2/apps/shop/functions/$_" }
 qq(one/invoke\n{"data":{"n":1}}), qq(shop-one/invoke\n{}),
 (qq(one/invoke\n{"data":{"n":2},"idempotencyKey":"k-1"})) x 2,
 qq(none/invoke\n{"data":{}}), qq(one/invoke\n{"data":7}),
 qq(one/invoke\n[)]
--- error_code eval
[200, 200, 200, 200, 200, 404, 400, 400]
--- response_body_like eval
[qr/"ok":true/,
 (qr/\A\{"data":\{"eventId":"\w{26}","runId":"\w{26}"\},$::Meta\}\z/) x 3,
 qr/\A\{"data":\{"eventId":"\w{26}","runId":null\},$::Meta\}\z/,
 qr/"code":"not_found"/, (qr/"code":"invalid_request"/) x 2]



=== what is not there
--- pipelined_requests eval
["GET /v2/runs/$::Nobody", "GET /v2/runs/$::Nobody/trace",
 "POST /v2/runs/$::Nobody/cancel\n{}", "GET /v2/apps/nobody", "GET /v2/apps/nobody/functions",
 "GET /v2/apps/nobody/functions/x", "GET /v2/apps/nobody/functions/x/runs",
 "GET /v2/apps/", "GET /v2/odd", "POST /v2/apps/x/syncs\n{}",
 "GET /v2/insights", "PATCH /v2/sandboxes/1\n{}"]
--- error_code eval
[(404) x 12]
--- response_body_like eval
[(qr/\A\{"errors":\[\{"code":"not_found","message":"there is n(?:[^"\\]|\\.)+"\}\]\}\z/) x 12]



=== an id that is none, and wrong arguments
--- pipelined_requests eval
["GET /v2/runs/x", "GET /v2/runs/x/trace", "POST /v2/runs/x/cancel\n{}",
 "GET /v2/events/x/runs", "GET /v2/runs?cursor=1", "GET /v2/runs?limit=0",
 "GET /v2/runs?after=now", "GET /v2/runs?status=odd"]
--- error_code eval
[(400) x 8]
--- response_body_like eval
[(qr/\A\{"errors":\[\{"code":"invalid_request","message":".+"\}\]\}\z/) x 8]



=== another method
--- request
DELETE /v2/runs
--- error_code: 405
--- response_headers
Allow: GET, HEAD, OPTIONS
--- response_body chomp
{"errors":[{"code":"method_not_allowed","message":"DELETE is not allowed here, GET, HEAD, OPTIONS are"}]}



=== production asks for the key in the same words
--- http_config eval: $::Production
--- request
GET /v2/runs
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
--- response_body_like: ^\{"errors":\[\{"code":"unauthorized","message":"Unauthorized: .+"\}\]\}$



=== keys are named and not shown
--- http_config eval: $::Production
--- pipelined_requests eval
["GET /v2/keys/events", "GET /v2/keys/signing"]
--- more_headers eval: $::Token
--- response_body_like eval
[qr/\A\{"data":\[\{"id":"[0-9a-f]{12}","name":"durable_event_key"\}\],$::Meta\}\z/,
 qr/\A\{"data":\[\{"id":"[0-9a-f]{12}","name":"durable_signing_key"\},\{"id":"[0-9a-f]{12}","name":"durable_signing_key, fallback"\}\],$::Meta\}\z/]
--- no_error_log
secret-event-key
12345678



=== the account and its environment
--- pipelined_requests eval
["GET /v2/account", "GET /v2/envs"]
--- response_body_like eval
[qr/\A\{"data":\{"id":"[0-9a-f-]{36}",/, qr/\A\{"data":\[\{"id":"[0-9a-f-]{36}","name":"dev"/]



=== an error page of nginx in the words of this API
--- config
location / { durable_server; deny all; }
--- request
GET /v2/runs
--- error_code: 403
--- response_body chomp
{"errors":[{"code":"forbidden","message":"access is forbidden by the configuration of this server"}]}
