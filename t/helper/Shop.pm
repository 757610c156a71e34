# Copyright (C) the nginx-durable authors

# A server with a dashboard, the apps of t/sdk/v4/shop.mjs with the real SDK
# of npm, a webhook whose target can be away, and a workflow.
#
#     my $d = Shop->new(workers => 2);
#     $d->start;  $d->start_app;  $d->sync;
#
# doors: more locations with a dashboard.  Nothing is registered before sync.

package Shop;

use strict;
use warnings;

use parent 'Durable';

use Clients;
use Durable qw(free_port slurp wait_for write_file);
use Handler;
use HttpClient;


sub missing { return Clients::missing('v4') }


sub new {
    my ($class, %option) = @_;

    my $self = $class->SUPER::new(retry_interval => '200ms',
                                  doors => '', %option);

    $self->{app_port} = free_port();
    $self->{broken} = "$self->{dir}/broken";
    $self->{target} = Handler->new(record => "$self->{dir}/handled",
                                   port => free_port());

    $self->{http} .= $self->workflow . $self->key_lines;
    $self->{server} .= $self->locations;

    return $self;
}


sub key_lines {
    my ($self) = @_;

    return '' unless $self->{signing_key};

    return "    durable_event_key $self->{event_key};\n"
           . "    durable_signing_key $self->{signing_key};\n";
}


sub workflow {
    my ($self) = @_;

    my $target = $self->{target}->url;

    return <<"HTTP";
    durable_function parcel {
        trigger event=parcel/sent;
        step label $target/label body=event.data;
        step post  $target/post body=event.data;
        return "'posted'";
    }

    durable_function load {
        trigger event=load/one;
        return "{'n': event.data.n}";
    }
HTTP
}


sub locations {
    my ($self) = @_;

    my $root = Durable::build('dashboard');
    my $target = $self->{target}->url;

    return <<"SERVER";
        location /durable/ {
            durable_dashboard root=$root;
        }

$self->{doors}

        location = /hooks/stripe {
            durable_route   stripe;
            durable_forward $target/stripe;
            durable_dedupe  \$http_x_delivery;
        }

        location = /hooks/linear {
            durable_route   linear;
        }
SERVER
}


sub app_url { return "http://127.0.0.1:$_[0]{app_port}/api/inngest" }

sub depot_url { return "http://127.0.0.1:$_[0]{app_port}/api/depot" }

sub page { return $_[0]->url . '/durable/' }


# A call for each step: while it makes checkpoints this SDK passes over the
# input of a step that somebody has edited.
sub start_app {
    my ($self) = @_;

    my ($node) = Clients::command(Clients::client('v4'));
    my $log = "$self->{dir}/app.log";
    my %clean = map { $_ => $ENV{$_} } grep { !/^INNGEST_/ } keys %ENV;

    local %ENV = (%clean, NO_COLOR => 1, PORT => $self->{app_port},
                  BROKEN => $self->{broken},
                  $self->environment);

    $self->{app} = Durable::run_child('app', $log, $node,
                                      Durable::build('sdk/v4/shop.mjs'));

    wait_for(30, 'the app listens', sub {
        die 'the app ended: ' . slurp($log) . "\n"
            unless Durable::alive($self->{app});

        return HttpClient->new(port => $self->{app_port}, keepalive => 0)
            ->request('GET', '/')->{status} == 404;
    });

    return;
}


sub environment {
    my ($self) = @_;

    return (INNGEST_DEV => $self->url) unless $self->{signing_key};

    return (INNGEST_DEV => 0, INNGEST_BASE_URL => $self->url,
            INNGEST_EVENT_KEY => $self->{event_key},
            INNGEST_SIGNING_KEY => $self->{signing_key});
}


# The app registers, as it does when it is deployed.
sub sync {
    my ($self) = @_;

    my $app = HttpClient->new(port => $self->{app_port}, timeout => 30);
    my $host = "127.0.0.1:$self->{app_port}";

    wait_for(30, 'the app registers', sub {
        $app->request('PUT', '/api/inngest', '', { Host => $host })
            ->{status} == 200;
    });

    return;
}


# So many events of a workflow that ends at once, as fast as they are taken.
sub load {
    my ($self, $many, $from) = @_;

    for (my $n = 0; $n < $many; $n += 1000) {
        my $end = $n + 999 < $many ? $n + 999 : $many - 1;

        $self->send_events(map { { name => 'load/one',
            data => { n => $_ + ($from || 0) } } } $n .. $end);
    }

    return;
}


sub break { write_file($_[0]{broken}, ''); return }

sub repair { unlink $_[0]{broken}; return }


sub stop {
    my ($self) = @_;

    $self->end_app;
    $self->{target}->stop if $self->{target}{pid};

    return $self->SUPER::stop;
}


sub end_app {
    my ($self) = @_;

    my $pid = delete $self->{app} or return;

    return $self->kill9($pid);
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!, $@);

    if ($self->{owner} == $$) {
        $self->end_app;
        $self->{target}->stop if $self->{target} && $self->{target}{pid};
    }

    return $self->SUPER::DESTROY;
}

1;
