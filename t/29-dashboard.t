# Copyright (C) the nginx-durable authors

# The server's side of the dashboard: its files, its headers, who may read,
# who may act, and what is not there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

use Durable qw(missing slurp wait_for write_file);
use FakeApp;
use HttpClient;

plan skip_all => missing() if missing();


my $root = tempdir(CLEANUP => 1);
my $secret = 'signkey-test-0123456789abcdef';

my %file = (
    'index.html' => "<!doctype html><title>page</title>\n",
    'style.css' => "body { color: red }\n" x 100,
    'src/app.js' => "export default 1;\n",
    'src/deep/er/x.mjs' => "export default 2;\n",
    'icon.svg' => '<svg xmlns="http://www.w3.org/2000/svg"/>',
    'empty.txt' => '',
    'package.lock' => 'no type',
    '.hidden.js' => 'hidden',
    'src/.git/config.json' => '{}',
    '..secret.js' => 'hidden too',
    'a b.js' => 'a space',
);

chmod 0755, $root;

for my $name (keys %file) {
    my ($dir) = "$root/$name" =~ m{\A(.*)/};

    make_path($dir);
    write_file("$root/$name", $file{$name});
}

make_path("$root/dir.js");
system("gzip -9 -n -k $root/style.css") == 0 or die "no gzip here\n";


my $port = Durable::free_port();
my $json = JSON::PP->new->utf8;
my $app = FakeApp->new(id => 'shop', server => "http://127.0.0.1:$port",
    record => tempdir(CLEANUP => 1) . '/calls',
    functions => {
        order => { event => 't/order', retries => 0, result => 'done',
                   steps => [{ run => 'charge' }] },
        waits => { event => 't/waits', retries => 0,
                   steps => [{ sleep => 'long', for => '1h' }] },
    });

$app->start;

my $dev = server(mode => 'dev', port => $port, apps => [$app->url]);

files_are_sent();
files_outside_are_not();
headers_are_everywhere();
api_is_what_people_need();
actions_come_from_the_page();

hostile_content_is_json();
readers_leave_nothing();

is($dev->alerts, '', 'the log is clean');
$dev->stop;

the_key_is_asked_for();
configurations_are_checked();
examples_protect();

$app->stop;
done_testing();


sub server {
    my (%option) = @_;

    my $d = Durable->new(workers => 2, http => "durable_realtime 1m;",
        server => "
        location /durable/ { durable_dashboard root=$root; }
        location /see/ { durable_dashboard root=$root read_only; }
        location /group/ {
            durable_dashboard root=$root read_only=\$arg_ro;
        }
        location /closed/ { durable_dashboard root=$root; deny all; }
        location /asked/ {
            auth_basic who;
            auth_basic_user_file users;
            durable_dashboard root=$root access=nginx;
        }
    ", %option);

    write_file($d->dir . '/users', "me:{PLAIN}word\n");

    return $d->start;
}


sub ask {
    my ($d, $method, $uri, $body, %header) = @_;

    return HttpClient->new(port => $d->port, keepalive => 0)
                     ->request($method, $uri, $body, \%header);
}


# ---- files

sub files_are_sent {
    my %type = ('' => 'text/html; charset=utf-8',
                'index.html' => 'text/html; charset=utf-8',
                'style.css' => 'text/css; charset=utf-8',
                'src/app.js' => 'text/javascript; charset=utf-8',
                'src/deep/er/x.mjs' => 'text/javascript; charset=utf-8',
                'icon.svg' => 'image/svg+xml',
                'empty.txt' => 'text/plain; charset=utf-8');

    for my $name (sort keys %type) {
        my $r = ask($dev, 'GET', "/durable/$name");

        is($r->{status}, 200, "\"$name\" is sent");
        is($r->{body}, $file{$name || 'index.html'}, '... as it is');
        is($r->{headers}{'content-type'}, $type{$name}, '... as its type');
        is($r->{headers}{'cache-control'}, 'no-cache',
           '... to be asked for again');
    }

    my $r = ask($dev, 'HEAD', '/durable/style.css');
    is($r->{status}, 200, 'HEAD is answered');
    is($r->{headers}{'content-length'}, length $file{'style.css'},
       '... with the length');
    is($r->{body}, '', '... and no body');

    $r = ask($dev, 'GET', '/durable/style.css', undef,
             'If-None-Match' => $r->{headers}{etag});
    is($r->{status}, 304, 'a file that the browser has is not sent again');

    $r = ask($dev, 'GET', '/durable/style.css', undef,
             'Accept-Encoding' => 'gzip');
    is($r->{headers}{'content-encoding'}, 'gzip',
       'the .gz beside a file is sent to who takes it');
    is($r->{headers}{vary}, 'Accept-Encoding', '... which caches are told');
    is($r->{headers}{'content-type'}, 'text/css; charset=utf-8',
       '... as the type of the file');
    is($r->{headers}{'content-length'}, -s "$root/style.css.gz",
       '... with its own length');

    $r = ask($dev, 'GET', '/durable/src/app.js', undef,
             'Accept-Encoding' => 'gzip');
    is($r->{headers}{'content-encoding'}, undef,
       'a file without one is sent as it is');

    $r = ask($dev, 'GET', '/durable?a=b');
    is($r->{status}, 301, 'without the slash there is a redirect');
    like($r->{headers}{location}, qr{/durable/\?a=b\z}, '... with it');

    for my $method (qw(POST PUT DELETE OPTIONS PATCH)) {
        $r = ask($dev, $method, '/durable/index.html', '{}');
        is($r->{status}, 405, "$method is not for files");
        is($r->{headers}{allow}, 'GET, HEAD', '... as Allow says');
    }

    return;
}


sub files_outside_are_not {
    my @names = ('.hidden.js', 'src/.git/config.json', '..secret.js',
        'package.lock', 'style.css.gz', 'a%20b.js', 'dir.js', 'dir.js/',
        'src', 'src/', 'nothing.js', '%2e%2e/index.html', 'src/app.js/x.js',
        '..%2findex.html', 'src/..%5c..%5cx.js', 'x' x 300 . '.js',
        'index.html%20', 'index.html.', 'INDEX.HTML', '.js', 'src/.js');

    for my $name (@names) {
        my $r = ask($dev, 'GET', "/durable/$name");

        is($r->{status}, 404, substr("\"$name\" is not there", 0, 60));
        is($r->{json}{status}, 404, '... and a sentence says so');
    }

    for my $name ('../durable/../../../etc/passwd', '%2e%2e/%2e%2e/%2e%2e/x',
                  'src/../../../../etc/passwd', "x\%00.js")
    {
        my $r = ask($dev, 'GET', "/durable/$name");

        ok($r->{status} =~ /\A40[04]\z/, "\"$name\" leads nowhere");
        unlike($r->{body}, qr/root:/, '... and shows nothing');
    }

    return;
}


# ---- headers

my %said;

BEGIN {
    %said = (
        'content-security-policy' => "default-src 'none'; script-src 'self'; "
            . "style-src 'self'; img-src 'self' data:; connect-src 'self'; "
            . "font-src 'self'; base-uri 'none'; form-action 'none'; "
            . "frame-ancestors 'none'",
        'x-content-type-options' => 'nosniff',
        'referrer-policy' => 'no-referrer',
        'cross-origin-opener-policy' => 'same-origin',
        'cross-origin-resource-policy' => 'same-origin',
    );
}


sub protected {
    my ($r, $title) = @_;

    my %got = map { $_ => $r->{headers}{$_} } keys %said;

    is_deeply(\%got, \%said, "$title: the headers that protect are there");
    is($r->{headers}{'access-control-allow-origin'}, undef,
       '... and no other site may read it');

    return;
}


sub headers_are_everywhere {
    my $etag = ask($dev, 'GET', '/durable/')->{headers}{etag};

    my @table = (
        [200, 'GET', '/durable/', {}],
        [200, 'GET', '/durable/api/v1/runs', {}],
        [200, 'GET', '/durable/api/session', {}],
        [304, 'GET', '/durable/', { 'If-None-Match' => $etag }],
        [400, 'GET', '/durable/api/v1/runs?limit=x', {}],
        [401, 'GET', '/asked/', {}],
        [401, 'GET', '/asked/api/v1/runs', {}],
        [403, 'GET', '/closed/', {}],
        [403, 'POST', '/durable/api/e/dashboard', {}],
        [404, 'GET', '/durable/none.js', {}],
        [404, 'GET', '/durable/api/none', {}],
        [405, 'PUT', '/durable/api/v1/apps', {}],
        [405, 'OPTIONS', '/durable/api/v1/apps', {}],
        [405, 'POST', '/durable/index.html', {}],
        [412, 'GET', '/durable/', { 'If-Match' => '"x"' }],
        [413, 'POST', '/durable/api/e/dashboard',
         { 'Content-Length' => 1_000_000_000, Origin => 'http://localhost' }],
    );

    for my $case (@table) {
        my ($status, $method, $uri, $header) = @$case;
        my $body = $method eq 'POST' && $status != 413 ? '{}' : undef;
        my $r = ask($dev, $method, $uri, $body, %$header);

        is($r->{status}, $status, "$method $uri is a $status");
        protected($r, $status);

        next if $status < 400;

        is($r->{headers}{'content-type'}, 'application/json',
           '... an error is JSON');
        ok(length($r->{json}{error} || ''), '... with a sentence');
    }

    is(ask($dev, 'GET', '/durable/api/v1/runs')->{headers}{'cache-control'},
       'no-store', 'nothing of the API is kept by caches');

    return;
}


# ---- what is below api/

sub api_is_what_people_need {
    my $source = slurp('ngx_module/ngx_http_durable_server.c');
    my (%there, %not);

    while ($source =~ m{\{\s*([A-Z_|]+),\s*ngx_string\("([^"]+)"\),\s*
                        NGX_HTTP_DURABLE_(\w+),}gsx)
    {
        my ($methods, $pattern, $auth) = ($1, $2, $3);
        my ($method) = $methods =~ /NGX_HTTP_(\w+)/;

        ($auth eq 'PEOPLE' ? \%there : \%not)->{"$method $pattern"} = 1;
    }

    cmp_ok(scalar keys %there, '>', 20, 'the table of routes was read');

    for my $route (sort keys %there) {
        my ($method, $path) = split / /, $route;
        $path =~ s/\*/none/g;
        next if $path =~ /feed/;

        my $r = ask($dev, $method, "/durable/api$path",
                    $method eq 'GET' ? undef : '{}',
                    'Sec-Fetch-Site' => 'same-origin');

        unlike($r->{json}{error} || '', qr/there is nothing at/,
               "$route is there for people");
    }

    is_deeply([grep { m{ /v1/} && !m{/(?:checkpoint|http|realtime|traces)/?}
                      && !m{/metadata$|/apps/\*/functions$} }
               sort keys %not], [], 'nothing else of v1 is kept from them');

    for my $route (sort keys %not) {
        my ($method, $path) = split / /, $route;
        $path =~ s/\*+/none/g;

        my $r = ask($dev, $method, "/durable/api$path",
                    $method eq 'GET' ? undef : '{}',
                    'Sec-Fetch-Site' => 'same-origin');

        like($r->{json}{error} || '', qr/there is nothing at|is not allowed/,
             "$route is not");
    }

    for my $path ('/durable/api', '/durable/api/', '/durable/api//v1/runs',
                  '/durable/v1/runs', '/durable/api/durable/status',
                  '/durable/api/api/v1/runs', '/durable/api/session/',
                  '/durable/api/e/other', '/durable/api/e/dashboard2')
    {
        my $r = ask($dev, 'GET', $path);
        my $same = $path =~ m{//};

        is($r->{status}, $same ? 200 : 404,
           "$path is " . ($same ? 'that with one slash' : 'not there'));
    }

    return;
}


# ---- actions

sub actions_come_from_the_page {
    my $host = 'page.example:8288';
    my $json = 'application/json';
    my $uri = '/durable/api/e/dashboard';

    my @table = (
        [200, { 'Sec-Fetch-Site' => 'same-origin' }],
        [200, { 'Sec-Fetch-Site' => 'none' }],
        [200, { 'Sec-Fetch-Site' => 'same-origin',
                'Content-Type' => 'application/json; charset=utf-8' }],
        [200, { 'Sec-Fetch-Site' => 'same-origin',
                'Content-Type' => 'Application/JSON' }],
        [200, { Origin => "http://$host" }],
        [200, { Origin => "https://$host" }],
        [200, { Origin => 'https://PAGE.example:8288' }],
        [200, { Origin => 'http://other.example',
                'Sec-Fetch-Site' => 'same-origin' }],
        [403, {}, qr/dashboard's own page/],
        [403, { 'Sec-Fetch-Site' => 'cross-site' }, qr/own page/],
        [403, { 'Sec-Fetch-Site' => 'same-site' }, qr/own page/],
        [403, { 'Sec-Fetch-Site' => '' }, qr/own page/],
        [403, { 'Sec-Fetch-Site' => 'same-origin, cross-site' },
         qr/own page/],
        [403, { 'Sec-Fetch-Site' => 'cross-site',
                Origin => "http://$host" }, qr/own page/],
        [403, { Origin => 'http://other.example' }, qr/own page/],
        [403, { Origin => 'http://page.example' }, qr/own page/],
        [403, { Origin => 'http://page.example:82880' }, qr/own page/],
        [403, { Origin => "http://x.$host" }, qr/own page/],
        [403, { Origin => "http://$host.evil.example" }, qr/own page/],
        [403, { Origin => "http://evil.example/://$host" }, qr/own page/],
        [403, { Origin => $host }, qr/own page/],
        [403, { Origin => 'null' }, qr/own page/],
        [403, { Origin => '' }, qr/own page/],
        (map { [403, { 'Sec-Fetch-Site' => 'same-origin',
                       'Content-Type' => $_ }, qr/application\/json/] }
             'text/plain', 'application/x-www-form-urlencoded',
             'multipart/form-data', 'application/jsonp', 'text/json',
             'text/plain; application/json'),
    );

    my $n = 0;

    for my $case (@table) {
        my ($status, $header, $sentence) = @$case;
        my $title = join ', ', map { "$_: $header->{$_}" } sort keys %$header;

        my $r = ask($dev, 'POST', $uri, '{"name":"t/csrf"}', Host => $host,
                    %$header);

        is($r->{status}, $status, 'an action with ' . ($title || 'neither')
           . " is a $status");
        like($r->{json}{error}, $sentence, '... and a sentence says why')
            if $sentence;

        $n++ if $status == 200;
    }

    my $r = ask($dev, 'GET', '/durable/api/v1/events?name=t/csrf&limit=50');
    is(scalar @{$r->{json}{data}}, $n, 'what was refused was not done');

    my $run = '01K00000000000000000000000';

    $r = ask($dev, 'DELETE', "/durable/api/v1/runs/$run", undef,
             'Sec-Fetch-Site' => 'same-origin');
    isnt($r->{status}, 403, 'a DELETE without a body needs no type');

    $r = ask($dev, 'DELETE', "/durable/api/v1/runs/$run", 'x=y',
             'Sec-Fetch-Site' => 'same-origin',
             'Content-Type' => 'text/plain');
    is($r->{status}, 403, '... with one it does');

    $r = ask($dev, 'DELETE', "/durable/api/v1/runs/$run");
    is($r->{status}, 403, '... and comes from the page as well');

    $r = ask($dev, 'POST', $uri, '{"name":"t/csrf"}',
             'Sec-Fetch-Site' => 'cross-site', Expect => '100-continue');
    is($r->{status}, 403, 'a body that waits for a 100 is refused at once');

    for my $place ('/see', '/group') {
        my $args = $place eq '/group' ? '?ro=1' : '';
        my %page = ('Sec-Fetch-Site' => 'same-origin');

        $r = ask($dev, 'GET', "$place/api/session$args");
        is($r->{json}{data}{read_only}, 1, "$place: read-only, says the "
           . 'session');

        $r = ask($dev, 'POST', "$place/api/e/dashboard$args",
                 '{"name":"t/x"}', %page);
        is($r->{status}, 403, '... an event is refused');
        is($r->{json}{error}, 'this dashboard is read-only', '... for that');

        $r = ask($dev, 'DELETE', "$place/api/v1/runs/$run$args", undef,
                 %page);
        is($r->{status}, 403, '... and so is to cancel a run');

        $r = ask($dev, 'GET', "$place/api/v1/runs$args");
        is($r->{status}, 200, '... but all can be seen');
    }

    for my $args ('', '?ro=', '?ro=0') {
        $r = ask($dev, 'POST', "/group/api/e/dashboard$args",
                 '{"name":"t/x"}', 'Sec-Fetch-Site' => 'same-origin');
        is($r->{status}, 200, "read_only=\$arg_ro with \"$args\" is not");
    }

    return;
}


# ---- what others have sent

sub hostile_content_is_json {
    my $script = "</script><script>alert(1)</script>";
    my @hostile = ($script, '"><img src=x onerror=alert(1)>',
        "javascript:alert(1)", "\x{2028}alert(1)\x{2029}", "\x01\x1b[31m",
        '{{constructor}}', "'-alert(1)-'", '<!--', '&lt;b&gt;');

    for my $word (@hostile) {
        my $r = ask($dev, 'POST', '/durable/api/e/dashboard',
            $json->encode({ name => "t/$word", id => "id $word",
                            data => { $word => [$word], url => $word },
                            user => { name => $word } }),
            'Sec-Fetch-Site' => 'same-origin');
        my $id = $r->{json}{ids}[0];

        is($r->{status}, 200, 'an event is taken: ' . $json->encode($word));

        for my $path ("v1/events/$id", 'v1/events?limit=50',
                      "v1/events/$id/runs",
                      'v1/events?name=' . escaped("t/$word"),
                      'v1/runs?q=' . escaped($word),
                      'v1/runs?event=' . escaped($word),
                      'v1/runs?function=' . escaped($word),
                      'v1/functions/' . escaped($word) . '/queue',
                      'v1/runs/' . escaped($word),
                      escaped($word))
        {
            $r = ask($dev, 'GET', "/durable/api/$path");

            is($r->{headers}{'content-type'}, 'application/json',
               "$path is JSON");
            is($r->{headers}{'x-content-type-options'}, 'nosniff',
               '... and nothing else');
            ok(defined $r->{json}, '... which can be read');
        }

        $r = ask($dev, 'GET', "/durable/api/v1/events/$id");
        is($r->{json}{data}{data}{url}, $word, '... and says what was sent');
    }

    return;
}


sub escaped {
    my ($text) = @_;

    utf8::encode($text);
    $text =~ s/([^A-Za-z0-9_.-])/sprintf '%%%02X', ord $1/ge;

    return $text;
}


# ---- readers that stay, or do not

sub sockets {
    my ($d) = @_;

    return scalar map { readlink($_) =~ /socket/ ? 1 : () }
           map { glob "/proc/$_/fd/*" } $d->worker_pids;
}


sub reader {
    my ($d, $path) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $d->port) or die "connect: $!\n";

    print {$socket} "GET $path HTTP/1.1\r\nHost: localhost\r\n\r\n";

    return $socket;
}


sub readers_leave_nothing {
    $dev->wait_registered('shop');

    my $before = sockets($dev);
    my @readers = map { reader($dev, '/durable/api/v1/feed?topics=runs') }
                  1 .. 20;

    for my $socket (@readers) {
        my $text = '';

        wait_for(10, 'the feed begins', sub {
            IO::Select->new($socket)->can_read(0.05)
                and sysread $socket, $text, 65536, length $text;
            return $text =~ /\r\n\r\n.*:\n/s;
        });

        like($text, qr/text\/event-stream/, 'the feed is there')
            if $socket == $readers[0];
        like($text, qr/content-security-policy.*nosniff/is,
             '... with the headers that protect') if $socket == $readers[0];
        unlike($text, qr/access-control/i, '... and for this page alone')
            if $socket == $readers[0];
    }

    my $event = $dev->send_event({ name => 't/order', data => {} });
    my $run = $dev->wait_run($event)->{run_id};
    my $text = '';

    wait_for(10, 'the feed tells of the run', sub {
        IO::Select->new($readers[0])->can_read(0.05)
            and sysread $readers[0], $text, 65536, length $text;
        return $text =~ /$run/;
    });

    my $r = ask($dev, 'GET', "/durable/api/v1/runs/$run?wait=5s");
    is($r->{json}{data}{status}, 'Completed',
       'a run that has ended is not waited for');

    my $waiting = $dev->send_event({ name => 't/waits', data => {} });
    $dev->wait_run($waiting, 'Running');
    my $id = ($dev->event_runs($waiting))[0]{run_id};

    my $long = reader($dev, "/durable/api/v1/runs/$id?wait=60s");
    my @gone = map { reader($dev, "/durable/api/v1/runs/$id?wait=60s") }
               1 .. 10;

    wait_for(10, 'they wait', sub { sockets($dev) >= $before + 31 });
    close $_ for @gone, @readers;

    $r = ask($dev, 'DELETE', "/durable/api/v1/runs/$id", undef,
             'Sec-Fetch-Site' => 'same-origin');
    ok($r->{status} < 300, 'the run is cancelled by the page');

    $text = '';
    wait_for(10, 'who waits learns of it', sub {
        IO::Select->new($long)->can_read(0.05)
            and sysread $long, $text, 65536, length $text;
        return $text =~ /"status":"Cancelled"/;
    });
    pass('a long poll ends when the run does');
    close $long;

    my @slow = map { reader($dev, '/durable/src/app.js') } 1 .. 10;
    close $_ for @slow;

    wait_for(15, 'all sockets are closed', sub {
        return sockets($dev) <= $before + 1;
    });
    pass('readers that went away leave nothing');

    return;
}


# ---- who may read

sub the_key_is_asked_for {
    my $d = server(mode => 'production', http => "durable_realtime 1m;
        durable_signing_key $secret; durable_event_key event-key;");
    my %same = ('Sec-Fetch-Site' => 'same-origin');
    my %bearer = (Authorization => "Bearer $secret");

    is(ask($d, 'GET', '/durable/')->{status}, 200,
       'the page itself has nothing to hide');

    my $session = ask($d, 'GET', '/durable/api/session')->{json}{data};
    is_deeply($session, { mode => 'production', read_only => JSON::PP::false,
                          key => JSON::PP::true, user => undef,
                          redacted => JSON::PP::false,
                          version => $session->{version} },
              'the session says that a key is needed');

    for my $header ({}, { Authorization => 'Bearer x' },
                    { Authorization => "Bearer $secret" . '0' },
                    { Authorization => 'Bearer signkey-test-0123456789abcd' },
                    { Authorization => $secret },
                    { Authorization => 'Basic bWU6d29yZA==' })
    {
        for my $case (['GET', '/durable/api/v1/runs'],
                      ['POST', '/durable/api/e/dashboard'],
                      ['POST', '/durable/api/invoke/shop-order'],
                      ['GET', '/see/api/v1/runs'],
                      ['GET', '/durable/api/v1/feed'])
        {
            my ($method, $path) = @$case;
            my $r = ask($d, $method, $path,
                        $method eq 'POST' ? '{"name":"t/x"}' : undef,
                        %same, %$header);

            is($r->{status}, 401, "$method $path with "
               . ($header->{Authorization} || 'no key') . ' is a 401');
            protected($r, 401);
        }
    }

    is(ask($d, 'GET', '/durable/api/v1/runs', undef, %bearer)->{status}, 200,
       'with the key the page reads');
    is(ask($d, 'POST', '/durable/api/e/dashboard', '{"name":"t/x"}', %same,
           %bearer)->{status}, 200, '... and sends events without theirs');
    is(ask($d, 'POST', '/durable/api/e/dashboard', '{"name":"t/x"}', %bearer)
       ->{status}, 403, 'the key alone is not the page');
    is(ask($d, 'POST', '/e/dashboard', '{"name":"t/x"}')->{status}, 401,
       'the name of its events is no key elsewhere');

    my %basic = (Authorization => 'Basic bWU6d29yZA==');

    is(ask($d, 'GET', '/asked/')->{status}, 401,
       'a location with auth_basic asks for the page already');
    is(ask($d, 'GET', '/asked/api/session')->{status}, 401,
       '... and for the session');
    like(ask($d, 'GET', '/asked/')->{headers}{'www-authenticate'}, qr/Basic/,
         '... by the browser\'s own means');
    is(ask($d, 'GET', '/asked/api/v1/runs', undef, %basic)->{status}, 200,
       'access=nginx: who came in needs no key');
    is(ask($d, 'GET', '/asked/api/session', undef, %basic)
       ->{json}{data}{user}, 'me', '... and is known by name');
    is(ask($d, 'GET', '/asked/api/v1/runs', undef, %bearer)->{status}, 401,
       '... the key opens nothing there');
    is(ask($d, 'POST', '/asked/api/e/dashboard', '{"name":"t/x"}', %basic,
           'Sec-Fetch-Site' => 'cross-site')->{status}, 403,
       'a password that the browser sends by itself is not enough to act');

    is($d->alerts, '', 'the log is clean');
    unlike($d->error_log, qr/$secret/, '... and has no key');
    $d->stop;

    return;
}


# ---- nginx -t

sub configurations_are_checked {
    my $empty = tempdir(CLEANUP => 1);
    my $here = "durable_dashboard root=$root";

    my @table = (
        ["location /d/ { $here; }", undef],
        ["location / { $here access=key read_only; }", undef],
        ["location ^~ /d/ { $here access=nginx read_only=\$arg_x; }", undef],
        ["location /d { $here; }", qr/must be in a prefix location with a/],
        ["location = /d/ { $here; }", qr/must be in a prefix location/],
        ["location ~ /d/ { $here; }", qr/must be in a prefix location/],
        ["location \@d { $here; }", qr/must be in a prefix location/],
        ["location /d/ { durable_dashboard root=$empty; }",
         qr/no index\.html in "\Q$empty\E": run "make dashboard"/],
        ["location /d/ { durable_dashboard root=; }", qr/has no value/],
        ["location /d/ { $here root=/x; }", qr/"root" is duplicate/],
        ["location /d/ { $here access=key access=key; }",
         qr/"access" is duplicate/],
        ["location /d/ { $here read_only read_only; }",
         qr/"read_only" is duplicate/],
        ["location /d/ { $here read_only=; }", qr/has no value/],
        ["location /d/ { $here access=all; }", qr/must be "key" or "nginx"/],
        ["location /d/ { $here readonly; }", qr/unknown option "readonly"/],
        ["location /d/ { $here; $here; }", qr/is duplicate/],
        ["location /d/ { durable_status; $here; }",
         qr/cannot share a location with "durable_status"/],
        ["location /d/ { $here; durable_server; }",
         qr/cannot share a location with "durable_dashboard"/],
        ["location /d/ { $here; durable_route x; }", qr/cannot share/],
    );

    for my $case (@table) {
        my ($text, $wrong) = @$case;
        my ($rc, $said) = checked("durable_mode dev; durable_store store;",
                                  $text);
        my $name = $text;
        $name =~ s/\Q$root\E/ROOT/g;
        $name =~ s/\Q$empty\E/EMPTY/g;

        if (!$wrong) {
            is($rc, 0, "$name is taken") or diag $said;
            next;
        }

        isnt($rc, 0, "$name is refused");
        like($said, $wrong, '... with a sentence');
        like($said, qr/nginx\.conf:\d+/, '... and its place');
    }

    my $key = "durable_signing_key $secret;";
    my ($rc, $said) = checked('', "location /d/ { $here; }");
    like($said, qr/"durable_dashboard" needs "durable_store".*conf:\d+/,
         'it needs a store');

    ($rc, $said) = checked('durable_store store;',
                           "location /d/ { $here; }");
    like($said, qr/needs "durable_signing_key", or "access=nginx".*conf:\d+/,
         'in production it needs a key');

    ($rc, $said) = checked("durable_store store; $key",
                           "location /d/ { $here; }");
    is($rc, 0, '... or has one') or diag $said;

    ($rc, $said) = checked('durable_store store;',
                           "location /d/ { $here access=nginx; }");
    is($rc, 0, '... or leaves it to nginx') or diag $said;

    return;
}


sub checked {
    my ($http, $server) = @_;

    my $dir = tempdir(CLEANUP => 1);
    $http =~ s{durable_store store}{durable_store $dir/store};

    my $module = Durable::build('ngx_http_durable_module.so');
    my $user = $> == 0 ? 'user root;' : '';

    write_file("$dir/nginx.conf", "load_module $module; $user\n"
        . "pid $dir/pid; error_log $dir/log;\nevents {}\nhttp {\n"
        . join('', map { "${_}_temp_path $dir/$_;\n" }
               qw(client_body proxy fastcgi uwsgi scgi))
        . "access_log off;\n$http\nserver {\nlisten 127.0.0.1:1;\n$server\n"
        . "}\n}\n");

    my $said = `@{[Durable::binary()]} -t -e $dir/log -p $dir -c $dir/nginx.conf 2>&1`;

    return ($? >> 8, $said);
}


# ---- docs/dashboard.md by copy and paste

sub examples_protect {
    for my $command ('openssl version', 'curl --version') {
        `$command 2>/dev/null`;

        if ($?) {
            die "no $command\n" if $ENV{CI};
            note("not without `$command`");
            return;
        }
    }

    my ($text) = slurp('docs/dashboard.md')
                 =~ /^## Who may see it\n(.*?)(?=^## )/ms;
    my ($basic, $addresses, $login, $certificate, $map, $groups, @more)
        = $text =~ /^```nginx\n(.*?)^```$/msg;

    ok(defined $groups && !@more, 'docs/dashboard.md has six examples');

    my %at = map { $_ => Durable::free_port() }
             qw(basic addresses login certificate groups check);
    my $servers = join '', map {
        "server {\n listen 127.0.0.1:$at{$_->[0]};\n$_->[1]\n}\n"
    } ['basic', $basic], ['addresses', $addresses], ['login', $login],
      ['groups', $groups],
      ['check', 'location = /check { if ($http_cookie !~ "good=1") {'
                . ' return 401; } return 204; }'];

    $servers .= "$map$certificate";
    $servers =~ s/durable_dashboard /durable_dashboard root=$root /g;
    $servers =~ s/127\.0\.0\.1:9000/127.0.0.1:$at{check}/;
    $servers =~ s/listen 443/listen 127.0.0.1:$at{certificate}/;

    my $d = Durable->new(workers => 1, mode => 'production',
        http => "durable_signing_key $secret; durable_event_key event-key;\n"
                . $servers);
    my $dir = $d->dir;

    # as the page says, with a word in place of the question
    my ($line) = $text =~ /^(printf .*)$/m;

    for my $name (qw(me alice)) {
        my $one = $line;

        $one =~ s/me:/$name:/;
        $one =~ s/passwd -6/passwd -6 word/;
        $one =~ s{/etc/nginx}{$dir};
        is(system('sh', '-c', $one), 0, "a password of $name");
    }

    for my $name (qw(durable people other)) {
        `openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=$name -keyout $dir/$name.key -out $dir/$name.pem 2>&1`;
        is($?, 0, "a certificate of $name");
    }

    $d->start;

    my $path = '/durable/api/v1/runs';
    my %me = (Authorization => 'Basic bWU6d29yZA==');
    my %alice = (Authorization => 'Basic YWxpY2U6d29yZA==');

    my $get = sub {
        my ($name, %header) = @_;

        return HttpClient->new(port => $at{$name}, keepalive => 0)
                         ->request('GET', $path, undef, \%header)->{status};
    };
    my $send = sub {
        my ($name, %header) = @_;

        return HttpClient->new(port => $at{$name}, keepalive => 0)
            ->request('POST', '/durable/api/e/dashboard', '{"name":"t/x"}',
                      { 'Sec-Fetch-Site' => 'same-origin', %header })
            ->{status};
    };

    is($get->('basic'), 401, 'passwords: nobody without');
    is($get->('basic', Authorization => 'Basic bWU6eA=='), 401, '... or with'
       . ' another one');
    is($get->('basic', %me), 200, '... one who has one');
    is($send->('basic', %me), 200, '... may act');
    is($get->('addresses'), 200, 'addresses: from here');
    is($get->('login'), 401, 'a login: nobody without');
    is($send->('login'), 401, '... may act either');
    is($get->('login', Cookie => 'good=1'), 200, '... who is logged in reads');
    is($send->('login', Cookie => 'good=1'), 200, '... and acts');
    is($get->('groups'), 401, 'groups: nobody without a password');
    is($get->('groups', %me), 200, '... one who may look');
    is($send->('groups', %me), 403, '... and not act');
    is($send->('groups', %alice), 200, '... one who may');

    my $curl = sub {
        my (@more) = @_;

        my @command = ('curl', '-s', '-k', '--http2', '-D', "$dir/head",
            '-o', "$dir/answer", '-w', '%{http_code} %{http_version}', @more,
            "https://127.0.0.1:$at{certificate}$path");

        open my $out, '-|', @command or die "curl: $!\n";
        my $said = <$out>;
        close $out;

        return $said;
    };

    like($curl->(), qr/\A400 /, 'certificates: nobody without');
    like($curl->('--cert', "$dir/other.pem", '--key', "$dir/other.key"),
         qr/\A400 /, '... or with one of others');
    is($curl->('--cert', "$dir/people.pem", '--key', "$dir/people.key"),
       '200 2', '... who has one, over HTTP/2');
    like(slurp("$dir/head"), qr/^content-security-policy: default-src/mi,
         '... with the headers that protect');
    like(slurp("$dir/answer"), qr/"data":\[/, '... and the runs');

    is($d->alerts, '', 'the log is clean');
    $d->stop;

    return;
}
