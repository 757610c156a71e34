# Copyright (C) the nginx-durable authors

# An app as a server sees it, in a process of its own: it answers PUT by
# registering its functions, GET with an introspection, and POST by playing
# the steps of a function as an SDK would (protocol 3, 4 and 5.1 to 5.5).
#
#     my $app = FakeApp->new(
#         id => 'shop', server => 'http://127.0.0.1:8288',
#         functions => {
#             order => {
#                 event => 'shop/order',              # or triggers => [...]
#                 retries => 3,
#                 config => { ... },                  # more of section 3.4
#                 steps => [
#                     { run => 'charge', data => { ok => 1 }, fail => 1 },
#                     { sleep => 'a while', for => '2s' },
#                     { all => [{ run => 'mail' }, { run => 'ship' }] },
#                     { invoke => 'ask', function => 'mail-send' },
#                     { wait => 'paid', event => 'shop/paid',
#                       if => 'event.data.id == async.data.id' },
#                     { signal => 'ready', for => 'ready-7' },
#                     { fetch => 'page', url => 'http://127.0.0.1:80/' },
#                 ],
#                 result => 'done',
#             },
#             odd => { event => 'shop/odd', code => sub { my ($call) = @_;
#                 return (500, { 'X-Inngest-No-Retry' => 'true' },
#                         { message => 'no' }); } },
#         });
#     $app->start;  $app->url;  $app->calls;  $app->stop;
#
# A function with checkpoint => 1 tells its steps while its call is open, where
# the call allows it.  data, url and for may be code that is given the call.
#
# A step may say: data, timeout, fail (so many
# attempts end with StepError), final (StepFailed), error (the HTTP status of
# so many attempts: status 500 instead of ops), delay (seconds before the
# answer), hang_up (so many attempts break the connection instead of an
# answer).  What it did is in a file, one JSON object a line, written before
# the answer leaves; calls() reads it.  With `key` the app registers in
# production, with `sign`, code that is given the body of an answer, it signs.

package FakeApp;

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EWOULDBLOCK);
use Fcntl qw(O_APPEND O_CREAT O_WRONLY);
use IO::Poll qw(POLLIN POLLOUT POLLHUP POLLERR);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

use FakeSteps;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my $sdk = 'inngest-js:v4.24.0';


sub new {
    my ($class, %option) = @_;

    my $self = bless {
        id => 'app', server => '', functions => {}, port => 0,
        path => '/api/inngest', version => 2, delay => 0,
        %option,
    }, $class;

    die "FakeApp: record => FILE is missing\n" unless $self->{record};

    $self->listen;

    return $self;
}


sub listen {
    my ($self) = @_;

    $self->{socket} = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $self->{port}, Listen => 511, ReuseAddr => 1)
        or die "FakeApp: listen: $!\n";
    $self->{port} = $self->{socket}->sockport;

    return;
}


sub url {
    my ($self) = @_;

    return "http://127.0.0.1:$self->{port}$self->{path}";
}


sub pid { return $_[0]{pid} }


sub start {
    my ($self) = @_;

    $self->listen unless $self->{socket};

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
        $SIG{PIPE} = 'IGNORE';
        $SIG{CHLD} = 'DEFAULT';
        eval { $self->serve; 1 } or print STDERR "FakeApp: $@";
        POSIX::_exit(1);
    }

    $self->{pid} = $pid;
    $self->{owner} = $$;
    close delete $self->{socket};

    return $self;
}


# The port stays the same for another start().
sub stop {
    my ($self, $signal) = @_;

    my $pid = delete $self->{pid} or return;

    kill $signal || 'TERM', $pid;
    waitpid $pid, 0;

    return;
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);
    $self->stop if $self->{owner} && $self->{owner} == $$;

    return;
}


# All that was recorded so far, oldest first.
sub calls {
    my ($self) = @_;

    open my $fh, '<', $self->{record} or return;

    my @calls;

    while (my $line = <$fh>) {
        last unless $line =~ /\n\z/;
        push @calls, $json->decode($line);
    }

    return @calls;
}


# ---- the server: one loop over all connections

sub serve {
    my ($self) = @_;

    $self->{conns} = {};
    $self->{later} = [];                # [time, conn, code], by time
    $self->{poll} = IO::Poll->new;
    $self->{socket}->blocking(0);
    $self->{poll}->mask($self->{socket}, POLLIN);

    sysopen $self->{log}, $self->{record}, O_WRONLY | O_APPEND | O_CREAT
        or die "$self->{record}: $!\n";

    while (1) {
        my $wait = @{$self->{later}} ? $self->{later}[0][0] - time : 1;

        $self->{poll}->poll($wait > 0 ? $wait : 0);

        for my $handle ($self->{poll}->handles(POLLIN | POLLHUP | POLLERR)) {
            if ($handle == $self->{socket}) {
                $self->accept_all;
                next;
            }

            my $number = fileno $handle;
            my $conn = defined $number && $self->{conns}{$number} or next;
            $self->readable($conn);
        }

        for my $handle ($self->{poll}->handles(POLLOUT)) {
            my $number = fileno $handle;
            my $conn = defined $number && $self->{conns}{$number} or next;
            $self->write_out($conn);
        }

        $self->due;
        1 while waitpid(-1, POSIX::WNOHANG()) > 0;
    }
}


sub accept_all {
    my ($self) = @_;

    while (my $socket = $self->{socket}->accept) {
        $socket->blocking(0);

        $self->{conns}{fileno $socket} = {
            socket => $socket, in => '', out => '', busy => 0, close => 0,
            number => ++$self->{accepted}, opened => time
        };
        $self->{poll}->mask($socket, POLLIN);
    }

    return;
}


sub readable {
    my ($self, $conn) = @_;

    my $n = sysread $conn->{socket}, $conn->{in}, 262144, length $conn->{in};

    if (!$n) {
        return if !defined $n && ($! == EAGAIN || $! == EINTR);
        return $self->drop($conn, 'closed by the server');
    }

    $self->next_request($conn);

    return;
}


# A connection that ends before its answer is out is a fact of the record.
sub drop {
    my ($self, $conn, $why) = @_;

    if ($conn->{busy} && $conn->{call}) {
        $self->record({ kind => 'broken', why => $why,
                        seq => $conn->{call}{seq} });
    }

    $self->{poll}->remove($conn->{socket});
    delete $self->{conns}{fileno $conn->{socket}};
    $conn->{gone} = 1;
    close $conn->{socket};

    return unless $conn->{asked};

    my ($status) = $conn->{in} =~ m{\AHTTP/1\.\d (\d+) };

    return $conn->{asked}->($status || 0);
}


sub next_request {
    my ($self, $conn) = @_;

    return if $conn->{busy} || $conn->{asked};

    my ($head) = $conn->{in} =~ /\A(.*?\r\n)\r\n/s or return;
    my %header;

    while ($head =~ /^([^:\s]+):[ \t]*(.*?)[ \t]*\r\n/mg) {
        $header{lc $1} = $2;
    }

    my ($body, $rest) = body($conn->{in}, length($head) + 2, \%header)
        or return;
    return unless defined $body;

    my ($method, $target) = $head =~ m{\A(\S+) (\S+) HTTP/1};

    $conn->{in} = $rest;
    $conn->{busy} = 1;
    $conn->{call} = undef;
    $conn->{close} = ($header{connection} || '') =~ /close/i;

    $self->request($conn, $method, $target, \%header, $body);

    return;
}


sub body {
    my ($in, $from, $header) = @_;

    if (($header->{'transfer-encoding'} || '') =~ /chunked/i) {
        my ($body, $at) = ('', $from);

        while (1) {
            pos($in) = $at;
            $in =~ /\G([0-9a-fA-F]+)[^\n]*\r\n/g or return;

            my $size = hex $1;
            my $start = pos $in;

            return if length $in < $start + $size + 2;

            $body .= substr $in, $start, $size;
            $at = $start + $size + 2;

            return ($body, substr $in, $at) if $size == 0;
        }
    }

    my $length = $header->{'content-length'} || 0;

    return if length $in < $from + $length;
    return (substr($in, $from, $length), substr($in, $from + $length));
}


sub request {
    my ($self, $conn, $method, $target, $header, $body) = @_;

    my ($path, $query) = split /\?/, $target, 2;

    if ($path ne $self->{path}) {
        return $self->respond($conn, 404, {}, { message => 'not here' });
    }

    if ($method eq 'PUT') {
        return $self->put($conn, $header, $body, $query);
    }

    if ($method eq 'GET') {
        return $self->respond($conn, 200, {}, {
            function_count => scalar keys %{$self->{functions}},
            has_event_key => JSON::PP::false(),
            has_signing_key => JSON::PP::false(),
            mode => 'dev', schema_version => '2024-05-24',
            extra => { native_crypto => JSON::PP::true() } });
    }

    return $self->respond($conn, 405, {}, { message => 'no such method' })
        if $method ne 'POST';

    return $self->call($conn, $header, $body, $query);
}


# Runs the code after the seconds, unless the connection is gone then.
sub after {
    my ($self, $seconds, $conn, $code) = @_;

    my $at = time + $seconds;

    $self->{later} = [sort { $a->[0] <=> $b->[0] }
                      @{$self->{later}}, [$at, $conn, $code]];

    return;
}


sub due {
    my ($self) = @_;

    while (@{$self->{later}} && $self->{later}[0][0] <= time) {
        my (undef, $conn, $code) = @{shift @{$self->{later}}};
        $code->() unless $conn->{gone};
    }

    return;
}


sub respond {
    my ($self, $conn, $status, $headers, $value) = @_;

    my $body = defined $value && !ref $value && ($headers->{raw} || 0)
               ? $value : $json->encode($value);
    my %header = (
        'Content-Type' => 'application/json', 'X-Inngest-Sdk' => $sdk,
        'X-Inngest-Req-Version' => $self->{version}, %$headers);

    delete $header{raw};

    $header{'X-Inngest-Signature'} = $self->{sign}->($body)
        if $self->{sign} && $conn->{call};

    $conn->{out} = "HTTP/1.1 $status Status\r\n"
        . join('', map { "$_: $header{$_}\r\n" }
               grep { defined $header{$_} } sort keys %header)
        . 'Content-Length: ' . length($body) . "\r\n"
        . ($conn->{close} ? "Connection: close\r\n" : '') . "\r\n$body";

    $self->write_out($conn);

    return;
}


sub write_out {
    my ($self, $conn) = @_;

    while (length $conn->{out}) {
        my $n = syswrite $conn->{socket}, $conn->{out};

        if (!defined $n) {
            if ($! == EAGAIN || $! == EWOULDBLOCK || $! == EINTR) {
                $self->{poll}->mask($conn->{socket}, POLLIN | POLLOUT);
                return;
            }

            return $self->drop($conn, "write: $!");
        }

        substr $conn->{out}, 0, $n, '';
    }

    $self->{poll}->mask($conn->{socket}, POLLIN);

    return if $conn->{asked};

    if ($conn->{call}) {
        $self->record({ kind => 'answered', seq => $conn->{call}{seq} });
    }

    $conn->{busy} = 0;

    return $self->drop($conn) if $conn->{close};

    $self->next_request($conn) if length $conn->{in};

    return;
}


sub record {
    my ($self, $what) = @_;

    $what->{t} = time;
    syswrite $self->{log}, $json->encode($what) . "\n";

    return;
}


# ---- registering

sub functions {
    my ($self) = @_;

    my @list;

    for my $name (sort keys %{$self->{functions}}) {
        my $f = $self->{functions}{$name};
        my $slug = "$self->{id}-$name";
        my $step = { id => 'step', name => 'step', runtime => {
            type => 'http', url => $self->url . "?fnId=$slug&stepId=step" } };

        $step->{retries} = { attempts => $f->{retries} + 0 }
            if defined $f->{retries};

        push @list, {
            id => $slug, name => $f->{name} || $name,
            triggers => $f->{triggers} || [{ event => $f->{event} }],
            steps => { step => $step }, %{$f->{config} || {}} };
    }

    return \@list;
}


sub registration {
    my ($self) = @_;

    return { url => $self->url, deployType => 'ping', framework => 'perl',
             appName => $self->{id}, sdk => 'js:v4.24.0', v => '0.1',
             capabilities => { trust_probe => 'v1', connect => 'v1' },
             functions => $self->functions };
}


# The POST to the server waits in a child, which also answers the PUT: the
# server may want us for something else meanwhile.
sub put {
    my ($self, $conn, $header, $body, $query) = @_;

    if (($header->{'x-inngest-sync-kind'} || '') eq 'in_band') {
        return $self->respond($conn, 200,
            { 'X-Inngest-Sync-Kind' => 'in_band' },
            { %{$self->registration}, app_id => $self->{id}, env => undef,
              inspection => {}, sdk_author => 'inngest',
              sdk_language => 'js', sdk_version => '4.24.0' });
    }

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        close $self->{socket};

        my ($deploy) = ($query || '') =~ /\bdeployId=([^&]*)/;
        my ($status, $answer) = $self->register(
            $header->{'x-inngest-server-kind'}, $deploy);

        $conn->{close} = 1;
        $conn->{socket}->blocking(1);

        my ($code, $value) = ($status == 200 && $answer->{ok})
            ? (200, { message => 'Successfully registered',
                      modified => $answer->{modified} })
            : (500, { message => $answer->{error} || 'no answer',
                      modified => JSON::PP::false() });
        my $text = $json->encode($value);

        syswrite $conn->{socket}, "HTTP/1.1 $code Status\r\n"
            . "X-Inngest-Sdk: $sdk\r\n"
            . "X-Inngest-Sync-Kind: out_of_band\r\n"
            . "Content-Type: application/json\r\nConnection: close\r\n"
            . 'Content-Length: ' . length($text) . "\r\n\r\n$text";

        POSIX::_exit(0);
    }

    $conn->{call} = undef;
    $self->drop($conn);

    return;
}


# POST /fn/register; the status and the decoded answer.
sub register {
    my ($self, $kind, $deploy) = @_;

    my ($host, $port) = $self->{server} =~ m{\Ahttp://([\d.]+):(\d+)\z}
        or return (0, { error => "no server in \"$self->{server}\"" });

    my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port,
                                       Timeout => 5)
        or return (0, { error => "connect: $!" });
    my $body = $json->encode($self->registration);
    my $path = '/fn/register' . (defined $deploy ? "?deployId=$deploy" : '');

    syswrite $socket, "POST $path HTTP/1.0\r\nHost: $host:$port\r\n"
        . "Content-Type: application/json\r\nX-Inngest-Sdk: $sdk\r\n"
        . "X-Inngest-Sync-Kind: out_of_band\r\n"
        . (defined $kind ? "X-Inngest-Expected-Server-Kind: $kind\r\n" : '')
        . 'Authorization: Bearer '
        . (defined $self->{key} ? $self->{key} : 'undefined') . "\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body";

    local $/;
    my $text = <$socket>;
    my ($status, $answer) = (defined $text ? $text : '')
        =~ m{\AHTTP/1\.\d (\d+).*?\r\n\r\n(.*)\z}s
        or return (0, { error => 'no answer' });
    my $value = eval { $json->decode($answer) };

    return ($status, ref $value eq 'HASH' ? $value : { error => $answer });
}


# ---- calls

sub call {
    my ($self, $conn, $header, $body, $query) = @_;

    my ($slug) = ($query || '') =~ /(?:\A|&)fnId=([^&]*)/;
    my ($wanted) = ($query || '') =~ /(?:\A|&)stepId=([^&]*)/;
    my $request = eval { $json->decode($body) };

    $slug = '' unless defined $slug;

    my ($name) = $slug =~ /\A\Q$self->{id}\E-(.+)\z/;
    my $f = defined $name ? $self->{functions}{$name} : undef;

    if (!$f || ref $request ne 'HASH') {
        return $self->respond($conn, 500, {}, { type => 'internal',
            name => 'Error', message => "no function \"$slug\"" });
    }

    my $ctx = $request->{ctx} || {};
    my $call = {
        kind => 'call', seq => "$$-" . ++$self->{seq}, fn => $name,
        conn => $conn->{number}, opened => $conn->{opened}, target => $wanted,
        run => $ctx->{run_id}, attempt => $ctx->{attempt},
        max_attempts => $ctx->{max_attempts},
        item => $header->{'x-inngest-job-id'},
        generation => $header->{'x-inngest-generation-id'},
        request_id => $header->{'x-request-id'},
        version => $header->{'x-inngest-req-version'},
        event => $request->{event}{name}, event_id => $request->{event}{id},
        key => from_event($request, 'id'),
        group => from_event($request, 'key'),
        memos => [sort keys %{$request->{steps} || {}}],
    };

    $conn->{call} = $call;

    return $self->tell({ f => $f, call => $call, request => $request,
                         conn => $conn })
        if $f->{checkpoint} && defined $ctx->{fn_id} && ($wanted || '') eq 'step'
           && !$ctx->{disable_immediate_execution};

    my $answer = $f->{code} ? [$f->{code}->({ %$call, request => $request,
                                              body => $body,
                                              header => $header })]
                            : FakeSteps::play($f, $call, $request);

    return $self->answer($conn, $call, $answer);
}


# A short text or number in the data of the event, for tests that tell runs
# apart by it.
sub from_event {
    my ($request, $name) = @_;

    my $data = ($request->{event} || {})->{data};
    my $value = ref $data eq 'HASH' ? $data->{$name} : undef;

    return defined $value && !ref $value && length $value < 64 ? $value
                                                               : undef;
}


sub answer {
    my ($self, $conn, $call, $answer) = @_;

    my ($status, $headers, $value, $delay, $hang_up) = @$answer;

    $call->{status} = $status;
    $self->record($call);

    $delay = $self->{delay} unless defined $delay;

    my $finish = sub {
        return $self->drop($conn, 'hung up') if $hang_up;
        return $self->respond($conn, $status, $headers, $value);
    };

    return $delay ? $self->after($delay, $conn, $finish) : $finish->();
}


# ---- steps that are told while their call is open

# The next one; it goes on when the connection is gone, as apps do.
sub tell {
    my ($self, $t) = @_;

    my ($conn, $call, $request) = @$t{qw(conn call request)};
    my $step = FakeSteps::next_run($t->{f}, $request);

    if (!$step) {
        return if $conn->{gone};
        delete @$call{qw(does ok)};
        return $self->answer($conn, $call, FakeSteps::play($t->{f}, $call,
                                                           $request));
    }

    my $said = FakeSteps::run_step($step, $call, $request);

    if (!$call->{ok}) {
        return $conn->{gone} ? () : $self->answer($conn, $call, $said);
    }

    $self->record({ %$call, status => 0 });
    $t->{op} = $said->[2][0];
    $t->{tries} = 0;

    return $self->after($said->[3] || 0, {}, sub { $self->checkpoint($t) });
}


# What no server took is the answer of the call.
sub checkpoint {
    my ($self, $t) = @_;

    my ($conn, $call, $op) = @$t{qw(conn call op)};

    return $self->post("/v1/checkpoint/$call->{run}/async", {
        run_id => $call->{run}, fn_id => $t->{request}{ctx}{fn_id},
        qi_id => $call->{item}, generation_id => $call->{generation} + 0,
        ts => int(1000 * time), steps => [$op] }, sub {
            my ($status) = @_;

            $self->record({ kind => 'told', status => $status,
                map { $_ => $call->{$_} } qw(seq run does generation) });

            if ($status == 200) {
                $t->{request}{steps}{$op->{id}} = { data => $op->{data} };
                push @{$call->{memos}}, $op->{id};
                return $self->tell($t);
            }

            return $self->after(0.2, {}, sub { $self->checkpoint($t) })
                if $status != 409 && ++$t->{tries} < 5;

            return if $conn->{gone};
            return $self->respond($conn, 206, {}, $status == 409 ? [] : [$op]);
        });
}


# A request to the server; the code is given the status, 0 for no answer.
sub post {
    my ($self, $path, $value, $done) = @_;

    my ($host, $port) = $self->{server} =~ m{\Ahttp://([\d.]+):(\d+)\z}
        or die "FakeApp: no server in \"$self->{server}\"\n";
    my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port,
                                       Blocking => 0)
        or return $done->(0);
    my $body = $json->encode($value);
    my $conn = { socket => $socket, in => '', asked => $done,
        out => "POST $path HTTP/1.0\r\nHost: $host:$port\r\n"
            . "Content-Type: application/json\r\n"
            . (defined $self->{key} ? "Authorization: Bearer $self->{key}\r\n"
                                    : '')
            . 'Content-Length: ' . length($body) . "\r\n\r\n$body" };

    $self->{conns}{fileno $socket} = $conn;
    $self->{poll}->mask($socket, POLLIN | POLLOUT);
    $self->after(10, $conn, sub { $self->drop($conn) });

    return;
}


1;
