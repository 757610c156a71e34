# What nginx -t says about the directives: each mistake is a sentence.

use strict;
use warnings;

use Test::Nginx::Socket 'no_plan';

our $Key = 'ab' x 32;

$ENV{TEST_NGINX_SECRET} = 'env-event-key';
env_to_nginx('TEST_NGINX_SECRET');

log_level('info');
no_long_string();
no_root_location();
no_shuffle();
run_tests();

my $group = getgrgid((getpwnam 'nobody')[3]);

my ($status, $said) = check("user nobody $group;", <<'HTTP');
    durable_store ROOT/html/checked/;
    durable_sidecar unix:ROOT/sidecar.sock;
    durable_mode dev;
    server {
        location / { durable_server; }
        location /more/ { durable_server; }
    }
HTTP

is($status, 0, 'nginx -t is content');
is(() = $said =~ /"client_max_body_size" \(1048576\) is smaller/g, 1,
   'what is said of all servers is said once');

my @stat = stat html_dir() . '/checked';

is($stat[2] & 0777, 0700, 'the directory of the store is there, for one user');
is($stat[4], $> ? $> : scalar getpwnam('nobody'),
   'the directory is that of the worker user');
is(join(' ', glob(html_dir() . '/checked/*')), '',
   'nginx -t does not open the store');

($status, $said) = check('', "    durable_mode staging;\n");

isnt($status, 0, 'nginx -t is not content');
like($said, qr/invalid value "staging" in \S+check\.conf:\d+/,
     'and says where');


sub check {
    my ($main, $http) = @_;

    my $root = server_root();
    my @load = map { "load_module $_;\n" }
               split ' ', $ENV{TEST_NGINX_LOAD_MODULES} || '';

    $http =~ s/ROOT/$root/g;

    open my $fh, '>', "$root/conf/check.conf" or die "check.conf: $!\n";
    print {$fh} @load, "$main\npid $root/logs/check.pid;\nevents {}\n",
        "http {\n    access_log off;\n",
        map({ "    ${_}_temp_path $root/html/check_$_;\n" }
            qw(client_body proxy fastcgi uwsgi scgi)),
        $http, "}\n";
    close $fh or die "check.conf: $!\n";

    my $nginx = $ENV{TEST_NGINX_BINARY} || 'nginx';
    my $text = `$nginx -t -e $root/logs/check.log -c $root/conf/check.conf 2>&1`;

    return ($?, $text);
}

__DATA__

=== a dev server needs a store and nothing more
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store;
durable_mode dev;
--- config
location / { durable_server; }
--- request
GET /health
--- response_body chomp
{"status":200,"message":"OK"}
--- no_error_log
[error]



=== at least one call goes out at a time
--- http_config
durable_concurrency 0;
--- config
--- must_die
--- error_log
value must be between 1 and 100000


--- no_error_log
[error]



=== every directive in one configuration
--- http_config eval
"durable_store \$TEST_NGINX_SERVER_ROOT/html/store size=64m retention=7d
     durability=async;
durable_sidecar unix:\$TEST_NGINX_SERVER_ROOT/sidecar.sock;
durable_mode production;
durable_event_key one two;
durable_event_key three;
durable_signing_key signkey-test-$::Key signkey-test-$::Key;
durable_app http://127.0.0.1:1/api/inngest;
durable_app https://example.com/api/inngest max_calls=7;
durable_poll_interval 10s;
durable_retry_interval 1s;
durable_discovery off;
durable_event_max_size 1m;
durable_request_max_size 2m;
durable_max_steps 50;
durable_concurrency 200;
client_max_body_size 2m;"
--- config
location / { durable_server; }
location = /durable { durable_status; }
--- request
GET /health
--- no_error_log
[error]



=== the path of a store is absolute
--- http_config
durable_store store;
--- config
--- must_die
--- error_log
the path "store" is not absolute



=== the path of a store leaves room for its socket
--- http_config eval
"durable_store /tmp/" . ('x' x 90) . ";"
--- config
--- must_die
--- error_log
is too long for a unix socket: at most 84 bytes fit here



=== there is one store
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store;
durable_store $TEST_NGINX_SERVER_ROOT/html/other;
--- config
--- must_die
--- error_log
"durable_store" directive is duplicate



=== the size of a store is a size
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store size=large;
--- config
--- must_die
--- error_log
invalid store size "large": it is a number with k, m or g, and at least 1m



=== the size of a store is at least a megabyte
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store size=10k;
--- config
--- must_die
--- error_log
invalid store size "10k"



=== the retention is a time
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store retention=ever;
--- config
--- must_die
--- error_log
invalid retention "ever": it is a time such as 30d or 12h



=== an unknown option of the store is named
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store colour=red;
--- config
--- must_die
--- error_log
unknown option "colour=red": "durable_store" knows size=, retention= and durability=sync|async



=== a store of a newer format is refused
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/newer;
--- user_files
>>> newer/format
nginx-durable 999
--- config
--- must_die
--- error_log eval
qr/the store ".+newer" cannot be used: .+/



=== a store without a sidecar is a warning
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store;
durable_mode dev;
--- config
location / { durable_server; }
--- request
GET /health
--- error_log
there is no "durable_sidecar": events are stored, but no step will be executed



=== the sidecar is reached over a unix socket
--- http_config
durable_sidecar 127.0.0.1:9000;
--- config
--- must_die
--- error_log
the sidecar is reached over a unix socket: write "unix:/path" in place of "127.0.0.1:9000"



=== the path of the sidecar is absolute
--- http_config
durable_sidecar unix:sidecar.sock;
--- config
--- must_die
--- error_log
the path "sidecar.sock" is not absolute



=== the path of the sidecar fits a unix socket
--- http_config eval
"durable_sidecar unix:/tmp/" . ('x' x 120) . ";"
--- config
--- must_die
--- error_log
is too long for a unix socket: at most 107 bytes fit here



=== a mode is dev or production
--- http_config
durable_mode staging;
--- config
--- must_die
--- error_log
invalid value "staging"



=== production needs a signing key
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store;
durable_event_key one;
--- config
location / { durable_server; }
--- must_die
--- error_log
"durable_server" in production needs "durable_signing_key" (or "durable_mode dev")



=== production needs an event key
--- http_config eval
"durable_store \$TEST_NGINX_SERVER_ROOT/html/store;
durable_signing_key $::Key;"
--- config
location / { durable_server; }
--- must_die
--- error_log
"durable_server" in production needs "durable_event_key" (or "durable_mode dev")



=== an event key is not empty
--- http_config
durable_event_key "";
--- config
--- must_die
--- error_log
an event key must not be empty



=== an event key has no slash
--- http_config
durable_event_key a/b;
--- config
--- must_die
--- error_log
an event key is a part of a path



=== a signing key is hexadecimal
--- http_config
durable_signing_key signkey-prod-secret;
--- config
--- must_die
--- error_log
the first signing key is not valid: after an optional "signkey-<word>-" it is an even number of hexadecimal digits
--- no_error_log
signkey-prod-secret



=== a signing key has an even number of digits
--- http_config
durable_signing_key signkey-prod-abc;
--- config
--- must_die
--- error_log
the first signing key is not valid



=== a signing key is more than its prefix
--- http_config
durable_signing_key signkey-prod-;
--- config
--- must_die
--- error_log
the first signing key is not valid



=== the fallback key is checked as well
--- http_config
durable_signing_key abcd xyz;
--- config
--- must_die
--- error_log
the fallback signing key is not valid



=== a secret comes from a file, without its line end
--- http_config eval
"durable_store \$TEST_NGINX_SERVER_ROOT/html/store;
durable_event_key file:\$TEST_NGINX_SERVER_ROOT/html/event;
durable_signing_key file:\$TEST_NGINX_SERVER_ROOT/html/signing;"
--- user_files eval
[["event", "file-key\r\n"], ["signing", "signkey-test-$::Key\n"]]
--- config
location / { durable_server; }
--- pipelined_requests eval
["POST /e/file-key\n[]", "POST /e/file\n[]"]
--- error_code eval
[200, 401]



=== a secret comes from the environment
--- http_config eval
"durable_store \$TEST_NGINX_SERVER_ROOT/html/store;
durable_event_key env:TEST_NGINX_SECRET;
durable_signing_key $::Key;"
--- config
location / { durable_server; }
--- request
POST /e/env-event-key
[]
--- response_body chomp
{"ids":[],"status":200}



=== a secret in a file that is not there
--- http_config
durable_event_key file:/nonexistent/key;
--- config
--- must_die
--- error_log
the secret in "/nonexistent/key" cannot be read: open() failed (2: No such file or directory)



=== a secret in a file by a relative path
--- http_config
durable_event_key file:key;
--- config
--- must_die
--- error_log
"file:" needs an absolute path, not "key"



=== a secret in a variable that is not there
--- http_config
durable_event_key env:NO_SUCH_VARIABLE;
--- config
--- must_die
--- error_log
the environment has no variable "NO_SUCH_VARIABLE"



=== an app is reached over http or https
--- http_config
durable_app ftp://example.com/;
--- config
--- must_die
--- error_log
the URL of an app is "http://host:port/path" or https, not "ftp://example.com/"



=== the URL of an app has a host
--- http_config
durable_app http:///api/inngest;
--- config
--- must_die
--- error_log
the URL of an app is "http://host:port/path" or https



=== an app is named once
--- http_config
durable_app http://127.0.0.1:3000/api/inngest;
durable_app http://127.0.0.1:3000/api/inngest;
--- config
--- must_die
--- error_log
the app "http://127.0.0.1:3000/api/inngest" is there already



=== the calls of an app are counted
--- http_config
durable_app http://127.0.0.1:3000/api/inngest max_calls=0;
--- config
--- must_die
--- error_log
invalid "max_calls=0": it is a number from 1 to 65535



=== an unknown option of an app is named
--- http_config
durable_app http://127.0.0.1:3000/api/inngest weight=1;
--- config
--- must_die
--- error_log
unknown option "weight=1": "durable_app" knows max_calls=



=== an app needs a store
--- http_config
durable_app http://127.0.0.1:3000/api/inngest;
--- config
--- must_die
--- error_log
"durable_app" needs "durable_store" in the http block



=== a server needs a store, and the line of the directive is told
--- http_config
durable_mode dev;
--- config
location / { durable_server; }
--- must_die
--- error_log eval
qr/"durable_server" needs "durable_store" in the http block in .+nginx\.conf:\d+/



=== a status page needs a store
--- config
location /durable { durable_status; }
--- must_die
--- error_log
"durable_status" needs "durable_store" in the http block



=== discovery is for dev servers
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store;
durable_discovery on;
--- config
--- must_die
--- error_log
"durable_discovery" needs "durable_mode dev"



=== an interval is a time
--- http_config
durable_poll_interval often;
--- config
--- must_die
--- error_log
"durable_poll_interval" directive invalid value



=== a run has a number of steps
--- http_config
durable_max_steps 0;
--- config
--- must_die
--- error_log
value must be between 1 and 100000



=== an event is not larger than its request
--- http_config
durable_event_max_size 3m;
durable_request_max_size 2m;
--- config
--- must_die
--- error_log
"durable_event_max_size" must be between 1 and "durable_request_max_size"



=== a request has a largest size
--- http_config
durable_request_max_size 17m;
--- config
--- must_die
--- error_log
"durable_request_max_size" must be between 1k and 16m



=== a body limit of nginx below that of the server is a warning
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store;
durable_mode dev;
--- config
location / { durable_server; client_max_body_size 1m; }
--- request
GET /health
--- error_log
"client_max_body_size" (1048576) is smaller than "durable_request_max_size" (16777216)



=== a server elsewhere than in location / is a warning
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store;
durable_mode dev;
--- config
location /api/ { durable_server; }
location /t { return 200; }
--- request
GET /t
--- error_log
"durable_server" should be in "location /"



=== metrics need a store
--- config
location /metrics { durable_metrics; }
--- must_die
--- error_log
"durable_metrics" needs "durable_store" in the http block



=== a location is metrics or a status page
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store;
--- config
location / { durable_metrics; durable_status; }
--- must_die
--- error_log
"durable_status" directive cannot share a location with "durable_metrics"



=== a location is a server or a status page
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store;
--- config
location / { durable_server; durable_status; }
--- must_die
--- error_log
"durable_status" directive cannot share a location with "durable_server"



=== a location is a server once
--- http_config
durable_store $TEST_NGINX_SERVER_ROOT/html/store;
--- config
location / { durable_server; durable_server; }
--- must_die
--- error_log
"durable_server" directive is duplicate



=== without any of the directives nothing is different
--- config
location /t { return 200 "plain"; }
--- request
GET /t
--- response_body chomp
plain
--- response_headers
! X-Inngest-Server-Kind
