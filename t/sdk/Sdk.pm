# Copyright (C) the nginx-durable authors

# A whole server with an app of a real SDK beside it (t/sdk/Clients.pm), in
# dev mode or, given keys, in production.  What the app notes (every request,
# every step that really ran) is read from its log.
#
#     my $t = Sdk->start_all(sdk => 'v4');
#     my $run = $t->ended($t->fire('sdk/sequence', { x => 1 }));
#     is_deeply([$t->steps($run->{run_id})], ['a', 'b', 'c']);

package Sdk;

use strict;
use warnings;

use parent 'Durable';

use File::Path 'make_path';
use JSON::PP ();
use Time::HiRes 'time';

use Clients;
use Durable qw(free_port slurp wait_for);
use HttpClient;
use Provider;

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

our $SIGNING_KEY = 'signkey-prod-'
    . 'f00dbabedeadbeef00112233445566778899aabbccddeeff0011223344556677';


# sdk; event_key and signing_key, or production => 1 for some
sub new {
    my ($class, %option) = @_;

    %option = (%option, event_key => 'test-event-key',
               signing_key => $SIGNING_KEY) if delete $option{production};

    $option{dir} ||= "$ENV{SDK_KEEP}/$option{sdk}-" . ($option{label} || 'dev')
        if $ENV{SDK_KEEP};
    make_path($option{dir}) if $option{dir};

    my $sdk = Clients::client(delete $option{sdk});

    my $self = $class->SUPER::new(sdk => $sdk, retry_interval => '300ms',
                                  patience => 30, log_level => 'info',
                                  label => 'dev', %option);

    my $port = $self->{app_port} = free_port();

    $self->{app_client} = HttpClient->new(port => $port);
    $self->{apps} = [map { "http://127.0.0.1:$port/api/$_" }
                     @{$sdk->{apps}}];
    $self->{notes} = "$self->{dir}/app.notes";
    $self->{provider} = Provider->new(record => "$self->{dir}/provider");

    if ($self->{signing_key}) {
        $self->{mode} = 'production';
        $self->{http} .= "    durable_event_key $self->{event_key};\n"
                       . "    durable_signing_key $self->{signing_key};\n";
    }

    return $self;
}


sub start_all {
    my ($class, %option) = @_;

    my $self = $class->new(%option);

    $self->{provider}->start;
    $self->start_app;
    $self->start;
    $self->wait_apps;

    return $self;
}


sub wait_apps {
    my ($self) = @_;

    for my $app (map { $_ eq 'inngest' ? 'sdk' : "sdk-$_" }
                 @{$self->{sdk}{apps}})
    {
        wait_for(30, "the app $app is registered", sub {
            my $r = $self->api('GET', "/v1/apps/$app/functions");
            return ref $r->{json} eq 'ARRAY' && @{$r->{json}};
        });
    }

    return;
}


# Extra environment as pairs.
sub start_app {
    my ($self, %environment) = @_;

    my @command = Clients::command($self->{sdk});
    my %clean = map { $_ => $ENV{$_} } grep { !/^INNGEST_/ } keys %ENV;

    local %ENV = (%clean, NO_COLOR => 1, PORT => $self->{app_port},
                  SDK_LOG => $self->{notes}, PROVIDER => $self->provider_url,
                  $self->environment, %{$self->{sdk}{environment}},
                  %environment);

    my $before = () = $self->notes(kind => 'listening');
    my $log = "$self->{dir}/app.log";

    $self->{app} = Durable::run_child('app', $log, @command);

    wait_for(30, 'the app listens', sub {
        die 'the app ended: ' . slurp($log) . "\n"
            unless Durable::alive($self->{app});

        my $now = () = $self->notes(kind => 'listening');
        return $now > $before;
    });

    return;
}


sub provider_url { return $_[0]{provider}{port} ? $_[0]{provider}->url : '' }


sub environment {
    my ($self) = @_;

    return (INNGEST_DEV => $self->url) unless $self->{signing_key};

    # Go takes any text for true.
    return ($self->{sdk}{runtime} eq 'go' ? () : (INNGEST_DEV => 0),
            INNGEST_BASE_URL => $self->url,
            INNGEST_EVENT_KEY => $self->{event_key},
            INNGEST_SIGNING_KEY => $self->{signing_key});
}


sub kill_app {
    my ($self) = @_;

    my $pid = delete $self->{app} or return;

    $self->kill9($pid);
    $self->{app_client}->close;

    return;
}


# kill -9 of all of it, and a new start once the app has come to the calls
# that it had been sent: it answers in turn.
sub kill_server {
    my ($self) = @_;

    $self->kill_nginx;
    $self->kill_sidecar;
    $self->ask_app('GET', '/api/inngest');
    $self->{killed_at} = int(time * 1000);
    $self->start;

    return;
}


# The app first: nginx 1.22 waits for a connection that has been opened and not
# used yet, and Go keeps some of those.
sub stop {
    my ($self) = @_;

    $self->kill_app;
    $self->{provider}->stop;

    return $self->SUPER::stop;
}


sub can_do {
    my ($self, @features) = @_;

    my %can = map { $_ => 1 } @{$self->{sdk}{can}};

    return !grep { !$can{$_} } @features;
}


# ---- questions

# A request to the app itself, which registers what Host says.
sub ask_app {
    my ($self, $method, $path, $body, $headers) = @_;

    return $self->{app_client}->request($method, $path, $body,
        { Host => "127.0.0.1:$self->{app_port}", %{$headers || {}} });
}


# A request to the server, with the signing key when there is one.
sub api {
    my ($self, $method, $path, $body, $headers) = @_;

    $headers ||= $self->{signing_key}
        ? { Authorization => "Bearer $self->{signing_key}" } : {};

    return $self->http($method, $path, $body, $headers);
}


# The internal id of the event.
sub fire {
    my ($self, $name, $data, %more) = @_;

    return $self->send_event({ name => $name, data => $data || {}, %more });
}


sub event_runs {
    my ($self, $event) = @_;

    my $r = $self->api('GET', "/v1/events/$event/runs");

    return $r->{status} == 200 ? @{$r->{json}{data}} : ();
}


# An event that may be refused, for the server may be away.
sub tell {
    my ($self, $name, $data) = @_;

    my $key = $self->{event_key} || 'key';
    my $r = $self->http('POST', "/e/$key", [{ name => $name,
                                              data => $data }]);

    return $r->{status} == 200;
}


# The run that the signal reached, undef when nobody waits for it.
sub signal {
    my ($self, $signal, $data) = @_;

    my $r = $self->api('POST', '/v1/signals', { signal => $signal,
                                                data => $data });

    return $r->{status} == 200 ? $r->{json}{data}{run_id} : undef;
}


# The id of the new run.
sub rerun {
    my ($self, $run) = @_;

    my $r = $self->api('POST', "/v1/runs/$run/rerun");

    return $r->{status} =~ /^2/ ? $r->{json}{data}{run_id} : undef;
}


sub run {
    my ($self, $id) = @_;

    my $r = $self->api('GET', "/v1/runs/$id");

    return $r->{status} == 200 ? $r->{json}{data} : undef;
}


# True for a run that will not change any more.
sub over {
    my ($self, $run) = @_;

    return $run && $run->{status} =~ /^(?:Completed|Failed|Cancelled)$/;
}


sub has_ended {
    my ($self, $id) = @_;

    return $id && $self->over($self->run($id));
}


# GET of a full URL of this server.
sub follow {
    my ($self, $url) = @_;

    my ($path) = $url =~ m{^https?://[^/]+(/.*)$};

    return HttpClient->new(port => $self->{port}, timeout => 30)
        ->request('GET', $path);
}


sub text { return $json->encode($_[1]) }

sub decode { return $json->decode($_[1]) }


# The first run of the event, once it has ended.  After one that does not, the
# others are given less time: a broken server fails soon.
sub ended {
    my ($self, $event) = @_;

    my $seen = 'no run';

    my $run = eval {
        wait_for($self->{patience}, 'the run ends', sub {
            my ($run) = $self->event_runs($event) or return;
            $seen = $run->{status};
            return $self->over($run) && $run;
        });
    };

    return $run if $run;

    $self->{patience} = 2;

    return { status => "not ended: $seen", run_id => '' };
}


# What the app noted, of these values.  Read on from where the last look ended.
sub notes {
    my ($self, %want) = @_;

    my $text = slurp($self->{notes}, $self->{read} || 0);
    $text =~ s/[^\n]*\z//;
    $self->{read} += length $text;
    push @{$self->{noted}}, map { $json->decode($_) } split /\n/, $text;

    my @notes = @{$self->{noted} || []};

    for my $key (keys %want) {
        @notes = grep { defined $_->{$key} && $_->{$key} eq $want{$key} }
            @notes;
    }

    return @notes;
}


# Waits for such a note.
sub noted {
    my ($self, %want) = @_;

    my @notes;

    wait_for(20, join(' ', 'a note of', %want), sub {
        @notes = $self->notes(%want);
    });

    return @notes;
}


# Names of the steps of a run in the order in which they ran.
sub steps {
    my ($self, $run) = @_;

    return map { $_->{step} } $self->notes(kind => 'step', run => $run);
}

1;
