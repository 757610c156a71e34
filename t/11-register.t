# POST /fn/register and DELETE /fn/remove: an app tells its functions.

use strict;
use warnings;

use Test::Nginx::Socket 'no_plan';

our $Dev = 'durable_store $TEST_NGINX_SERVER_ROOT/html/store size=256m;
durable_mode dev;
';

our $Production = 'durable_store $TEST_NGINX_SERVER_ROOT/html/store size=256m;
durable_event_key first;
durable_signing_key signkey-test-12345678
    signkey-test-8ee2262a15e8d3c42d6a840db7af3de2aab08ef632b32a37a687f24b34dba3ff;
';

our $Bearer = 'Authorization: Bearer signkey-test-';
our $Hash = 'b2ed992186a5cb19f6668aade821f502c1d00970dfd0e35128d51bac4649916c';
our $Fallback = 'e4bf4a2e7f55c7eb954b6e72f8f69628fbc409fe7da6d0f6958770987dcf0e02';

our $Ok = qr/\A\{(?=.*"modified":true).*"ok":true.*\}\z/;
our $Unauthorized = qr/\A\{"error":"Unauthorized[^"]*(?:\\"[^"]*)*","status":401\}\z/;

sub payload {
    my ($name, @function) = @_;

    my $url = 'http://127.0.0.1:1/api/inngest';

    return sprintf '{"url":"%s","deployType":"ping","framework":"nodejs",'
           . '"appName":"%s","sdk":"js:v4.24.0","v":"0.1","functions":[%s]}',
           $url, $name,
           join ',', map {
               sprintf '{"id":"%s-%s","name":"%s","triggers":[{"event":"t/%s"}'
               . '],"steps":{"step":{"id":"step","name":"step","runtime":'
               . '{"type":"http","url":"%s?fnId=%s-%s&stepId=step"}}}}',
               $name, $_, $_, $_, $url, $name, $_
           } @function;
}

sub filtered {
    my ($expression) = @_;

    my $payload = payload('shop', 'one');
    $payload =~ s{"event":"t/one"}{"event":"t/one","expression":"$expression"};

    return "POST /fn/register\n$payload";
}

# One function with these members; triggers among them win.
sub optional {
    my ($members) = @_;

    my $payload = payload('shop', 'one');
    $payload =~ s/"triggers":\[[^]]*\],// if $members =~ /"triggers"/;
    $payload =~ s/("name":"one")/$1,$members/;

    return $payload;
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

=== an app is registered, its functions can be read
--- pipelined_requests eval
["POST /fn/register\n" . main::payload('shop', 'one', 'two'),
 "GET /v1/apps/shop/functions"]
--- response_body_like eval
[$::Ok, qr/\A\[\{.*"id":"shop-one".*"id":"shop-two".*\]\z/]



=== the same payload again changes nothing
--- pipelined_requests eval
["POST /fn/register\n" . main::payload('shop', 'one'),
 "POST /fn/register\n" . main::payload('shop', 'one')]
--- response_body_like eval
[$::Ok, qr/"modified":false/]



=== an app without functions is an app
--- request eval
"POST /fn/register\n" . main::payload('empty')
--- response_body_like eval: $::Ok



=== a payload that is not JSON is refused with both words of an error
--- request
POST /fn/register
hello
--- error_code: 400
--- response_body_like: "error":"the payload is not JSON: .+","status":400\}$



=== a function without a trigger's name is refused with both words
--- request eval
"POST /fn/register\n"
. main::payload('shop', 'one') =~ s/\{"event":"t\/one"\}/{}/r
--- error_code: 400
--- response_body_like: "error":"function \\"shop-one\\": each of triggers must have .+","status":400\}$



=== a trigger with an expression
--- request eval
main::filtered('event.data.tags.exists(t, t == \'vip\') && event.data.n + 1 > 3')
--- response_body_like eval: $main::Ok
--- no_error_log
[error]

=== an expression that is wrong is refused with its place
--- request eval
main::filtered('event.data.n > 1 && events.x == 2')
--- error_code: 400
--- response_body_like: "error":"function \\"shop-one\\": invalid trigger expression .*unknown name \\"events\\", at column 21.*","status":400
--- no_error_log
[error]

=== types that cannot fit are refused too
--- request eval
main::filtered('lowercase(1) == \'a\'')
--- error_code: 400
--- response_body_like: "error":".*does not take this type, at column 11.*","status":400
--- no_error_log
[error]

=== a cancelOn may compare, but not compute
--- request eval
"POST /fn/register\n"
. main::optional('"cancel":[{"event":"c","if":"size(async.data.x) == 1"}]')
--- error_code: 400
--- response_body_like: "error":"function \\"shop-one\\": invalid cancel\.if expression .*\\"size\\" is not allowed here.*","status":400
--- no_error_log
[error]



=== a cron text that never fires is refused
--- request eval
"POST /fn/register\n" . main::optional('"triggers":[{"cron":"60 * * * *"}]')
--- error_code: 400
--- response_body_like: "error":"function \\"shop-one\\": invalid triggers\.cron .*minute.*","status":400
--- no_error_log
[error]



=== what a refused registration would have changed stays as it was
--- pipelined_requests eval
["POST /fn/register\n" . main::payload('shop', 'one'),
 "POST /fn/register\n" . main::optional('"rateLimit":{"limit":0}'),
 "GET /v1/apps/shop/functions"]
--- error_code eval: [200, 400, 200]
--- response_body_like eval
[$::Ok, qr/rateLimit\.limit must be at least 1/, qr/"id":"shop-one"(?!.*rateLimit)/]



=== options are enforced, none is named as if it were not
--- request eval
"POST /fn/register\n"
. main::optional('"debounce":{"period":"5s"},"timeouts":{"start":"10s"},'
                 . '"singleton":{"mode":"skip"},"idempotency":"event.data.id"')
--- response_body_like eval: $::Ok
--- no_error_log
not enforced
[error]



=== a rate limit drops what is over it
--- pipelined_requests eval
["POST /fn/register\n"
 . main::optional('"rateLimit":{"limit":1,"period":"1h","key":"event.data.k"}'),
 map({ "POST /e/key\n" . qq({"name":"t/one","data":{"k":$_}}) } 1, 1, 2),
 "GET /v1/runs"]
--- response_body_like eval
[$::Ok, (qr/"status":200/) x 3,
 qr/\A(?!(?:.*"run_id"){3})(?:.*"run_id"){2}/]
--- no_error_log
[error]



=== a singleton records what it skips
--- pipelined_requests eval
["POST /fn/register\n" . main::optional('"singleton":{"mode":"skip"}'),
 map({ "POST /e/key\n" . qq({"name":"t/one","data":{}}) } 1, 2),
 "GET /v1/runs?status=skipped"]
--- response_body_like eval
[$::Ok, (qr/"status":200/) x 2, qr/"status":"Skipped"/]
--- no_error_log
[error]



=== a function of another app is not taken
--- pipelined_requests eval
["POST /fn/register\n" . main::payload('shop', 'one'),
 "POST /fn/register\n"
 . (main::payload('store', 'one') =~ s/store-one/shop-one/gr
    =~ s/127\.0\.0\.1:1/127.0.0.1:2/gr)]
--- error_code eval: [200, 400]
--- response_body_like eval
[$::Ok, qr/"error":"function \\"shop-one\\" belongs to another app, \\"shop\\".*","status":400/]



=== an app with a new name at its URL is the same app
--- pipelined_requests eval
["POST /fn/register\n" . main::payload('shop', 'one'),
 "POST /fn/register\n" . main::payload('store', 'one'),
 "GET /v1/apps/store/functions", "GET /v1/apps/shop/functions"]
--- error_code eval: [200, 200, 200, 404]
--- response_body_like eval
[$::Ok, $::Ok, qr/"id":"store-one"/, qr/there is no app/]



=== keys in another case and nulls, as Python sends them
--- request eval
"POST /fn/register\n"
. (main::optional('"rateLimit":null,"cancel":null,"Timeouts":null')
   =~ s/"appName"/"appname"/r)
--- response_body_like eval: $::Ok
--- no_error_log
[error]



=== a request without a body
--- request
POST /fn/register
--- error_code: 400
--- response_body chomp
{"error":"the request has no body: an app sends its functions here","status":400}



=== a payload has a largest size
--- http_config eval
"$::Dev durable_request_max_size 2k; durable_event_max_size 2k;"
--- request eval
"POST /fn/register\n" . 'x' x 3000
--- error_code: 413
--- response_body chomp
{"error":"the request body is larger than 2048 bytes","status":413}



=== an app that expects this kind of server
--- request eval
"POST /fn/register\n" . main::payload('shop', 'one')
--- more_headers
X-Inngest-Expected-Server-Kind: dev
--- response_body_like eval: $::Ok



=== an app that expects another kind of server
--- pipelined_requests eval
["POST /fn/register\n" . main::payload('shop', 'one'),
 "GET /v1/apps/shop/functions"]
--- more_headers
X-Inngest-Expected-Server-Kind: cloud
--- error_code eval
[400, 404]
--- response_body eval
['{"error":"Expected server kind cloud, got dev","status":400}',
 '{"error":"there is no app \"shop\"","status":404}']



=== a dev server takes any token
--- request eval
"POST /fn/register\n" . main::payload('shop', 'one')
--- more_headers
Authorization: Bearer undefined
--- response_body_like eval: $::Ok



=== production takes the hash of the signing key
--- http_config eval: $::Production
--- request eval
"POST /fn/register\n" . main::payload('shop', 'one')
--- more_headers eval
"$::Bearer$::Hash"
--- response_headers
X-Inngest-Server-Kind: cloud
--- response_body_like eval: $::Ok



=== production takes the plain signing key, the scheme in any case
--- http_config eval: $::Production
--- request eval
"POST /fn/register\n" . main::payload('shop', 'one')
--- more_headers
Authorization: bearer signkey-test-12345678
--- response_body_like eval: $::Ok



=== production takes the fallback key
--- http_config eval: $::Production
--- request eval
"POST /fn/register\n" . main::payload('shop', 'one')
--- more_headers eval
"$::Bearer$::Fallback"
--- response_body_like eval: $::Ok



=== production refuses a request without a token
--- http_config eval: $::Production
--- request eval
"POST /fn/register\n" . main::payload('shop', 'one')
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
Content-Type: application/json
--- response_body_like eval: $::Unauthorized



=== production refuses another key
--- http_config eval: $::Production
--- request eval
"POST /fn/register\n" . main::payload('shop', 'one')
--- more_headers
Authorization: Bearer signkey-test-87654321
--- error_code: 401
--- response_body_like eval: $::Unauthorized



=== production refuses the prefix of a key alone
--- http_config eval: $::Production
--- request eval
"POST /fn/register\n" . main::payload('shop', 'one')
--- more_headers
Authorization: Bearer signkey-test-
--- error_code: 401
--- response_body_like eval: $::Unauthorized



=== an app is removed by its URL, as it was or escaped
--- pipelined_requests eval
["POST /fn/register\n" . main::payload('shop', 'one'),
 "DELETE /fn/remove?url=http%3A%2F%2F127.0.0.1%3A1%2Fapi%2Finngest",
 "GET /v1/apps/shop/functions"]
--- response_body_like eval
[$::Ok, qr/\A(?:\{.+\})?\z/, qr/\A\[\{"internal_id":.*"archived_at":"[\dT:.-]+Z"\}\]\z/]



=== the URL of the app to remove is needed
--- request
DELETE /fn/remove
--- error_code: 400
--- response_body chomp
{"error":"the argument \"url\" is missing: it is the URL of the app to remove","status":400}
