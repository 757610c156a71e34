#!/usr/bin/perl

# `durable dev` and `durable start`: options, refusals, and the life of the
# two processes they run.  The first part drives them with a small nginx of our
# own, which can be made to fail in ways the real one cannot be asked for; the
# second part runs the real one with the module.
#
#   DURABLE=path/of/durable prove t/70-dev.t

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use POSIX qw(:sys_wait_h);
use Test::More;
use Time::HiRes qw(time);

my $top = abs_path(dirname(__FILE__) . '/..');
my $durable = abs_path($ENV{DURABLE} || "$top/build/durable");
my $module = dirname($durable) . '/ngx_http_durable_module.so';
my $dir = tempdir(CLEANUP => 1);
my $fake = "$dir/fake-nginx";
my %alive;

BAIL_OUT('build/durable is missing: run make') unless $durable && -x $durable;

delete $ENV{$_} for grep { /^INNGEST_/ } keys %ENV;
$ENV{TMPDIR} = $dir;
chdir $dir or die $!;


sub spew {
    my ($path, $text, $mode) = @_;

    open my $fh, '>', $path or die "$path: $!";
    print $fh $text;
    close $fh or die $!;
    chmod $mode, $path if $mode;
}

sub slurp {
    my ($path) = @_;

    open my $fh, '<', $path or return '';
    local $/;
    return scalar <$fh> // '';
}

# Waits until a condition holds; what it gave, or undef after the time.
sub wait_for {
    my ($condition, $seconds) = @_;
    my $end = time + ($seconds || 20);

    while (time < $end) {
        my $value = $condition->();
        return $value if $value;
        select undef, undef, undef, 0.02;
    }

    return undef;
}

sub start {
    my (@args) = @_;
    my $n = keys %alive;
    my %p = (out => "$dir/out.$n.$$", err => "$dir/err.$n.$$");

    $p{pid} = fork() // die $!;

    if ($p{pid} == 0) {
        setpgrp;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $p{out};
        open STDERR, '>', $p{err};
        exec $durable, @args or POSIX::_exit(127);
    }

    $alive{$p{pid}} = \%p;
    return \%p;
}

# The exit status, "signal N", or undef when it does not end.
sub ended {
    my ($p, $seconds) = @_;

    return $p->{status} if defined $p->{status};

    wait_for(sub { waitpid($p->{pid}, WNOHANG) == $p->{pid} }, $seconds)
        or return undef;

    $p->{status} = $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
    delete $p->{pid};

    return $p->{status};
}

# Runs to the end: status, stdout, stderr.
sub run {
    my $p = start(@_);
    my $status = ended($p, 20);

    if (!defined $status) {
        kill 'KILL', $p->{pid};
        $status = 'hangs';
    }

    return ($status, slurp($p->{out}), slurp($p->{err}));
}

sub refused {
    my ($args, $like, $name) = @_;
    my ($status, $out, $err) = run(@$args);

    subtest $name => sub {
        like $status, qr/^[12]$/, 'the exit status tells';
        like $err, $like, 'the sentence';
        is scalar(() = $err =~ /\n/g), 1, 'it is one line' or diag $err;
    };
}

sub free_port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
                                  ReuseAddr => 1) or die $!;
    return $s->sockport;
}

sub leftovers {
    return grep { -d } glob "$dir/durable-*";
}

END {
    my $status = $?;

    for my $p (values %alive) {
        next unless $p->{pid};
        kill 'TERM', $p->{pid};
        defined ended($p, 12) or kill 'KILL', $p->{pid};
    }

    $? = $status;
}


# An nginx of 100 lines: it answers -V and /health, and leads a feed.
spew($fake, <<'FAKE', 0755);
#!/usr/bin/perl
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;

my $how = $ENV{FAKE} || '';

if ("@ARGV" eq '-V') {
    print STDERR "nginx version: nginx/9.9.9\nconfigure arguments:\n";
    exit 0;
}

sub emerg {
    print STDERR "2024/01/01 10:00:00 [emerg] $$#$$: @_\n";
    exit 1;
}

emerg('module "/m.so" is not binary compatible in /c:3') if $how eq 'abi';
emerg('dlopen() "/m.so" failed (liblmdb.so.0: cannot open shared object file:'
      . ' No such file or directory) in /c:3') if $how eq 'library';
emerg('unknown directive "durable_store" in /c:9') if $how eq 'old';
emerg('bind() to 127.0.0.1:1 failed (98: Address already in use)')
    if $how eq 'bind';

my ($conf) = "@ARGV" =~ /-c (\S+)/;
open my $fh, '<', $conf or die $!;
my $text = do { local $/; <$fh> };
my ($addr, $port) = $text =~ /listen (\S+):(\d+);/;
my ($store) = $text =~ /durable_store "([^"]+)"/;

open my $log, '>>', $ENV{FAKE_LOG};
$log->autoflush(1);
print $log "start $$ mode ", sprintf('%o', (stat $conf)[2] & 07777), "\n";

my $quit = 0;
$SIG{QUIT} = sub { print $log "quit\n"; $quit = 1 unless $how eq 'deaf' };
$SIG{TERM} = sub { print $log "term\n"; $quit = 1 unless $how eq 'deaf' };
$SIG{INT} = sub { print $log "int\n" };
$SIG{HUP} = sub { print $log "hup\n" };
$SIG{PIPE} = 'IGNORE';

my $http = IO::Socket::INET->new(Listen => 5, ReuseAddr => 1,
                                 LocalAddr => $addr, LocalPort => $port)
    or emerg("bind() to $addr:$port failed (98: Address already in use)");
my ($token) = $text =~ /return 200 "(\w+)/;

unlink "$store/leader.sock";
my $leader = IO::Socket::UNIX->new(Listen => 5, Local => "$store/leader.sock")
    or die "leader: $!";
my $select = IO::Select->new($http, $leader);

sub tlv {
    my ($tag, $bytes) = @_;
    return pack('nn', $tag, length $bytes) . $bytes;
}

sub frame {
    my ($type, $header, $data) = @_;
    return pack('NCCn', 4 + length($header) + length $data, $type, 1,
                length $header) . $header . $data;
}

print STDERR "2024/01/01 10:00:00 [error] $$#$$: *1 a line of the log\n"
    unless $how;


while (!$quit) {
    for my $s ($select->can_read(0.2)) {
        my $c = $s == $http || $s == $leader ? $s->accept : undef;

        if ($c && $s == $leader) {
            print $log "observer\n";
            # HELLO in, WELCOME out, SUBSCRIBE in, the feed out
            sysread $c, my $hello, 4096;
            print $log 'hello ', unpack('H*', $hello), "\n";
            syswrite $c, frame(2, tlv(1, pack 'N', 1), '');
            sysread $c, my $subscribe, 4096;
            print $log 'subscribe ', unpack('H*', $subscribe), "\n";
            my $n = 0;
            if (open my $feed, '<', $ENV{FAKE_FEED} || '/dev/null') {
                while (my $line = <$feed>) {
                    chomp $line;
                    my $bytes = $line eq 'gap' ? frame(19, tlv(26, 'feed'), '')
                        : frame(18, tlv(26, 'feed')
                                    . tlv(27, pack 'Q>', ++$n), $line);
                    # in two pieces: a reader must put them together
                    syswrite $c, substr $bytes, 0, 11;
                    select undef, undef, undef, 0.005;
                    syswrite $c, substr $bytes, 11;
                }
            }
            $select->add($c);

        } elsif ($c) {
            sysread $c, my $request, 4096;
            my ($status, $body) = $how eq 'unwell'
                ? ('503 Unwell', '{"error":"the store is on fire","status":503}')
                : ('200 OK', '{"status":200,"message":"OK"}');
            ($status, $body) = ('200 OK', $token)
                if $request =~ m{^GET /durable/instance };
            syswrite $c, "HTTP/1.1 $status\r\nConnection: close\r\n\r\n$body";

        } else {
            sysread $s, my $bytes, 4096 or $select->remove($s);
        }
    }
}

print $log "end\n";
FAKE

$ENV{FAKE_LOG} = "$dir/fake.log";
$ENV{FAKE_FEED} = "$dir/fake.feed";
spew("$dir/module.so", '');
my @with = ('--nginx', $fake, '--module', "$dir/module.so");

sub fake_log { slurp($ENV{FAKE_LOG}) }

sub print_config {
    my ($status, $out, $err) = run(@_, '--print-config', @with);

    is $status, 0, "durable $_[0] prints a configuration" or diag $err;
    return ($out, $err);
}


# ---- options

refused(['dev', '--bogus'], qr/no option --bogus.*durable dev --help/,
        'an unknown option is named');
refused(['dev', 'http://127.0.0.1:3000'], qr/given with -u/,
        'an argument that is no option is explained');
refused(['dev', '--port'], qr/--port needs a value/,
        'an option without its value is named');
refused(['dev', '--port', '80800'], qr/--port is "80800".*1 to 65535/,
        'a port out of range is refused');
refused(['dev', '-u', 'ftp://127.0.0.1/'], qr/http or https/,
        'an app that is not called by HTTP is refused');
refused(['dev', '-u', 'http:///api'], qr{http://127.0.0.1:3000/api/inngest},
        'a URL without a host is answered with an example');
refused(['dev', '--poll-interval', 'often'], qr/number of seconds/,
        'an interval that is no number is refused');
refused(['dev', '--host', 'a b'], qr/address or name/,
        'a host that is no address is refused');
refused(['start', '--event-key', 'k'], qr/needs --signing-key/,
        'start without a signing key says which');
refused(['start', '--signing-key', 'abcd'], qr/at least one --event-key/,
        'start without an event key says which');
refused(['start', '--event-key', 'k', '--signing-key', 'abc'],
        qr/hexadecimal.*openssl rand -hex 32/,
        'a signing key of an odd length is refused');
refused(['start', '--event-key', 'k', '--signing-key', 'env:NOT_THERE'],
        qr/NOT_THERE, but there is no such variable/,
        'a key from a variable that is not set is refused');
refused(['start', '--event-key', 'k', '--signing-key', "file:$dir/none"],
        qr/cannot be read: No such file/,
        'a key from a file that is not there is refused');
refused(['start', '--event-key', 'a/b', '--signing-key', 'abcd'],
        qr/stands in a URL/, 'an event key that breaks its URL is refused');

{
    my ($status, $out) = run('dev', '--help');

    is $status, 0, 'help is no error';
    like $out, qr/--sdk-url URL.*--retry-interval SECONDS/s,
         'help lists the options';
}

{
    my ($conf, $err) = print_config('dev', '-u', 'localhost:3000/api/inngest',
        '-u', 'https://a.example/x,http://127.0.0.1:4000/y', '-p=9001',
        '--retry-interval=1', '--no-discovery', '--poll-interval', '2.5',
        '--tick', '10', '--no-poll=false', '--event-key', 'k');

    like $conf, qr{durable_app "http://localhost:3000/api/inngest";},
         'the scheme of an app defaults to http';
    like $conf, qr{"https://a.example/x";\s+durable_app "http://127.0.0.1:4000},
         'several apps come in one text';
    like $conf, qr/listen 127\.0\.0\.1:9001;/, 'dev listens on this machine';
    like $conf, qr/durable_retry_interval 1000ms;/, 'the retry interval';
    like $conf, qr/durable_poll_interval 2500ms;/, 'a fraction of a second';
    like $conf, qr/durable_discovery off;/, 'discovery is off';
    like $conf, qr/durable_mode dev;/, 'the mode is dev';
    unlike $conf, qr/durable_(event|signing)_key/, 'dev has no keys';
    like $err, qr/^durable: --tick has no meaning here: .*\.$/m,
         'an option without meaning is answered with one line';
    like $err, qr/^durable: --event-key has no meaning in dev mode/m,
         'and so is a key in dev mode';
    is scalar(() = $err =~ /\n/g), 2, 'and nothing else is said';
}

{
    local $ENV{MY_KEY} = 'cafe';

    my ($conf) = print_config('start', '--event-key', 'one', '--event-key',
        'env:MY_KEY', '--signing-key', 'signkey-prod-0123abCD',
        '--signing-key-fallback', 'env:MY_KEY', '--sqlite-dir', $dir,
        '--host', '::', '--workers', '3');

    like $conf, qr/durable_mode production;/, 'the mode is production';
    like $conf, qr{durable_store "\Q$dir\E";}, '--sqlite-dir names the store';
    like $conf, qr/listen \[::\]:8288;/, 'an IPv6 address is bracketed';
    like $conf, qr/worker_processes 3;/, 'the workers';
    unlike $conf, qr/0123abCD|cafe/, 'no key stands in the configuration';
    like $conf, qr{durable_event_key "file:\Q$dir\E/run/event-key\.1";},
         'a key given as text is named by its file';
    like $conf, qr/durable_event_key "env:MY_KEY";/,
         'a key of the environment stays there';
    like $conf, qr{durable_signing_key "file:[^"]+" "env:MY_KEY";},
         'the fallback stands behind the key';
    like $conf, qr/durable_poll_interval 0ms;/,
         'start asks only apps in error unless told otherwise';
}

subtest 'a flag wins over a variable, a variable over a file' => sub {
    mkdir "$dir/settings";
    chdir "$dir/settings" or die $!;

    spew('inngest.yaml', <<'YAML');
# settings of the project
port: 7001            # a comment
host: "127.0.0.1"
sdk-url:
  - http://127.0.0.1:3000/api/inngest
  - 'http://127.0.0.1:3001/api/inngest'
retry-interval: 3
no-discovery: true
colour: blue
YAML

    my ($conf, $err) = print_config('dev');
    like $conf, qr/:7001;/, 'the file says the port';
    like $conf, qr{:3000/api/inngest";\s+durable_app "http://127.0.0.1:3001},
         'and a list';
    like $err, qr/inngest.yaml: the key "colour" is not known/,
         'a key that is not known is said';

    local $ENV{INNGEST_PORT} = 7002;
    local $ENV{INNGEST_SDK_URL} = 'http://127.0.0.1:3002/a, http://127.0.0.1:3003/b';
    ($conf) = print_config('dev');
    like $conf, qr/:7002;/, 'the variable wins over the file';
    unlike $conf, qr/:3000/, 'its list replaces the list of the file';
    like $conf, qr{:3002/a";\s+durable_app "http://127.0.0.1:3003/b"},
         'and has commas';

    ($conf) = print_config('dev', '--port', '7003', '-u', 'http://h/c');
    like $conf, qr/:7003;/, 'the flag wins over both';
    is_deeply [ $conf =~ /durable_app "([^"]+)"/g ], [ 'http://h/c' ],
              'its list replaces both';
    like $conf, qr/durable_retry_interval 3000ms;/,
         'what only the file says stands';

    spew('inngest.json', '{"port": 7004, "sdk-url": ["http://h/j"],'
                         . ' "no-poll": true, "poll-interval": 1.5}');
    delete local $ENV{INNGEST_PORT};
    ($conf) = print_config('dev');
    like $conf, qr/:7004;/, 'inngest.json comes before inngest.yaml';
    like $conf, qr/durable_poll_interval 0ms;/, 'a boolean of JSON';

    for ([ "port: 1\n  nested: 2\n", qr/line 2: a key must start the line/ ],
         [ "sdk-url: [a\n", qr/line 1: a list in brackets ends on its line/ ],
         [ "- a\n", qr/line 1: a dash without a key/ ],
         [ "host: {a: b}\n", qr/line 1: this value is more YAML/ ],
         [ "host: |\n  a\n", qr/line 1: this value is more YAML/ ],
         [ "host: 'a\n", qr/line 1: a quoted text ends on its line/ ],
         [ "host 1\n", qr/line 1: this is no `key: value`/ ],
         [ "no-poll: perhaps\n", qr/no-poll of own.yml.*true or false/ ],
         [ "port: x\n", qr/port of own.yml is "x"/ ])
    {
        spew('own.yml', $_->[0]);
        my ($status, $out, $e) = run('dev', '--config', 'own.yml', @with,
                                     '--print-config');
        is $status, 1, 'refused';
        like $e, $_->[1], 'with the line and the reason';
    }

    my ($status, $out, $e) = run('dev', '--config', 'none.yaml');
    is $status, 1, 'a file that is named must be there';
    like $e, qr/none.yaml cannot be read: No such file/, 'and is named';

    chdir $dir or die $!;
};


# ---- what is not there

refused(['dev', '--nginx', "$dir/none"], qr/There is no nginx at/,
        'an nginx that is not there is named');
refused(['dev', '--nginx', '/bin/true'], qr/does not answer `-V` as nginx/,
        'a program that is not nginx is named');
refused(['dev', '--nginx', $fake, '--module', "$dir/none.so"],
        qr/module .*none.so cannot be read/,
        'a module that is not there is named');

{
    local $ENV{FAKE} = 'abi';
    refused(['dev', '--port', free_port(), @with],
            qr{built for another nginx than \S+ \(nginx/9\.9\.9\)},
            'a module of another nginx is told apart');
    local $ENV{FAKE} = 'library';
    refused(['dev', '--port', free_port(), @with], qr/liblmdb.so.0/,
            'a library that is missing is named');
    local $ENV{FAKE} = 'old';
    refused(['dev', '--port', free_port(), @with],
            qr/another version than this program|of another version/,
            'a module of another version is told apart');
    local $ENV{FAKE} = 'unwell';
    refused(['dev', '--port', free_port(), @with], qr/the store is on fire/,
            'a server that is not well says why');
    local $ENV{FAKE} = 'bind';
    refused(['dev', '--port', free_port(), @with], qr/taken in the meantime/,
            'a port that is lost to another program is said');
}

{
    my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1')
        or die $!;
    my $port = $taken->sockport;

    refused(['dev', '--port', $port, @with],
            qr/Port $port of 127.0.0.1 is taken \(--port\)/,
            'a port that is asked for and taken is an error');

    local $ENV{INNGEST_PORT} = $port;
    refused(['dev', @with], qr/Port $port .*\(INNGEST_PORT\)/,
            'also when a variable asked for it');
}

refused(['dev', '--host', '192.0.2.1', '--port', 9000, @with],
        qr/192.0.2.1 is no address of this machine/,
        'an address of another machine is refused');
refused(['dev', '--store', "$dir/no/such", @with], qr/directory above it/,
        'a store in a directory that is not there is refused');
refused(['dev', '--store', $dir . '/' . 'x' x 100, @with], qr/too long/,
        'a store whose sockets could not be named is refused');

mkdir "$dir/newer";
spew("$dir/newer/format", "999\n");
refused(['dev', '--store', "$dir/newer", @with], qr/format 999/,
        'the store of a newer version is refused');

spew("$dir/file", '');
refused(['dev', '--store', "$dir/file", @with], qr/not a directory/,
        'a store that is a file is refused');

is_deeply [ leftovers() ], [], 'nothing that failed leaves a directory';


# ---- the life of it

my $ulid = '01HXYZ00000000000000ABCDEF';

spew($ENV{FAKE_FEED}, join '', map { "$_\n" }
    map({ ref $_ ? JSON::PP->new->canonical->encode($_) : $_ }
    { ts => 1000, kind => 'app.synced', app => 'docs', functions => 1,
      url => 'http://127.0.0.1:3000/api/inngest' },
    { ts => 1000, kind => 'run.started', run => $ulid, function => 'docs-f',
      event => 'a/b' },
    { ts => 1000, kind => 'step.retry', run => $ulid, function => 'docs-f',
      step => 'ocr', attempt => 0, error => "bad\nluck \e[31m", at => 2500 },
    { ts => 2500, kind => 'step.completed', run => $ulid,
      function => 'docs-f', step => 'ocr', attempt => 1, ms => 41 },
    { ts => 2500, kind => 'step.sleeping', run => $ulid, function => 'docs-f',
      step => 'nap', at => 64500 },
    { ts => 2500, kind => 'step.waiting', run => $ulid, function => 'docs-f',
      step => 'paid', at => 3602500, event => 'shop/paid' },
    { ts => 2500, kind => 'step.waiting', run => $ulid, function => 'docs-f',
      step => 'ready', at => 3602500, signal => "go\e[31m" },
    { ts => 2500, kind => 'step.waiting', run => $ulid, function => 'docs-f',
      step => 'mail', at => 2500 + 366 * 86400000, invokes => 'mail-send' },
    { ts => 2500, kind => 'step.calling', run => $ulid, function => 'docs-f',
      step => 'fetch', url => 'http://127.0.0.1:9/p' },
    { ts => 2500, kind => 'run.started', run => $ulid, function => 'mail-s',
      event => 'inngest/function.invoked', parent => '01HXYZ0000GHIJKL' },
    { ts => 2500, kind => 'run.started', run => $ulid, function => 'docs-f',
      event => 'a/c', original => '01HXYZ0000GHIJKL', at => 4500 },
    { ts => 2500, kind => 'run.skipped', run => $ulid, function => 'docs-f',
      error => 'Singleton' },
    { ts => 2500, kind => 'run.skipped', run => $ulid, function => 'docs-f',
      error => 'FunctionPaused' },
    { ts => 2500, kind => 'run.skipped', run => $ulid, function => 'docs-f',
      error => 'OfTomorrow' },
    { ts => 2500, kind => 'run.cancelled', run => $ulid,
      function => 'docs-f', ms => 9, error => 'The run was cancelled' },
    { ts => 2500, kind => 'run.started', run => $ulid,
      function => 'a-very-long-name-of-a-function-indeed', event => 'l/1' },
    { ts => 2500, kind => 'run.started', run => $ulid,
      function => 'short', event => 'l/2' },
    'gap',
    { ts => 2500, kind => 'of.tomorrow', run => $ulid, colour => 'blue' },
    { ts => 2500, kind => 'run.failed', run => $ulid, function => 'docs-f',
      error => 'no more' },
    { ts => 2500, kind => 'run.completed', run => $ulid,
      function => 'docs-f', ms => 4380 }));

unlink $ENV{FAKE_LOG};

my $port = free_port();
my $p = start('dev', '--port', $port, @with, '-u', 'http://127.0.0.1:9/x');

ok wait_for(sub { slurp($p->{out}) =~ /completed/ }),
   'dev starts and shows the feed' or diag slurp($p->{err});

subtest 'the banner tells what to do next' => sub {
    my $out = slurp($p->{out});

    like $out, qr{Server +http://127\.0\.0\.1:$port$}m, 'the URL';
    like $out, qr{^  INNGEST_DEV=http://127\.0\.0\.1:$port$}m, 'the variable';
    like $out, qr{curl http://127.0.0.1:$port/e/dev -d}, 'a first event';
    like $out, qr/temporary, gone at the end/, 'the state';
    unlike $out, qr/\e/, 'no colour in a file';
};

subtest 'one line for each thing that happens' => sub {
    my $out = slurp($p->{out});

    like $out, qr{:01\.000 +docs +synced +http://127.0.0.1:3000/api/inngest, 1 function$}m,
         'an app';
    like $out, qr/:01\.000  ABCDEF  docs-f +started +a\/b$/m, 'a run starts';
    like $out, qr/ABCDEF  docs-f +retry +ocr +attempt 1: bad luck \?\[31m \(again in 1\.50 s\)$/m,
         'a retry, with nothing in it that a terminal obeys';
    like $out, qr/:02\.500  ABCDEF  docs-f +step +ocr +41 ms, attempt 2$/m,
         'a step';
    like $out, qr/sleeping +nap +until \d\d:\d\d:04, for 1 min 2 s$/m,
         'a sleep' or diag $out;
    like $out, qr/waiting +paid +for event shop\/paid, until \d\d:\d\d:02, for 1 h 0 min$/m,
         'a wait, for what and until when';
    like $out, qr/waiting +ready +for signal go\?\[31m, until /m, 'a signal';
    like $out, qr/waiting +mail +for mail-send, until 1971-01-\d\d \d\d:\d\d:02, for 366 d 0 h$/m,
         'an invoke, with the day when it is not today';
    like $out, qr{calling +fetch +http://127.0.0.1:9/p$}m, 'a gateway call';
    like $out, qr/mail-s +started +invoked by GHIJKL$/m, 'a child';
    like $out, qr/started +a\/c, again as GHIJKL, first call at \d\d:\d\d:04$/m,
         'a rerun, and one that starts later';
    like $out, qr/skipped +another run of this singleton runs$/m, 'skipped';
    like $out, qr/skipped +the function is paused$/m, 'for two reasons';
    like $out, qr/skipped +OfTomorrow$/m, 'and one that is not known';
    like $out, qr/cancelled +The run was cancelled$/m, 'a run is cancelled';
    is index(($out =~ /^(.*l\/2)$/m)[0], 'started'), 56,
       'columns grow up to 32 characters, and no further' or diag $out;
    like $out, qr/^\.\.\. some lines are left out/m, 'a gap';
    like $out, qr/ABCDEF +of\.tomorrow +colour="blue"$/m,
         'a kind that is not known';
    like $out, qr/ABCDEF  docs-f +FAILED +no more$/m, 'a run fails';
    like $out, qr/ABCDEF  docs-f +completed +4\.38 s$/m, 'a run ends';
};

like slurp($p->{err}), qr/^nginx: error: a line of the log$/m,
     'errors of nginx are shown without their dress';
like fake_log(), qr/^start \d+ mode 600$/m,
     'nobody else can read the configuration';
is scalar(leftovers()), 1, 'the state is in a temporary directory';

{
    my ($pid) = fake_log() =~ /start (\d+)/;

    kill 'KILL', $pid;
    ok wait_for(sub { slurp($p->{err}) =~ /nginx is back/ }),
       'an nginx that is killed is started again';
    like slurp($p->{err}), qr/nginx was killed by signal 9/,
         'and it is said what happened';
    ok wait_for(sub { (() = fake_log() =~ /^subscribe/mg) == 2 }),
       'the feed is connected again';
    like fake_log(), qr/^subscribe \w+001b00080000000000000015$/m,
         'and goes on behind the last notice';
}

{
    my ($sidecar) = map { /(\d+)/ } grep {
        slurp("/proc/$_/cmdline") =~ /sidecar\0--socket\0\Q$dir\E/
    } map { m{/proc/(\d+)$} } glob '/proc/[0-9]*';

    ok $sidecar, 'the sidecar runs';
    kill 'KILL', $sidecar if $sidecar;
    ok wait_for(sub { slurp($p->{err}) =~ /the sidecar was killed/ }),
       'a sidecar that is killed is noticed';
    ok wait_for(sub {
        grep { $_ != $sidecar
               && slurp("/proc/$_/cmdline") =~ /sidecar\0--socket\0\Q$dir\E/ }
        map { m{/proc/(\d+)$} } glob '/proc/[0-9]*'
    }), 'and started again';
}

kill 'INT', $p->{pid};
is ended($p), 0, 'Ctrl-C ends it with success';
like fake_log(), qr/quit\nend\n\z/, 'nginx ends by QUIT';
is_deeply [ leftovers() ], [], 'the temporary state is gone';

{
    local $ENV{FAKE} = 'deaf';

    my $deaf = start('dev', '--port', free_port(), @with);
    ok wait_for(sub { slurp($deaf->{out}) =~ /Ctrl-C ends it/ }), 'dev is up';
    kill 'INT', $deaf->{pid};
    ok wait_for(sub { slurp($deaf->{err}) =~ /once more stops hard/ }),
       'an end that takes long can be cut short';
    ok wait_for(sub { kill 'INT', $deaf->{pid}; defined ended($deaf, 0.1) }, 4),
       'a second Ctrl-C is heard';
    is $deaf->{status}, 130, 'and stops hard';
    is_deeply [ leftovers() ], [], 'and leaves nothing either';
}

{
    my $store = "$dir/kept";
    my $q = start('start', '--event-key', 'ev-secret', '--signing-key',
                  'cafebabe', '--store', $store, '--port', free_port(), @with);

    ok wait_for(sub { slurp($q->{out}) =~ /Ctrl-C ends it/ }), 'start is up'
        or diag slurp($q->{err});
    like slurp($q->{out}), qr/INNGEST_BASE_URL=http.*INNGEST_SIGNING_KEY=</s,
         'start names the variables of production';
    unlike slurp($q->{out}) . slurp($q->{err})
           . slurp("/proc/$q->{pid}/cmdline"), qr/ev-secret|cafebabe/,
           'keys stand neither in the output nor in the process list';
    is slurp("$store/run/signing-key.1"), 'cafebabe', 'the file of a key';
    is sprintf('%o', (stat "$store/run/signing-key.1")[2] & 07777), '600',
       'nobody else can read it';
    is sprintf('%o', (stat $store)[2] & 07777), '700',
       'nor enter the store';

    refused(['dev', '--store', $store, '--port', free_port(), @with],
            qr/in use by another durable, process $q->{pid}:/,
            'a second instance on the same store is refused');

    kill 'HUP', $q->{pid};
    ok wait_for(sub { fake_log() =~ /hup\n/ }), 'SIGHUP reloads nginx';
    kill 'TERM', $q->{pid};
    is ended($q), 0, 'SIGTERM ends it with success';
    ok -d $store, 'the store stays';
    ok !-e "$store/run", 'sockets and keys do not';
}

{
    my @dev = map { start('dev', @with) } 1 .. 2;
    my @ports = map {
        my $q = $_;
        wait_for(sub { slurp($q->{out}) =~ m{Server +http://127.0.0.1:(\d+)}
                       && $1 }) || 0
    } @dev;

    ok 8288 <= $_ && $_ < 8388, "without --port one from 8288 is taken: $_"
        for @ports;
    isnt $ports[0], $ports[1], 'the second one takes the next';

    for my $q (@dev) {
        kill 'TERM', $q->{pid};
        is ended($q), 0, 'it ends';
    }
}

{
    my $q = start('dev', '--json', '--port', free_port(), @with);

    ok wait_for(sub { slurp($q->{out}) =~ /run\.completed/ }),
       'with --json the feed comes as it is';
    is_deeply [ grep { !eval { decode_json($_) } } split /\n/,
                slurp($q->{out}) ], [], 'and nothing else is printed';
    kill 'TERM', $q->{pid};
    is ended($q), 0, 'it ends';
}


# ---- the real nginx

ok -r $module, 'the module stands beside the program';

sub http {
    my ($method, $at, $path, $body, $accept) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $at,
                                  Timeout => 5) or return '';

    $body //= '';
    print $s "$method $path HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
             . ($accept ? "Accept: $accept\r\n" : '')
             . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
    local $/;
    return scalar <$s> // '';
}

{
    my $at = free_port();
    my $q = start('dev', '--port', $at, '--no-discovery', '--workers', 2);

    ok wait_for(sub { slurp($q->{out}) =~ /Ctrl-C ends it/ }),
       'dev starts the real nginx' or diag slurp($q->{err});
    like http('POST', $at, '/e/dev', '{"name":"a/b","data":{}}'),
         qr/^HTTP\/1.1 200.*"ids":\["/s, 'it takes an event';
    like http('GET', $at, '/durable/status'), qr/"role":"leader"/,
         'it tells its status';

    SKIP: {
        skip 'the dashboard is not built (make dashboard)', 6
            unless -e dirname($module) . '/dashboard/index.html';

        like slurp($q->{out}), qr{^  Dashboard  http://127.0.0.1:$at/durable/$}m,
             'it says where the dashboard is';
        like http('GET', $at, '/durable/'), qr{^HTTP/1.1 200.*<!doctype}si,
             'there it is';
        like http('GET', $at, '/durable/api/session'), qr/"key":false/,
             'which asks for no key';

        my $html = 'text/html,application/xhtml+xml;q=0.9';

        like http('GET', $at, '/', '', $html),
             qr{^HTTP/1.1 302.*^Location: /durable/\r$}ms,
             'a browser that opens the server is sent there';
        like http('GET', $at, '/', '', '*/*'), qr{^HTTP/1.1 404},
             'nobody else is';
        like http('GET', $at, '/dev', '', $html), qr{^HTTP/1.1 200},
             'and nowhere else';
    }

    is slurp($q->{err}), '', 'nothing is complained about';

    kill 'INT', $q->{pid};
    is ended($q), 0, 'it ends';
    is slurp($q->{err}), "durable: stopping (once more stops hard)\n",
       'without a word of nginx';
    is_deeply [ leftovers() ], [], 'and its state is gone';
}

{
    my $at = free_port();
    my @args = ('start', '--event-key', 'ev', '--signing-key', 'cafe',
                '--store', "$dir/real", '--port', $at);
    my $q = start(@args);

    ok wait_for(sub { slurp($q->{out}) =~ /Ctrl-C ends it/ }),
       'start starts the real nginx' or diag slurp($q->{err});
    like http('POST', $at, '/e/wrong', '{"name":"a/b","data":{}}'),
         qr/^HTTP\/1.1 401/, 'it asks for the event key';

    my ($id) = http('POST', $at, '/e/ev', '{"name":"a/b","data":{}}')
               =~ /"ids":\["(\w+)"/;
    ok $id, 'an event with the key is taken';

    SKIP: {
        skip 'the dashboard is not built (make dashboard)', 3
            unless -e dirname($module) . '/dashboard/index.html';

        like http('GET', $at, '/durable/api/session'), qr/"key":true/,
             'the dashboard asks for the key';
        like http('GET', $at, '/durable/api/v1/runs'), qr{^HTTP/1.1 401},
             'without which it shows nothing';
        like http('GET', $at, '/', '', 'text/html'), qr{^HTTP/1.1 404},
             'and a browser that opens the server learns nothing';
    }

    kill 'TERM', $q->{pid};
    is ended($q), 0, 'it ends';

    # The store as a plain nginx serves it, without us.
    my ($status, $conf) = run(@args, '--print-config');
    is $status, 0, 'the configuration is printed';
    mkdir "$dir/plain";
    $conf =~ s{\Q$dir\E/real/run}{$dir/plain}g;
    $conf =~ s{^error_log .*}{error_log $dir/plain/error.log;}m;
    spew("$dir/plain/nginx.conf", $conf);
    spew("$dir/plain/event-key.1", 'ev');
    spew("$dir/plain/signing-key.1", 'cafe');

    my $nginx = fork() // die $!;
    if ($nginx == 0) {
        open STDERR, '>', "$dir/plain/stderr";
        exec $ENV{TEST_NGINX_BINARY} || 'nginx', '-c', "$dir/plain/nginx.conf",
             '-p', "$dir/plain/", '-e', "$dir/plain/error.log"
            or exec '/usr/sbin/nginx', '-c', "$dir/plain/nginx.conf",
                    '-p', "$dir/plain/", '-e', "$dir/plain/error.log";
        POSIX::_exit(127);
    }
    $alive{$nginx} = { pid => $nginx };

    ok wait_for(sub { http('GET', $at, '/health') =~ /^HTTP\/1.1 200/ }),
       'the printed configuration works without us'
        or diag slurp("$dir/plain/error.log"), slurp("$dir/plain/stderr");

    refused([@args[0 .. 6], '--port', free_port()],
            qr/in use by an nginx that runs already/,
            'a store that an nginx leads is not taken from it');

    kill 'QUIT', $nginx;
    ended($alive{$nginx});
}

SKIP: {
    my $example = "$top/examples/document-pipeline";

    skip 'the packages of the example are not installed (make run)', 3
        unless -d "$example/node_modules/inngest";

    local $ENV{RUN_ONCE} = 1;
    local $ENV{PORT} = free_port();
    local $ENV{APP_PORT} = free_port();

    my $out = `timeout 90 $example/run.sh $durable 2>&1 </dev/null`;

    is $?, 0, 'the run of the example completes' or diag $out;
    like $out, qr/retry +ocr.*retry +ocr.*step +ocr .*attempt 3.*completed/s,
         'after an OCR that failed twice';
    is_deeply [ leftovers() ], [], 'and leaves nothing';
}


done_testing();
