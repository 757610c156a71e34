# The runner proves itself on stock nginx alone: first blocks that must pass,
# then files of blocks that must fail, run by a child, with their counts.

use strict;
use warnings;

use Cwd qw(getcwd);
use File::Temp qw(tempdir);
use IO::Socket::INET;

use Test::Nginx::Socket 'no_plan';

our $Upstream = 'location /proxied { proxy_pass http://127.0.0.1:'
                . '$TEST_NGINX_RAND_PORT_1; proxy_set_header Host up; }';

add_block_preprocessor(sub {
    my ($block) = @_;

    if ($block->name =~ /preprocessor/) {
        $block->set_value('config', 'location /made { return 200 "made"; }');
    }
});

no_long_string();
run_tests();

is(blocks(), scalar(grep { /^=== / } source()) - 1,
   'all blocks but the skipped one were run');

# the genuine one ends nginx later

is(-e server_root() . '/logs/nginx.pid', undef, 'no nginx stays behind')
    if $INC{'Test/Nginx/Server.pm'};

failing('a wrong status', 1, 1, <<'BLOCKS');
=== wrong status
--- config
location /t { return 404; }
--- request
GET /t
BLOCKS

failing('each check of a response', 7, 7, <<'BLOCKS');
=== all wrong
--- config
location /t { add_header X-One one; return 200 "body"; }
--- request
GET /t
--- error_code: 201
--- response_headers
X-One: two
! X-One
--- response_headers_like
X-One: t.*
--- response_body chomp
bodies
--- response_body_like: ^nobody
--- response_body_unlike: body
BLOCKS

failing('a pattern that the log has not', 3, 1, <<'BLOCKS');
=== no such line
--- config
location /t { return 200; }
--- request
GET /t
--- error_log
this is never logged
--- no_error_log
[error]
BLOCKS

failing('a pattern that the log should not have', 2, 1, <<'BLOCKS');
=== such a line
--- config
location /t { root html; }
--- request
GET /t/nothing
--- error_code: 404
--- no_error_log
[error]
BLOCKS

failing('nginx starts but should die', 1, 1, <<'BLOCKS');
=== starts
--- config
--- must_die
BLOCKS

failing('nginx dies but should start', 1, 1, <<'BLOCKS');
=== dies
--- config
no_such_directive on;
--- request
GET /
BLOCKS

failing('the second of two pipelined requests', 4, 1, <<'BLOCKS');
=== second
--- config
location /a { return 200 "a"; }
location /b { return 200 "b"; }
--- pipelined_requests eval
["GET /a", "GET /b"]
--- response_body eval
["a", "a"]
BLOCKS

failing('a server that does not answer', 1, 1, <<'BLOCKS');
=== silent
--- config
location /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_9
--- tcp_reply_delay: 3
--- tcp_reply: late
--- request
GET /t
--- timeout: 200ms
BLOCKS

failing('a body cut short', 2, 1, <<'BLOCKS');
=== short
--- config
location /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_9
--- tcp_reply eval
"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfive!"
--- request
GET /t
BLOCKS

failing('a query that differs', 2, 1, <<'BLOCKS');
=== query
--- config
location /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_9
--- tcp_reply eval
"HTTP/1.0 200 OK\r\n\r\n"
--- tcp_query eval
"GET /u HTTP"
--- request
GET /t
BLOCKS

failing('an alert in the log that nobody asked for', 2, 1, <<'BLOCKS');
=== alert
--- config
location /t { return 200; }
--- user_files
>>> ../logs/error.log
2026/01/01 00:00:00 [alert] 1#1: *1 open socket #3 left in connection 4
--- request
GET /t
BLOCKS

failing('a worker that is killed', 2, 2, <<'BLOCKS', 'master_on();');
=== killed
--- config
location /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_9
--- tcp_reply eval
sub { kill 'KILL', Test::Nginx::Server::children(); '' }
--- request
GET /t
BLOCKS

failing('nginx itself is killed', 2, 2, <<'BLOCKS');
=== killed
--- config
location /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_9; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_9
--- tcp_reply eval
sub { kill 'KILL', $Test::Nginx::Server::pid; '' }
--- request
GET /t
BLOCKS

failing('a plan that does not fit', 1, 0, <<'BLOCKS', 'plan tests => 3;');
=== plan
--- config
location /t { return 200; }
--- request
GET /t
BLOCKS

passing('each check again for each repetition', 9, <<'BLOCKS',
=== again
--- config
location /t { return 200 $connection; }
--- request
GET /t
--- response_body_like: ^\d+$
=== dies
--- config
no_such_directive on;
--- must_die
BLOCKS
    'repeat_each(3); plan tests => repeat_each() * (blocks() * 2 - 1);');

passing('env_to_nginx and a cleanup handler', 2, <<'BLOCKS',
=== environment
--- main_config
env RUNNER_OTHER=1;
--- config
location /t { return 200; }
--- request
GET /t
BLOCKS
    q{env_to_nginx('RUNNER_WORD=word');
      add_cleanup_handler(sub { print "# cleaned up\n" });
      END { like(Test::Nginx::Server::read_file(
                     server_root() . '/conf/nginx.conf'),
                 qr/env RUNNER_WORD=word;/, 'written') }
      plan tests => 2;}, qr/^# cleaned up$/m);

failing('an unknown variable of the environment', 1, 1, <<'BLOCKS');
=== unknown
--- config
location /t { return 200 $TEST_NGINX_NO_SUCH_THING; }
--- request
GET /t
BLOCKS


# Blocks in a file of their own: so many tests, so many of them not ok, and an
# exit code that prove takes for a failure.
sub failing {
    my ($title, $tests, $not_ok, $blocks, $head) = @_;

    my ($out, $code, $errors) = child($blocks, $head);

    is(counts($out), "$tests tests, $not_ok not ok", "counts: $title")
        || diag($out, $errors);
    isnt($code, 0, "fails: $title");

    return;
}


sub passing {
    my ($title, $tests, $blocks, $head, $says) = @_;

    my ($out, $code, $errors) = child($blocks, $head);

    is(counts($out), "$tests tests, 0 not ok", "counts: $title")
        || diag($out, $errors);
    is($code, 0, "passes: $title");
    like($out, $says, "says so: $title") if defined $says;

    return;
}


sub counts {
    my ($out) = @_;

    my @all = $out =~ /^(?:not )?ok\b/mg;
    my @bad = $out =~ /^not ok\b/mg;

    return @all . ' tests, ' . @bad . ' not ok';
}


sub child {
    my ($blocks, $head) = @_;

    my $dir = tempdir(CLEANUP => 1);
    my $free = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1');
    my $plan = $head && $head =~ /plan/ ? '' : "'no_plan'";

    local %ENV = (%ENV, TEST_NGINX_SERVROOT => "$dir/servroot",
                  TEST_NGINX_PORT => $free->sockport);
    delete @ENV{qw(TEST_NGINX_SERVER_PORT TEST_NGINX_USE_HUP
                   TEST_NGINX_REPEAT_EACH)};

    close $free;
    $head = '' unless defined $head;

    open my $file, '>', "$dir/child.t" or die "$dir/child.t: $!\n";
    print {$file} "use Test::Nginx::Socket $plan;\n$head\nrun_tests();\n"
                  . "__DATA__\n$blocks";
    close $file;

    my $lib = getcwd() . '/t/lib';
    my $out = `$^X -I$lib $dir/child.t 2>$dir/stderr`;

    return ($out, $? >> 8, slurp("$dir/stderr"));
}


sub slurp {
    my ($path) = @_;

    open my $fh, '<', $path or return '';
    local $/;

    return scalar <$fh>;
}


sub source { return split /^/, slurp($0) =~ s/.*^__DATA__$//msr }


__DATA__

=== a plain answer has a status, headers and a body
--- config
location /t { add_header X-One one; add_header X-One more; return 200 "hi\n"; }
--- request
GET /t
--- response_headers
X-One: one, more
Content-Type: text/plain
! X-Two
--- raw_response_headers_like
HTTP/1.1 200 OK\r\nServer: nginx[^\n]*
--- response_body
hi
--- no_error_log
[error]



=== headers and a body may be patterns
--- config
location /t { return 200 "hi\n"; }
--- request
GET /t
--- response_headers_like
Server: nginx/[\d.]+
--- response_body_like: ^h



=== a body may be what a pattern does not find
--- config
location /t { return 200 "hi\n"; }
--- request
GET /t
--- response_body_unlike: error



=== inline values and comments are read
--- config
# a comment
location /t { return 200 "#\n---\n"; }
--- request: GET /t
--- error_code: 200
--- response_body eval
"#\n---\n"



=== the filters chomp, chop, lines, append and eval change a section
--- config eval
"location /t { return 200 'a\nb\nc'; }"
--- request chomp append=?x=1
GET /t
--- response_body lines join chop chop eval
"a\nb\nc".
--- error_log eval
[qr/GET \/t\?x=1/, 'http request line']



=== a section made by eval sees what the file sets before run_tests
--- config eval: $::Upstream
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
["HTTP/1.0 200 OK\r\n", "X-Up: 1\r\n\r\n", "from upstream"]
--- tcp_query eval
"GET /proxied HTTP/1.0\r\nHost: up\r\nConnection: close\r\n\r\n"
--- request
GET /proxied
--- response_headers
X-Up: 1
--- response_body chomp
from upstream



=== a backend on a unix socket answers what its code says
--- config
location /t { proxy_pass http://unix:$TEST_NGINX_SERVER_ROOT/html/up.sock:/u; }
--- tcp_listen: $TEST_NGINX_SERVER_ROOT/html/up.sock
--- tcp_reply_delay: 20ms
--- tcp_reply eval
sub { my ($q) = @_; "HTTP/1.0 200 OK\r\n\r\n" . ($q =~ /\r\n\r\n(.*)/s)[0] }
--- request
POST /t
a body of
two lines
--- response_body chomp
a body of
two lines



=== a chunked body is put together
--- config
location /docs { types { } sub_filter one two; sub_filter_once off; }
--- user_files
>>> docs/a.html
one and one
>>> docs/b.html 200001020304.05
in a directory
--- request eval
["GET /docs/a.html", "GET /docs/b.html"]
--- response_headers eval
["Transfer-Encoding: chunked\nContent-Type: text/plain", "! Last-Modified"]
--- response_body eval
["two and two\n", "in a directory\n"]
--- http_config
sub_filter_types *;



=== pipelined requests share one connection
--- config
location /put { dav_methods PUT; alias $TEST_NGINX_SERVER_ROOT/html; }
location /n { return 200 $connection_requests; }
--- pipelined_requests eval
["PUT /put/file\ncontent", "GET /put/file", "GET /n"]
--- more_headers eval
["X-A: 1", "X-B: 2", ""]
--- error_code_like eval
["^20[14]", 200, 200]
--- response_body eval
["", "content", "3"]



=== several requests use a connection each
--- config
location /n { return 200 $connection_requests; }
location /gone { return 410; }
--- request eval
["GET /n", "POST /gone\nx", "GET /n"]
--- error_code eval
[200, 410, 200]
--- response_body_like eval
["^1\$", "410 Gone", "^1\$"]



=== a request may come in packets
--- config
location /put { dav_methods PUT; alias $TEST_NGINX_SERVER_ROOT/html; }
--- request eval
[["PUT /put/slow\nfirst ", { value => "second", delay_before => 0.1 }],
 "GET /put/slow"]
--- error_code_like eval
["^20[14]", 200]
--- response_body eval
["", "first second"]



=== a raw request goes out as it is, in pieces
--- config
location /t { return 200 $http_x_raw; }
--- raw_request eval
["GET /t HTTP/1.1\r\nHost: a\r\nX-R", "aw: yes\r\nConnection: close\r\n\r\n"]
--- raw_request_middle_delay: 0.1
--- response_body chomp
yes



=== a broken raw request is answered with 400
--- config
--- raw_request eval
"nonsense\r\n\r\n"
--- error_code: 400
--- error_log
client sent invalid



=== more_headers are sent, and replace the default ones
--- config
location /t { return 200 "$host $http_x_a $http_connection"; }
--- request
GET /t
--- more_headers
Host: example.com
X-A: a b
Connection: foo
--- response_body chomp
example.com a b foo
--- timeout: 1
--- abort



=== an HTTP/1.0 request is possible
--- config
location /t { return 200 $server_protocol; }
--- request
GET /t HTTP/1.0
--- response_body: HTTP/1.0



=== a configuration that nginx refuses is what must_die is for
--- config
no_such_directive on;
--- must_die
--- error_log
[emerg]
unknown directive "no_such_directive"
--- no_error_log
[alert]



=== a broken main_config dies as well
--- main_config
worker_processes none;
--- config
--- must_die
--- error_log eval
qr/\[emerg\].*duplicate/



=== main_config, http_config and post_main_config have their places
--- main_config
worker_rlimit_nofile 200;
timer_resolution 50ms;
--- http_config
map $uri $mapped { default no; /t yes; }
--- post_main_config
working_directory /;
--- config
location /t { return 200 $mapped; }
--- request
GET /t
--- response_body: yes



=== the root location shows the page of the runner
--- config
--- request
GET /
--- response_body_like: It works!



=== a preprocessor can make sections
--- request
GET /made
--- response_body: made



=== lines of the error log are picked out
--- config
location /t { rewrite_log on; rewrite ^/t/(\d) /u/$1; }
location /u { return 200; }
--- log_level: notice
--- request
GET /t/7
--- grep_error_log eval
qr/rewritten data: "[^"]*"/
--- grep_error_log_out
rewritten data: "/u/7"
--- error_log
rewritten data
--- no_error_log
[debug]



=== an expected alert is no failure
--- config
location /t { return 200; }
--- user_files
>>> ../logs/error.log
2026/01/01 00:00:00 [alert] 1#1: something is odd
--- request
GET /t
--- error_log
something is odd
--- shutdown_error_log eval
[qr/exit/]
--- no_shutdown_error_log
[crit]



=== ignore_response leaves only the log
--- config
location /t { return 500; }
--- request
GET /t
--- ignore_response
--- error_log
GET /t



=== abort closes the connection after the timeout
--- config
location /t { proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1; }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply_delay: 400ms
--- tcp_reply eval: "HTTP/1.0 200 OK\r\n\r\n"
--- request
GET /t
--- timeout: 100ms
--- abort
--- ignore_response
--- error_log
client prematurely closed connection



=== wait gives time before the log is read
--- config
location /t { return 200; }
--- request
GET /t
--- wait: 0.05
--- no_error_log
[error]



=== an old nginx would be skipped
--- config
--- request
GET /nothing
--- skip_nginx: 2: > 0.1.0



=== skip_eval skips when its code is true
--- config
--- request
GET /nothing
--- skip_eval: 2: 1 + 1 == 2



=== variables of the environment are put into a section
--- config
location /t { return 200 $TEST_NGINX_SERVER_PORT; }
--- request
GET /t
--- response_body eval: $ENV{TEST_NGINX_PORT}
--- error_log eval
[qr/"GET \/t HTTP\/1.1"|GET \/t/]



=== this one is not run
--- SKIP
--- config
no_such_directive on;
--- request
GET /



=== a HEAD request has no body, a 304 has none either
--- config
location /t { return 200 "body"; }
location /same { if_modified_since before; alias $TEST_NGINX_SERVER_ROOT/html; }
--- request eval
["HEAD /t", "GET /same/index.html"]
--- more_headers eval
["", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"]
--- error_code eval
[200, 304]
--- response_headers eval
["Content-Length: 4", ""]
--- response_body eval
["", ""]
