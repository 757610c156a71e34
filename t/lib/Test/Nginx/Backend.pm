# Copyright (C) the nginx-durable authors

# A fake server behind nginx, for the sections tcp_listen, tcp_reply,
# tcp_reply_delay and tcp_query.  One child process; it answers connections
# one after another and leaves what the first one sent in a file.

package Test::Nginx::Backend;

use strict;
use warnings;

use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(sleep time);


sub new {
    my ($class, %option) = @_;

    my $self = bless { %option }, $class;

    $self->{socket} = listening($option{listen});
    $self->{pid} = fork;
    die "fork: $!\n" unless defined $self->{pid};

    if ($self->{pid} == 0) {
        $SIG{TERM} = 'DEFAULT';
        $SIG{PIPE} = 'IGNORE';
        eval { $self->serve };
        print STDERR "tcp_listen: $@" if $@;
        POSIX::_exit(0);
    }

    close $self->{socket};

    return $self;
}


sub listening {
    my ($address) = @_;

    $address =~ s/\s+\z//;

    my $socket;

    if ($address =~ /\A\d+\z/) {
        $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
            LocalPort => $address, Listen => 64, ReuseAddr => 1);

    } else {
        $address =~ s/\Aunix://;
        unlink $address;
        $socket = IO::Socket::UNIX->new(Local => $address, Listen => 64);
        chmod 0777, $address if $socket;
    }

    return $socket || die "tcp_listen $address: $!\n";
}


sub serve {
    my ($self) = @_;

    my $number = 0;

    while (my $client = $self->{socket}->accept) {
        my $query = $self->query($client);

        if ($number++ == 0) {
            open my $fh, '>', "$self->{file}.new" or die "$self->{file}: $!\n";
            binmode $fh;
            print {$fh} $query;
            close $fh;
            rename "$self->{file}.new", $self->{file};
        }

        sleep $self->{delay} if $self->{delay};

        my $reply = $self->{reply};
        $reply = $reply->($query) if ref $reply eq 'CODE';

        for my $part (ref $reply ? @$reply : $reply) {
            next unless defined $part && length $part;
            $client->syswrite($part);
        }

        close $client;
    }

    return;
}


# Everything of one question: as long as was said, or one HTTP request, or
# what comes first.
sub query {
    my ($self, $client) = @_;

    my $query = '';

    while (1) {
        last if defined $self->{length} ? length $query >= $self->{length}
                                        : complete($query);

        my $n = $client->sysread($query, 65536, length $query);
        last unless $n;
    }

    return $query;
}


sub complete {
    my ($query) = @_;

    return 0 if $query eq '';
    return 1 unless $query =~ /\A[A-Z]+ \S+/;

    my ($head, $body) = $query =~ /\A(.*?\r\n\r\n)(.*)\z/s or return 0;

    return $body =~ /(?:\A|\r\n)0\r\n\r\n\z/
        if $head =~ /^Transfer-Encoding:\s*chunked/mi;

    return 1 unless $head =~ /^Content-Length:\s*(\d+)/mi;

    return length $body >= $1;
}


# Ends the child and gives what it was asked first, undef when nobody came.
sub stop {
    my ($self, $seconds) = @_;

    my $pid = delete $self->{pid} or return undef;
    my $end = time + ($seconds || 0);

    while (!-e $self->{file} && time < $end) {
        sleep 0.01;
    }

    kill 'TERM', $pid;
    waitpid $pid, 0;

    open my $fh, '<', $self->{file} or return undef;
    binmode $fh;
    local $/;
    my $query = <$fh>;
    unlink $self->{file};

    return $query;
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);
    $self->stop;

    return;
}


1;
