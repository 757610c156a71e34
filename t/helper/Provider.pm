# Copyright (C) the nginx-durable authors

# What the server calls in a run's stead (fetch, ai.infer): an HTTP server on
# 127.0.0.1 in a process of its own that writes down every request.
#
#     my $provider = Provider->new(record => "$dir/provider")->start;
#     $provider->url;  $provider->requests;  $provider->stop;
#
# /teapot answers 418 with the body it was sent, /v1/... speaks as a model
# does, anything else is 500.  With `answer`, code that is given the path, the
# headers and the body, it answers what that returns: the status, the type, the
# body, and more headers as lines.

package Provider;

use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes 'sleep';

my $json = JSON::PP->new->utf8->canonical;


sub new {
    my ($class, %option) = @_;

    return bless { %option, owner => $$ }, $class;
}


sub start {
    my ($self) = @_;

    my $listen = IO::Socket::INET->new(Listen => 64, LocalPort => 0,
                                       LocalAddr => '127.0.0.1')
        or die "no port for the provider: $!\n";

    $self->{port} = $listen->sockport;

    my $pid = fork;
    die "fork: $!\n" unless defined $pid;

    if ($pid == 0) {
        local $SIG{PIPE} = 'IGNORE';

        while (my $client = $listen->accept) {
            $self->serve($client);
        }

        POSIX::_exit(0);
    }

    $self->{pid} = $pid;

    return $self;
}


sub url { return "http://127.0.0.1:$_[0]{port}" }


sub serve {
    my ($self, $client) = @_;

    local $/ = "\r\n";

    my ($method, $path) = split ' ', scalar(<$client>) || '';
    my %header;

    while (defined(my $line = <$client>)) {
        chomp $line;
        last if $line eq '';
        $header{lc $1} = $2 if $line =~ /^([^:]+):\s*(.*)$/;
    }

    print {$client} "HTTP/1.1 100 Continue\r\n\r\n"
        if lc($header{expect} || '') eq '100-continue';

    my $body = '';
    read $client, $body, $header{'content-length'}
        if $header{'content-length'};

    $self->note({ method => $method, path => $path, headers => \%header,
                  body => $body });

    my ($status, $type, $answer, @more) =
        ($self->{answer} || \&answer)->($path || '', \%header, $body);

    print {$client} "HTTP/1.1 $status\r\nContent-Type: $type\r\n",
        'Content-Length: ', length $answer, "\r\nConnection: close\r\n",
        map({ "$_\r\n" } @more), "\r\n", $answer;
    close $client;

    return;
}


sub answer {
    my ($path, $header, $body) = @_;

    return ("418 I'm a teapot", 'text/plain', "short and stout: $body")
        if $path eq '/teapot';

    my $asked = $path =~ m{^/v1/} && eval { $json->decode($body) };

    if ($asked) {
        my $said = $asked->{messages}[0]{content};
        my $key = $header->{authorization} || 'no key';

        return ('200 OK', 'application/json', $json->encode({ choices =>
            [{ index => 0, finish_reason => 'stop', message =>
               { role => 'assistant', content => "$said from $key" } }] }));
    }

    return ('500 Internal Server Error', 'application/json',
            '{"error":{"message":"out of order"}}');
}


sub note {
    my ($self, $record) = @_;

    open my $fh, '>>', $self->{record} or die "$self->{record}: $!\n";
    print {$fh} $json->encode($record), "\n";
    close $fh;

    return;
}


sub requests {
    my ($self) = @_;

    open my $fh, '<', $self->{record} or return ();
    local $/ = "\n";

    return map { $json->decode($_) } <$fh>;
}


sub stop {
    my ($self) = @_;

    return unless $self->{pid} && $self->{owner} == $$;

    my $pid = delete $self->{pid};

    kill 'KILL', $pid;
    waitpid $pid, 0;

    return;
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);

    $self->stop;

    return;
}

1;
