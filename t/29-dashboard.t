# Copyright (C) the nginx-durable authors

# The server's side of the dashboard: its files, its headers, who may read,
# who may act, and what is not there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Path qw(make_path);
use File::Temp qw(tempdir);
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


my $app = FakeApp->new(id => 'shop', server => 'http://127.0.0.1:1',
    record => tempdir(CLEANUP => 1) . '/calls',
    functions => {
        order => { event => 't/order', retries => 0, result => 'done',
                   steps => [{ run => 'charge' }] },
    });

my $dev = server(mode => 'dev');

files_are_sent();
files_outside_are_not();
headers_are_everywhere();
api_is_what_people_need();
actions_come_from_the_page();

is($dev->alerts, '', 'the log is clean');
$dev->stop;

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
