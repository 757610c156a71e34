package DurableFrame;

# SPDX-License-Identifier: BSD-2-Clause
#
# The nginx side of the sidecar link, for tests: starts a sidecar, connects,
# speaks frames (ngx_module/engine/dur_frame.h).  Whatever waits has a limit.

use strict;
use warnings;

use Exporter 'import';
use File::Temp ();
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use Socket qw(SOCK_STREAM);
use Time::HiRes qw(time);

our @EXPORT = qw(attempt wait_for sidecar_start sidecar_stop %TYPE %TAG
    %KIND %ERROR $F_END);

our $F_END = 1;

my @types = qw(HELLO WELCOME REFUSED INVENTORY CREDIT CALL DATA RESULT ACK
    CANCEL PING PONG LOG YIELD OP REPLY SUBSCRIBE NOTIFY GAP);
our %TYPE = map { $types[$_] => $_ + 1 } 0 .. $#types;
my %TYPE_NAME = reverse %TYPE;

# name => [ tag, length of an integer, 0 for bytes ]
my @tags = ([VERSION => 4], [STORE_ID => 0], [EPOCH => 8], [INSTANCE => 0],
    [PID => 4], [COUNT => 4], [ATTEMPT => 0], [KIND => 1], [METHOD => 0],
    [URL => 0], [HEADERS => 0], [TIMEOUT => 8], [APP => 4], [MAX_BODY => 8],
    [LENGTH => 8], [STATUS => 2], [ERROR => 0], [ERROR_KIND => 1],
    [STARTED => 8], [DURATION => 8], [LEVEL => 1], [ROLE => 1], [CODEC => 1],
    [FORMAT => 4], [ID => 8], [TOPIC => 0], [SEQUENCE => 8], [FOLLOW => 1]);
our %TAG = map { $tags[$_][0] => [$_ + 1, $tags[$_][1]] } 0 .. $#tags;
my %TAG_NAME = map { $_ + 1 => $tags[$_][0] } 0 .. $#tags;
my %PACK = (1 => 'C', 2 => 'n', 4 => 'N', 8 => 'Q>');

our %KIND = (STEP => 0, SYNC => 1, PROBE => 2);
our %ERROR = (OK => 0, CONNECT => 1, TIMEOUT => 2, LOST => 3, TOOBIG => 4,
    POLICY => 5, CANCELLED => 6, OTHER => 7);

my $DATA_MAX = 64 * 1024;

sub attempt {
    my ($item, $generation) = @_;
    return pack 'Q>N', $item, $generation // 1;
}

# Looks until the condition holds, for at most $limit seconds.
sub wait_for {
    my ($condition, $limit) = @_;
    my $end = time + ($limit // 10);

    while (1) {
        my $v = $condition->();
        return $v if $v;
        return undef if time > $end;
        select undef, undef, undef, 0.005;
    }
}

# --- the process ------------------------------------------------------------

sub sidecar_binary {
    my $path = $ENV{DURABLE} // 'build/durable';
    -x $path or die "$path is missing: run make first\n";
    return $path;
}

# What a test leaves behind when it dies, or is told to.
my %alive;

$SIG{INT} = $SIG{TERM} = sub { exit 1 };

END {
    local $?;
    if (%alive && $$ == (values %alive)[0]) {
        for my $pid (keys %alive) {
            kill 'KILL', $pid;
            waitpid $pid, 0;
        }
    }
}

# Another process of the test that must not outlive it.
sub track {
    my ($pid) = @_;
    $alive{$pid} = $$;
    return;
}

# Returns { pid, path, log }; dir: where another one was; env; before: runs in
# the child and provides the socket.
sub sidecar_start {
    my ($options, %more) = @_;
    my $dir = $more{dir} // File::Temp->newdir('durable-XXXXXX', TMPDIR => 1);
    my $self = { dir => $dir, path => "$dir/s", log => "$dir/log" };
    my $binary = sidecar_binary();

    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        $SIG{INT} = $SIG{TERM} = 'DEFAULT';
        open STDERR, '>>', $self->{log} or POSIX::_exit(126);
        open STDOUT, '>&', \*STDERR or POSIX::_exit(126);
        $ENV{$_} = $more{env}{$_} for keys %{ $more{env} // {} };
        $more{before}->() if $more{before};
        exec($binary, 'sidecar', $more{before} ? ()
            : ('--socket', $self->{path}), @$options)
            or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    $alive{$pid} = $$;
    return $self;
}

# SIGTERM, or the signal given; the exit status ("signal N" when killed).
sub sidecar_stop {
    my ($sidecar, $signal) = @_;
    return undef unless $sidecar->{pid};
    kill $signal // 'TERM', $sidecar->{pid};
    return sidecar_wait($sidecar);
}

sub sidecar_wait {
    my ($sidecar, $limit) = @_;
    my $status;
    my $ended = wait_for(sub {
        my $pid = waitpid $sidecar->{pid}, POSIX::WNOHANG();
        $status = $? if $pid == $sidecar->{pid};
        return $pid != 0;
    }, $limit // 40);
    if (!$ended) {
        kill 'KILL', $sidecar->{pid};
        waitpid $sidecar->{pid}, 0;
        $status = $?;
    }
    delete $alive{ delete $sidecar->{pid} };
    return ($status & 127) ? 'signal ' . ($status & 127) : $status >> 8;
}

sub sidecar_log {
    my ($sidecar) = @_;
    open my $fh, '<', $sidecar->{log} or return '';
    local $/;
    return scalar <$fh> // '';
}

# --- a link -----------------------------------------------------------------

sub connect {
    my ($class, $path) = @_;
    my $socket = wait_for(sub {
        IO::Socket::UNIX->new(Type => SOCK_STREAM, Peer => $path);
    }) or die "nobody answers on $path: $!\n";
    $socket->blocking(0);
    return bless { socket => $socket, in => '', frames => [] }, $class;
}

# A link that has said HELLO and heard everything up to the first CREDIT:
# $link->{inventory} and $link->{resent} keep what came before it.
sub hello {
    my ($class, $path, %o) = @_;
    my $link = $class->connect($path);
    $link->send(HELLO => { VERSION => 1, EPOCH => 1, PID => $$,
        STORE_ID => 'store-1---------', %o });
    my $hello = $link->next('HELLO') or die "no HELLO came\n";
    $link->{instance} = $hello->{INSTANCE};
    my $list = $link->next('INVENTORY') or die "no INVENTORY came\n";
    $link->{inventory} = [ unpack '(a12)*', $list->{data} ];
    $link->{resent} = [];
    while (my $f = $link->next) {
        if ($f->{type} eq 'CREDIT') {
            $link->{credit} = $f->{COUNT};
            return $link;
        }
        push @{ $link->{resent} }, $f;
    }
    die "no CREDIT came\n";
}

sub frame {
    my ($type, $fields, $data, $flags) = @_;
    my $header = '';
    for my $name (sort keys %$fields) {
        my ($tag, $len) = @{ $TAG{$name} // die "no tag $name" };
        my $v = $fields->{$name};
        next unless defined $v;
        $v = pack $PACK{$len}, $v if $len;
        $header .= pack('nn', $tag, length $v) . $v;
    }
    $data //= '';
    return pack('NCCn', 4 + length($header) + length($data), $TYPE{$type},
        $flags // $F_END, length $header) . $header . $data;
}

# The frames of a call, the body cut as it must be.
sub call_frames {
    my ($attempt, $fields, $body) = @_;
    my @parts = unpack "(a$DATA_MAX)*", $body // "";
    @parts = ('') unless @parts;
    my $first = shift @parts;
    my @frames = (frame('CALL', { KIND => 0, METHOD => 'POST',
        TIMEOUT => 20_000, APP => 1, MAX_BODY => 8 << 20,
        LENGTH => length($body // ''), ATTEMPT => $attempt, %$fields },
        $first, @parts ? 0 : $F_END));
    while (@parts) {
        my $part = shift @parts;
        push @frames, frame('DATA', { ATTEMPT => $attempt }, $part,
            @parts ? 0 : $F_END);
    }
    return @frames;
}

sub send {
    my ($link, $type, $fields, $data, $flags) = @_;
    return $link->write(frame($type, $fields // {}, $data, $flags));
}

sub call {
    my ($link, $attempt, $url, %o) = @_;
    my $body = delete $o{body};
    return $link->write(join '', call_frames($attempt, { URL => $url, %o },
        $body));
}

sub ack {
    my ($link, @attempts) = @_;
    return $link->write(join '',
        map { frame('ACK', { ATTEMPT => $_ }) } @attempts);
}

# Reads while it writes, as nginx does: neither side can block the other.
sub write {
    my ($link, $bytes) = @_;
    my $end = time + 20;
    while (length $bytes) {
        my $n = syswrite $link->{socket}, $bytes, 256 * 1024;
        if (defined $n) {
            substr $bytes, 0, $n, '';
            next;
        }
        return 0 unless $!{EAGAIN} || $!{EINTR};
        die "the sidecar does not read\n" if time > $end;
        $link->fill(0.05);
    }
    return 1;
}

# Takes what is there; waits up to $limit for something.  False at the end.
sub fill {
    my ($link, $limit) = @_;
    return 0 if $link->{eof};
    IO::Select->new($link->{socket})->can_read($limit) or return 1;
    my $n = sysread $link->{socket}, $link->{in}, 1 << 20,
        length $link->{in};
    if (!$n && !(!defined $n && ($!{EAGAIN} || $!{EINTR}))) {
        $link->{eof} = 1;
    }
    $link->take;
    return !$link->{eof};
}

sub take {
    my ($link) = @_;
    my $at = 0;
    while (length($link->{in}) - $at >= 8) {
        my ($length, $type, $flags, $header) =
            unpack 'NCCn', substr $link->{in}, $at, 8;
        last if length($link->{in}) - $at < 4 + $length;
        my %f = (type => $TYPE_NAME{$type} // $type, flags => $flags,
            data => substr($link->{in}, $at + 8 + $header,
                $length - 4 - $header));
        my $tlv = substr $link->{in}, $at + 8, $header;
        while (length $tlv) {
            my ($tag, $n) = unpack 'nn', $tlv;
            my $v = substr $tlv, 4, $n;
            substr $tlv, 0, 4 + $n, '';
            my $name = $TAG_NAME{$tag} or next;
            my $size = $TAG{$name}[1];
            $f{$name} = $size ? unpack($PACK{$size}, $v) : $v;
        }
        push @{ $link->{frames} }, \%f;
        $at += 4 + $length;
    }
    substr $link->{in}, 0, $at, '';
    return;
}

# The next frame, of a type, or one that a condition picks; others stay.
# Nothing when the link ends or the time is over.
sub next {
    my ($link, $which, $limit) = @_;
    my $end = time + ($limit // 20);
    my $picks = !defined $which ? sub { 1 }
        : ref $which ? $which : sub { $_[0]{type} eq $which };
    while (1) {
        my $list = $link->{frames};
        for my $i (0 .. $#$list) {
            return splice @$list, $i, 1 if $picks->($list->[$i]);
        }
        return undef if $link->{eof} || time > $end;
        $link->fill(0.2);
    }
}

# The whole result of an attempt, its DATA frames joined to its body.
sub result {
    my ($link, $attempt, $limit) = @_;
    my $mine = sub {
        my ($type) = @_;
        return sub { $_[0]{type} eq $type && $_[0]{ATTEMPT} eq $attempt };
    };
    my $f = $link->next($mine->('RESULT'), $limit) or return undef;
    my ($body, $flags) = ($f->{data}, $f->{flags});
    while (!($flags & $F_END)) {
        my $more = $link->next($mine->('DATA'), $limit) or return undef;
        $body .= $more->{data};
        $flags = $more->{flags};
    }
    return { %$f, body => $body,
        headers => { map { split /: /, $_, 2 }
            split /\n/, $f->{HEADERS} // "" } };
}

# The answer to a PING: everything written before it was dealt with.
sub sync {
    my ($link) = @_;
    my $mark = 'sync' . ++$link->{syncs};
    $link->send('PING', {}, $mark) or return undef;
    return $link->next(sub { $_[0]{type} eq 'PONG'
        && $_[0]{data} eq $mark });
}

sub closed {
    my ($link, $limit) = @_;
    my $end = time + ($limit // 10);
    $link->fill(0.2) while !$link->{eof} && time < $end;
    return $link->{eof};
}

sub close {
    my ($link) = @_;
    CORE::close $link->{socket};
    $link->{eof} = 1;
    return;
}

1;
