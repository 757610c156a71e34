# README.md and docs/ by copy and paste: the configurations are taken from the
# text and read by nginx, those that make a server are started, the commands
# are run as they stand there, the links lead somewhere.  Nothing is changed
# but what adapted() lists.

use strict;
use warnings;

use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Spec;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;

use lib 't/helper';

use Durable qw(build free_port missing slurp wait_for write_file);
use FakeApp;
use HttpClient;

if (my $reason = missing() || (`curl --version 2>&1` ? '' : 'no curl here')) {
    die "$reason\n" if $ENV{CI};
    plan skip_all => $reason;
}

delete $ENV{$_} for grep { /^INNGEST_|^MAKE/ } keys %ENV;

my $readme = slurp('README.md');
my $directives = slurp('docs/directives.md');
my $operations = slurp('docs/operations.md');
my @pages = ('README.md', glob 'docs/*.md');

my ($event_key, $signing_key) = ('any-key', 'signkey-test-0123456789abcdef');

my $app;                                # FakeApp that is called
my %place;                              # where an example is run: port, dir


commands_exist();
links_resolve();
packages_agree();
configurations_are_valid();
installation_is_complete();
synopsis_serves();
durable_serves('dev');
durable_serves('start');

done_testing();


# ---- what an example needs to run here: its paths and ports, and no more

sub place {
    my $dir = tempdir('durable-XXXXXX', TMPDIR => 1, CLEANUP => 1);

    chmod 0755, $dir;
    %place = (dir => $dir, port => free_port(), status => free_port(),
              app => $app ? $app->{port} : free_port());

    write_file("$dir/event.key", "$event_key\n");
    write_file("$dir/signing.key", "$signing_key\n");

    return $dir;
}


sub adapted {
    my ($text) = @_;

    my %change = (
        'modules/ngx_http_durable_module.so'
            => build('ngx_http_durable_module.so'),
        '/usr/lib/nginx/modules/ngx_http_durable_module.so'
            => build('ngx_http_durable_module.so'),
        '/var/lib/nginx-durable' => "$place{dir}/store",
        '/var/lib/nginx/durable' => "$place{dir}/store",
        '/run/nginx-durable/sidecar.sock' => "$place{dir}/sidecar.sock",
        '/run/durable/sidecar.sock' => "$place{dir}/sidecar.sock",
        '/etc/nginx/durable/' => "$place{dir}/",
        '/etc/nginx/secrets/acme' => "$place{dir}/signing.key",
        '127.0.0.1:3000' => "127.0.0.1:$place{app}",
        '127.0.0.1:8288' => "127.0.0.1:$place{port}",
        '127.0.0.1:8290' => "127.0.0.1:$place{status}",
        'build/durable' => build('durable'),
        'durable_dashboard' => 'durable_dashboard root='
                               . File::Spec->rel2abs('dashboard'),
    );

    # the longest first, and nothing twice
    my $any = join '|', map { quotemeta }
              sort { length $b <=> length $a } keys %change;

    $text =~ s/($any)/$change{$1}/g;

    return $text;
}


# A configuration with what a distribution's nginx.conf says before it.
sub whole {
    my ($text) = @_;

    my $dir = $place{dir};
    my $temporary = join '', map { "    ${_}_temp_path $dir/$_;\n" }
                    qw(client_body proxy fastcgi uwsgi scgi);

    $text = adapted($text);
    $text =~ s/^http \{\n/http {\n    access_log off;\n$temporary/m
        or die "an example without a http block\n";

    return ($> == 0 ? "user root;\n" : '')
           . "pid $dir/nginx.pid;\nerror_log $dir/error.log notice;\n$text";
}


sub blocks {
    my ($text, $language) = @_;

    return $text =~ /^```$language\n(.*?)^```$/msg;
}


sub section {
    my ($text, $title) = @_;

    my ($part) = $text =~ /^## \Q$title\E\n(.*?)(?=^## |\z)/ms
        or die "no section \"$title\"\n";

    return $part;
}


# The commands of shell blocks, lines that go on put together.
sub shell {
    my ($text) = @_;

    return grep { /\S/ }
           map { my $t = $_; $t =~ s/\\\n\s*//g; split /\n/, $t }
           blocks($text, 'sh');
}


# Shell blocks and `code` of a text.
sub code {
    my ($text) = @_;

    my @code = shell($text);

    $text =~ s/^```.*?^```$//msg;
    push @code, $text =~ /`([^`\n]+)`/g;
    s/\\\|/|/g for @code;

    return @code;
}


# ---- commands, links, packages

sub commands_exist {
    my $database = `make -pq clean 2>/dev/null`;
    my %help = map { $_ => scalar `@{[build('durable')]} $_ --help 2>&1` }
               qw(dev start sidecar);
    my $all = join '', values %help;
    my (%target, %option);

    for my $page (@pages) {
        for my $code (code(slurp($page))) {
            if ($code =~ /(?:\A|\s|&& )make((?: [a-z][\w-]*)*)/) {
                $target{$_} = $page for split ' ', $1;
            }

            # of the program, not those of curl and others
            next unless $code =~ m{\A--|(?:\A|/| )durable [a-z]};

            my ($names) = $code =~ m{(?:\A|/| )durable ([a-z|]+)};

            for my $name (split /\|/, defined $names ? $names : '') {
                $option{"$name --help"} = $page;
                $option{"$name $_"} = $page
                    for $code =~ /\s(--?[a-z][\w-]*)/g;
            }

            $option{" $1"} = $page
                if $code =~ /\A(--[a-z][\w-]*)/ && $page !~ /testing/;
        }
    }

    ok(keys %target > 6, 'make is named in the texts');

    for my $name (sort keys %target) {
        ok($database =~ /^\Q$name\E:/m, "$target{$name}: make $name");
    }

    ok(keys %option > 8, 'options of durable are named in the texts');

    for my $pair (sort keys %option) {
        my ($name, $option) = split / /, $pair;

        my $there = $option eq '--help' ? qr/usage:/i
                    : qr/(?:^| )\Q$option\E(?:[ ,]|$)/m;

        ok(($name eq '' ? $all : $help{$name} || '') =~ $there,
           "$option{$pair}: durable $pair");
    }
}


# As GitHub makes it of a title.
sub anchor {
    my ($title) = @_;

    $title = lc $title;
    $title =~ s/[^\w\- ]//g;
    $title =~ tr/ /-/;

    return $title;
}


sub links_resolve {
    my $links = 0;

    for my $page (@pages, 'examples/document-pipeline/README.md') {
        my $text = slurp($page);
        my @broken;

        $text =~ s/^```.*?^```$//msg;
        $text =~ s/`[^`\n]*\]\([^`\n]*`//g;

        while ($text =~ /\]\(([^)\s]+)\)/g) {
            my $link = $1;
            next if $link =~ /\A[a-z]+:/;

            my ($path, $anchor) = $link =~ /\A([^#]*)(?:#(.*))?\z/;
            my $target = $path eq '' ? $page : dirname($page) . "/$path";
            my %there = map { anchor($_) => 1 }
                        slurp(-f $target ? $target : '/dev/null')
                        =~ /^#+ (.+)$/mg;

            $links++;
            push @broken, $link
                if !-e $target || defined $anchor && !$there{$anchor};
        }

        is("@broken", '', "$page: every link leads somewhere");
    }

    ok($links > 40, 'links were found');
}


sub packages_agree {
    my ($said) = section($readme, 'Install') =~ /apt install (.*?)\n[^ ]/s;
    my ($taken) = slurp('Makefile') =~ /^PACKAGES := (.*?[^\\])$/ms;

    s/\\\n//g for $said, $taken;

    is(join(' ', sort split ' ', $said), join(' ', sort split ' ', $taken),
       'README.md names the packages that make run installs');

    my %documented = map { $_ => 1 } $directives =~ /^## (durable_\w+)$/mg;
    my @unknown = grep { !$documented{$_} } $readme =~ /\b(durable_\w+)/g;

    is("@unknown", '', 'README.md names directives that exist');
}


# ---- configurations

sub nginx_t {
    my ($text) = @_;

    my $dir = $place{dir};

    write_file("$dir/nginx.conf", $text);

    my $nginx = Durable::binary();
    my $said = `$nginx -t -p $dir/ -e $dir/error.log -c $dir/nginx.conf 2>&1`;

    return ($? >> 8, $said);
}


# In order, for "nginx -t": is it content, and has it nothing to say?
sub accepted {
    my ($what, $text) = @_;

    my ($status, $said) = nginx_t($text);

    is($status, 0, "$what: nginx -t is content") or diag($said);
    unlike($said, qr/\[(?:warn|error|crit)\]/, "$what: without a warning");
}


sub configurations_are_valid {
    my ($synopsis, @other) = blocks($readme, 'nginx');

    place();
    accepted('README.md', whole($synopsis));
    is(@other, 0, 'README.md: no other configuration');

    my ($dev, $keys, $status, $metrics, $dashboard, $redact, $verify, $function,
        @more) = blocks($directives, 'nginx');
    is(@more, 0, 'docs/directives.md: eight configurations');

    place();
    accepted('docs/directives.md, development', whole($dev));

    # "the mode is left out and the keys are there"
    (my $production = $dev) =~ s/^    durable_mode .*\n/$keys/m
        or die "docs/directives.md: no mode\n";
    place();
    accepted('docs/directives.md, production', whole($production));

    my ($proxy) = blocks($operations, 'nginx');

    for my $location ($status, $metrics, $dashboard, $proxy,
                      "location /acme { durable_route acme; $verify }\n")
    {
        (my $text = $dev) =~ s/^(    server \{\n)/$1$location/m
            or die "docs/directives.md: no server\n";
        place();
        accepted('a location of the docs', whole($text));
    }

    local $ENV{MAIL_TOKEN} = 'a-token';
    place();
    (my $workflow = $dev) =~ s/^(    server \{\n)/$function$redact$1/m;
    accepted('a workflow of the docs', whole($workflow));

    my ($server) = blocks(slurp('docs/metrics.md'), 'nginx');
    place();
    (my $metered = $dev) =~ s/^(    server \{\n)/$server$1/m;
    accepted('docs/metrics.md', whole($metered));

    place();
    (my $wrong = whole($synopsis)) =~ s/^ *durable_event_key .*\n//m;
    my ($code, $said) = nginx_t($wrong);
    is($code, 1, 'README.md without an event key is refused');
    like($said, qr/durable_event_key/, 'and nginx -t says why');
}


# What `make install` leaves is what docs/operations.md speaks of.
sub installation_is_complete {
    my $dir = place();
    my $build = build('.');

    system("make -s --no-print-directory -o all install BUILD=$build"
           . " DESTDIR=$dir/root >$dir/install.log 2>&1");
    is($?, 0, 'make install') or diag(slurp("$dir/install.log"));

    my %mode = (
        '/usr/bin/durable' => 0755,
        '/usr/lib/nginx/modules/ngx_http_durable_module.so' => 0644,
        '/usr/share/nginx-durable/durable.conf' => 0644,
        '/usr/share/nginx-durable/mod-http-durable.conf' => 0644,
        '/usr/share/nginx-durable/webhooks.conf' => 0644,
        '/usr/share/nginx-durable/serve.conf' => 0644,
        '/usr/share/nginx-durable/durable-api.conf' => 0644,
        '/usr/share/nginx-durable/durable-sidecar.socket.d/debian.conf'
            => 0644,
        '/usr/lib/systemd/system/durable-sidecar.socket' => 0644,
        '/usr/lib/systemd/system/durable-sidecar.service' => 0644,
    );

    my @found = split /\n/, `cd $dir/root && find . ! -type d`;
    s/\A\.// for @found;

    # the dashboard is as make has built it
    for my $name (split /\n/, `cd $build/dashboard && find . -type f`) {
        $mode{"/usr/share/nginx-durable/dashboard/$1"} = 0644
            if $name =~ m{\A\./([^.].*)};
    }

    ok($mode{'/usr/share/nginx-durable/dashboard/index.html'},
       'the dashboard is there');
    is_deeply([sort @found], [sort keys %mode], 'these files, no others');
    is(join(' ', grep { ((stat "$dir/root$_")[2] & 07777) != $mode{$_} }
                 sort keys %mode), '', 'with these modes');

    my @named = "$readme$operations"
                =~ m{(/usr/(?:share|lib|bin)/[\w./-]*\w)}g;

    ok(@named > 2, 'the texts name installed files');
    is(join(' ', grep { !-e "$dir/root$_" } @named), '',
       'which are there');

    my $share = "$dir/root/usr/share/nginx-durable";

    accepted('conf.d', whole(slurp("$share/mod-http-durable.conf")
        . "events {}\nhttp {\n" . slurp("$share/durable.conf") . "}\n"));

    # elsewhere: the paths in the files follow
    system("make -s --no-print-directory -o all install BUILD=$build"
           . " PREFIX=/opt/durable DESTDIR=$dir/other >$dir/log 2>&1");
    is($?, 0, 'make install PREFIX=') or diag(slurp("$dir/log"));

    like(slurp("$dir/other/opt/durable/lib/systemd/system/"
               . 'durable-sidecar.service'),
         qr{^ExecStart=/opt/durable/bin/durable }m, 'the unit names its own');
    like(slurp("$dir/other/opt/durable/share/nginx-durable/"
               . 'mod-http-durable.conf'),
         qr{^load_module /opt/durable/lib/nginx/}m, 'load_module as well');
}


# ---- servers

sub app {
    my (%option) = @_;

    $app = FakeApp->new(id => 'documents', record => "$place{dir}/calls",
        server => "http://127.0.0.1:$place{port}", port => $place{app},
        functions => functions(), %option);

    return $app->start;
}


# The functions of the example, played.
sub functions {
    return {
        pipeline => { event => 'document.uploaded',
            steps => [{ run => 'ocr', data => 7 }], result => 'done' },
        mail => { event => 'mail.requested',
            steps => [{ run => 'post' }], result => 'posted' },
        review => { event => 'review.requested',
            steps => [{ wait => 'approval', event => 'review.approved',
                        if => 'event.data.id == async.data.id' },
                      { invoke => 'tell-the-author',
                        function => 'documents-mail' },
                      { signal => 'printer', for => sub {
                          return "printed-$_[0]{event}{data}{id}" } }],
            result => 'printed' },
    };
}


# The event of README.md by its curl, then the run by its curl.  With a key,
# the second has the header that README.md gives for production.
sub event_and_run {
    my ($what, $production) = @_;

    my $text = section($readme, 'Use it with your app');
    my ($send, $read) = grep { /\Acurl / } shell($text);
    my ($header) = $text =~ /`(-H "Authorization[^`]+)`/;

    ok(defined $header, 'README.md: the header for production');
    local $ENV{SIGNING_KEY} = $signing_key;

    my $answer = decode_json(curl($send));

    is($answer->{status}, 200, "$what: the event is accepted");
    like($answer->{ids}[0], qr/\A01[0-9A-Z]{24}\z/, 'and has an id');

    $read =~ s/01\.\.\./$answer->{ids}[0]/ or die "README.md: no id\n";

    if ($production) {
        is(decode_json(curl($read))->{status}, 401,
           "$what: without the key nobody reads a run");
        $read .= " $header";
    }

    my $run = wait_for(20, 'the run is completed', sub {
        my $runs = decode_json(curl($read))->{data} || [];
        return @$runs && $runs->[0]{status} eq 'Completed' && $runs->[0];
    });

    is($run->{output}, 'done', "$what: the run is completed");
    is(scalar(grep { $_->{does} && $_->{ok} } $app->calls), 2,
       'after a call for the step and one for the end');
}


# "Wait, invoke, signal", command after command.
sub waits_go_on {
    my $text = section($readme, 'Wait, invoke, signal');
    my ($start, $approve, $signal, $list, $tree, $invoke) = shell($text);
    my ($code) = blocks($text, 'js');

    ok(index(slurp('examples/document-pipeline/review.mjs'), $code) > 0,
       'README.md shows what the example has');

    my ($event) = @{decode_json(curl($start))->{ids}};
    my $run;

    my $waits = sub {
        my ($what) = @_;

        return wait_for(20, "it waits for $what", sub {
            $run ||= (map { $_->{run_id} }
                      @{decode_json(curl($list))->{data}})[0] or return;
            (my $command = $tree) =~ s/01\.\.\./$run/;
            return curl($command) =~ /"for":"$what"/;
        });
    };

    like(curl($signal), qr/"status":404/, 'nobody waits for the signal yet');
    ok($waits->('event'), 'the run waits for an event');
    is(decode_json(curl($approve))->{status}, 200, 'which comes');
    ok($waits->('signal'), 'it invokes a function, and waits for a signal');
    is(decode_json(curl($signal))->{data}{run_id}, $run, 'which comes');

    ok(wait_for(20, 'its end', sub {
        my $r = HttpClient->new(port => $place{port}, keepalive => 0)
                    ->request('GET', "/v1/events/$event/runs");
        return $r->{json}{data}[0]{status} eq 'Completed';
    }), 'and has completed');

    is(decode_json(curl($invoke))->{status}, 200,
       'a function is started by its name');
}


sub curl {
    my ($command) = @_;

    $command = adapted($command);
    $command =~ s/\Acurl /curl -sS --max-time 20 /;

    return scalar `$command`;
}


sub synopsis_serves {
    my ($synopsis) = blocks($readme, 'nginx');
    my ($sidecar) = grep { /durable sidecar/ } shell($readme);

    place();
    app(key => $signing_key);

    is(adapted($sidecar), "durable sidecar --socket $place{dir}/sidecar.sock",
       'README.md: the sidecar is what is started here');

    my $server = Example->new(dir => $place{dir}, port => $place{port},
                              text => whole($synopsis))->start;

    wait_for(20, 'the app is registered', \&registered);
    event_and_run('the synopsis', 1);

    ok($server->stop, 'both end when asked');
    is($server->alerts, '', 'and have nothing to complain about');
    $app->stop;
    undef $app;
}


# Does the server know the app's function?
sub registered {
    my $r = HttpClient->new(port => $place{port}, keepalive => 0)
        ->request('GET', '/v1/apps/documents/functions', undef,
                  { Authorization => "Bearer $signing_key" });

    return ref $r->{json} eq 'ARRAY' && @{$r->{json}};
}


sub listens {
    my ($port) = @_;

    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
}


# The commands with `durable dev` and `durable start`, on a port of their own
# and with the nginx of the tests.
sub durable_serves {
    my ($name) = @_;

    my ($command) = grep { m{\Abuild/durable $name } } shell($readme);
    my $dir = place();

    app($name eq 'start' ? (key => $signing_key) : ());

    $command = adapted($command) . " --port $place{port} --nginx "
               . Durable::binary();

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        $ENV{EVENT_KEY} = $event_key;
        $ENV{SIGNING_KEY} = $signing_key;
        $ENV{TMPDIR} = $dir;
        chdir $dir;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/out";
        open STDERR, '>&', \*STDOUT;
        exec '/bin/sh', '-c', "exec $command" or POSIX::_exit(127);
    }

    my $served = eval {
        wait_for(20, "durable $name listens", sub {
            die "durable $name has ended\n" unless Durable::alive($pid);
            return registered();
        });
        event_and_run("durable $name", $name eq 'start');
        waits_go_on() if $name eq 'dev';
        1;
    };

    ok($served, "durable $name serves") or diag($@ . slurp("$dir/out"));

    kill 'INT', $pid;
    waitpid $pid, 0;
    is($?, 0, "durable $name ends at Ctrl-C");
    ok(!listens($place{port}), 'and with it its nginx');

    $app->stop;
    undef $app;
}


# A server whose configuration is a text of the documentation.
package Example;

use parent -norequire, 'Durable';

sub config { return $_[0]{text} }
