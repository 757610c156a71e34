# POST /e/{key}: what is an event, what is refused, and what is stored.

use strict;
use warnings;

use Test::Nginx::Socket 'no_plan';

our $Dev = 'durable_store $TEST_NGINX_SERVER_ROOT/html/store size=256m;
durable_mode dev;
client_max_body_size 16m;
';

our $Production = 'durable_store $TEST_NGINX_SERVER_ROOT/html/store size=256m;
durable_event_key first second-key;
durable_signing_key signkey-test-12345678;
client_max_body_size 16m;
';

our $Token = 'Authorization: Bearer signkey-test-'
    . 'b2ed992186a5cb19f6668aade821f502c1d00970dfd0e35128d51bac4649916c';

our $Seed = int(time) . '000,eii2YKXRVTJPuA==';

our $Ids = qr/\A\{"ids":\["[0-9A-HJKMNP-TV-Z]{26}"\],"status":200\}\z/;

add_block_preprocessor(sub {
    my ($block) = @_;

    $block->set_value('http_config', $Dev)
        unless defined $block->http_config;
    $block->set_value('config', 'location / { durable_server; }')
        unless defined $block->config;
});

sub refused {
    my ($error) = @_;

    return qq({"ids":[],"status":400,"error":"$error"});
}

sub chunked {
    my ($path, @part) = @_;

    return "POST $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
           . "Transfer-Encoding: chunked\r\n\r\n"
           . join('', map { sprintf("%x\r\n%s\r\n", length $_, $_) } @part)
           . "0\r\n\r\n";
}

log_level('info');
no_long_string();
no_root_location();
no_shuffle();
run_tests();

__DATA__

=== one event gets one id
--- request
POST /e/any
{"name":"shop/order","data":{"n":1}}
--- response_headers
Content-Type: application/json
X-Inngest-Server-Kind: dev
Access-Control-Allow-Origin: *
--- response_body_like eval: $::Ids
--- no_error_log
[error]



=== several events get their ids in order
--- request
POST /e/any
[{"name":"a"},{"name":"b"},{"name":"c"}]
--- response_body_like eval
my $id = qr/"[0-9A-Z]{26}"/;
qr/\A\{"ids":\[$id,$id,$id\],"status":200\}\z/



=== no events are no mistake
--- request
POST /e/any
 []
--- response_body chomp
{"ids":[],"status":200}



=== what was accepted can be read, its bytes as they were received
--- pipelined_requests eval
[qq(POST /e/any\n{"name":"a/b","v":"2","ts":1700000000000,"id":"mine",)
 . qq("data":{ "z":1.50, "a":[ 9007199254740993, "\\u00e9" ] },)
 . qq("user":{"id":7},"dropped":true}),
 "GET /v1/events"]
--- response_body_like eval
[$::Ids, qr/"data":\{ "z":1\.50, "a":\[ 9007199254740993, "\\u00e9" \] \},"id":"mine",.*"name":"a\/b",.*"ts":1700000000000,"user":\{"id":7\},"v":"2"/]



=== absent data and user are empty objects, an absent id is the ULID
--- pipelined_requests eval
[qq(POST /e/any\n{"name":"a","data":null,"user":null,"id":null,"v":null}),
 "GET /v1/events"]
--- response_body_like eval
[$::Ids, qr/"internal_id":"(\w{26})".*"data":\{\},"id":"\1","name":"a","ts":\d{13},"user":\{\}/]



=== a key of the server is taken out of data
--- pipelined_requests eval
[qq(POST /e/any\n{"name":"a","data":{"b":1,"_inngest":{"x":1},"a":2}}),
 "GET /v1/events"]
--- response_body_like eval
[$::Ids, qr/"data":\{"a":2,"b":1\},/]



=== ids of one worker grow
--- request
POST /e/any
[{"name":"a"},{"name":"b"}]
--- response_body_like eval
qr/\A\{"ids":\["(\w{26})","(\w{26})"\](??{ $1 lt $2 ? "" : "(?!)" }),/



=== the seed of a request makes its ids
--- request eval
"POST /e/any\n" . '[{"name":"a"},{"name":"b"}]'
--- more_headers eval
"X-Inngest-Event-Id-Seed: $main::Seed"
--- response_body_like: ^\{"ids":\["\w{10}F8MBCR55T5AK4KXS","\w{10}F8MBCR55T5AK4KXT"\],"status":200\}$



=== the same request with the same seed is the same event
--- pipelined_requests eval
[qq(POST /e/any\n{"name":"a","data":{}}),
 qq(POST /e/any\n{"name":"a","data":{}}),
 "GET /v1/events"]
--- more_headers eval
"X-Inngest-Event-Id-Seed: $main::Seed"
--- response_body_like eval
[qr/F8MBCR55T5AK4KXS"/, qr/F8MBCR55T5AK4KXS"/,
 qr/\A\{"data":\[\{"internal_id"(?!.*"internal_id")/]



=== another request with the same seed keeps its own event
--- pipelined_requests eval
[qq(POST /e/any\n{"name":"a","data":{}}),
 qq(POST /e/any\n{"name":"a","data":{"x":1}}),
 qq(POST /e/any\n[{"name":"a","data":{}},{"name":"b","data":{}}]),
 "GET /v1/events"]
--- more_headers eval
"X-Inngest-Event-Id-Seed: $main::Seed"
--- response_body_like eval
[qr/F8MBCR55T5AK4KXS"/, qr/"ids":\["(?!\w{10}F8MBCR55T5AK4KXS)/,
 qr/"ids":\["(?!\w{10}F8MBCR55T5AK4KXS)/,
 qr/"b".*"x":1.*F8MBCR55T5AK4KXS/s]



=== a malformed seed is ignored
--- request
POST /e/any
{"name":"a"}
--- more_headers
X-Inngest-Event-Id-Seed: soon,eii2YKXRVTJPuA==
--- response_body_like eval: $::Ids



=== a seed of another day is ignored
--- request
POST /e/any
{"name":"a"}
--- more_headers
X-Inngest-Event-Id-Seed: 1743130137367,eii2YKXRVTJPuA==
--- response_body_like: ^\{"ids":\["(?!01JQDAE4RQ)\w{26}"\],"status":200\}$



=== a name is needed
--- request
POST /e/any
{"data":{}}
--- error_code: 400
--- response_body eval: main::refused('name is missing')



=== a name is a string
--- request
POST /e/any
{"name":["a"]}
--- error_code: 400
--- response_body eval: main::refused('name must be a string')



=== a name is not empty
--- request
POST /e/any
{"name":""}
--- error_code: 400
--- response_body eval: main::refused('name is empty')



=== a name has a largest length
--- request eval
qq(POST /e/any\n{"name":") . 'n' x 513 . '"}'
--- error_code: 400
--- response_body eval: main::refused('name is longer than 512 bytes')



=== a name may have the largest length
--- request eval
qq(POST /e/any\n{"name":") . 'n' x 512 . '"}'
--- response_body_like eval: $::Ids



=== names of the server are reserved, in any case
--- request
POST /e/any
{"name":"Inngest/function.finished"}
--- error_code: 400
--- response_body eval
main::refused('the prefix \"inngest/\" of a name is reserved')



=== the fault of an array is told with its index, and nothing is stored
--- pipelined_requests eval
[qq(POST /e/any\n[{"name":"a"},{"name":"b"},{"name":"c"},{"name":"d","data":1}]),
 "GET /v1/events"]
--- error_code eval
[400, 200]
--- response_body_like eval
[qr/^\{"ids":\[\],"status":400,"error":"event 3: data must be an object"\}$/,
 qr/^\{"data":\[\],/]



=== an element of an array is an object
--- request
POST /e/any
[{"name":"a"},null]
--- error_code: 400
--- response_body eval: main::refused('event 1: it must be an object')



=== user is an object
--- request
POST /e/any
{"name":"a","user":"me"}
--- error_code: 400
--- response_body eval: main::refused('user must be an object')



=== meta is an object
--- request
POST /e/any
{"name":"a","meta":[]}
--- error_code: 400
--- response_body eval: main::refused('meta must be an object')



=== id is a string
--- request
POST /e/any
{"name":"a","id":7}
--- error_code: 400
--- response_body eval: main::refused('id must be a string')



=== v is a string
--- request
POST /e/any
{"name":"a","v":2}
--- error_code: 400
--- response_body eval: main::refused('v must be a string')



=== a time is an integer
--- request
POST /e/any
{"name":"a","ts":"now"}
--- error_code: 400
--- response_body eval
main::refused('ts must be an integer, milliseconds since 1970')



=== a time is not in seconds
--- request
POST /e/any
{"name":"a","ts":1700000000}
--- error_code: 400
--- response_body eval
main::refused('ts must be between 1980 and 2100, in milliseconds')



=== a time of zero is now
--- request
POST /e/any
{"name":"a","ts":0}
--- response_body_like eval: $::Ids



=== a request without a body
--- request
POST /e/any
--- error_code: 400
--- response_body eval
main::refused('the request has no body: send an event object or an array of them')



=== a body that is another JSON value
--- request
POST /e/any
"event"
--- error_code: 400
--- response_body eval
main::refused('the body must be a JSON object or an array of objects')



=== a body that is not JSON
--- request
POST /e/any
{"name":"a",}
--- error_code: 400
--- response_body_like: ^\{"ids":\[\],"status":400,"error":"the body is not valid JSON: .+ \(line 1, byte \d+\)"\}$



=== a body that is nested too deeply
--- request eval
qq(POST /e/any\n{"name":"a","data":{"x":) . '[' x 600 . ']' x 600 . '}}'
--- error_code: 400
--- response_body_like: ^\{"ids":\[\],"status":400,"error":"the body is not valid JSON:



=== an event has a largest size
--- http_config eval
"$::Dev durable_event_max_size 1k;"
--- request eval
qq(POST /e/any\n[{"name":"a"},{"name":"b","data":{"x":") . 'x' x 1024 . '"}}]'
--- error_code: 400
--- response_body eval: main::refused('event 1: it is larger than 1024 bytes')



=== a request has a largest number of events
--- request eval
"POST /e/any\n[" . join(',', ('{"name":"a"}') x 5001) . ']'
--- error_code: 400
--- response_body eval
main::refused('a request holds at most 5000 events, this one has 5001')



=== a request may have the largest number of events
--- request eval
"POST /e/any\n[" . join(',', ('{"name":"a"}') x 5000) . ']'
--- response_body_like: ^\{"ids":\[("\w{26}",){4999}"\w{26}"\],"status":200\}$
--- timeout: 10



=== a body larger than the limit is refused before it is read
--- http_config eval
"$::Dev durable_request_max_size 4k; durable_event_max_size 4k;
lingering_timeout 100ms;"
--- raw_request eval
"POST /e/any HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{"
--- error_code: 413
--- response_headers
Content-Type: application/json
X-Inngest-Server-Kind: dev
--- response_body chomp
{"ids":[],"status":413,"error":"the request body is larger than 4096 bytes"}



=== a chunked body is taken
--- raw_request eval
main::chunked('/e/any', '{"name":"a",', '"data":{}', '}')
--- response_body_like eval: $::Ids



=== a chunked body is counted
--- http_config eval
"$::Dev durable_request_max_size 4k; durable_event_max_size 4k;"
--- raw_request eval
main::chunked('/e/any', '{"name":"a",', 'x' x 3000, 'x' x 3000)
--- error_code: 413
--- response_headers
Content-Type: application/json
X-Inngest-Server-Kind: dev
--- response_body_like: ^\{"error":"the request body is larger than this server accepts","status":413\}$



=== a body over nginx's own limit is refused in the same words
--- config
location / { durable_server; client_max_body_size 1k; }
--- request eval
qq(POST /e/any\n{"name":"a","data":{"x":") . 'x' x 2000 . '"}}'
--- error_code: 413
--- response_headers
Content-Type: application/json
X-Inngest-Server-Kind: dev
Access-Control-Allow-Origin: *
--- response_body_like: ^\{"error":"the request body is larger than this server accepts","status":413\}$
--- error_log
client intended to send too large body



=== a body that arrives in pieces
--- raw_request eval
my $body = '{"name":"a","data":{"x":"' . 'x' x 3000 . '"}}';
["POST /e/any HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
 . "Content-Length: " . length($body) . "\r\n\r\n" . substr($body, 0, 10),
 substr($body, 10, 1000), substr($body, 1010)]
--- raw_request_middle_delay: 0.05
--- response_body_like eval: $::Ids



=== a body in a temporary file
--- http_config eval
"$::Dev client_body_buffer_size 1k;"
--- request eval
qq(POST /e/any\n{"name":"a","data":{"x":") . 'x' x 100000 . '"}}'
--- response_body_like eval: $::Ids



=== a body of the largest size of an event
--- request eval
qq(POST /e/any\n{"name":"a","data":{"x":") . 'x' x (3 * 1024 * 1024 - 40)
. '"}}'
--- response_body_like eval: $::Ids
--- timeout: 10



=== the content type does not matter
--- request
POST /e/any
{"name":"a"}
--- more_headers
Content-Type: text/plain
--- response_body_like eval: $::Ids



=== a dev server takes any key, but a key
--- request
POST /e/
{"name":"a"}
--- error_code: 401
--- response_body chomp
{"status":401,"message":"","error":"Event key is required"}



=== a known key is let in
--- http_config eval: $::Production
--- request
POST /e/second-key
{"name":"a"}
--- response_headers
X-Inngest-Server-Kind: cloud
--- response_body_like eval: $::Ids



=== an unknown key is not
--- http_config eval: $::Production
--- pipelined_requests eval
["POST /e/second-ke\n[]", "POST /e/second-key2\n[]", "POST /e/FIRST\n[]"]
--- error_code eval
[401, 401, 401]
--- response_body eval
[('{"status":401,"message":"","error":"Event key not found"}') x 3]



=== a request with an unknown key does not spoil the next one
--- http_config eval: $::Production
--- pipelined_requests eval
[qq(POST /e/wrong\n{"name":"a"}), qq(POST /e/first\n{"name":"b"}),
 "GET /v1/events"]
--- more_headers eval: $::Token
--- error_code eval
[401, 200, 200]
--- response_body_like eval
[qr/Event key not found/, $::Ids,
 qr/"name":"b"/]



=== the id of a request comes back
--- request
POST /e/any
{"name":"a"}
--- more_headers
X-Request-ID: abc-123
--- response_headers
X-Request-ID: abc-123



=== a client that leaves early harms nobody
--- pipelined_requests eval
[qq(POST /e/any\n{"name":"a"})]
--- abort
--- timeout: 1ms
--- ignore_response
--- no_error_log
[alert]
[crit]
