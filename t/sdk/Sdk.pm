# Copyright (C) the nginx-durable authors

# A whole server with a node app of the npm SDK beside it: the functions of
# t/sdk/functions.mjs under the package's major version v3 or v4.  What the
# app notes (every request, every step that really ran) is read from its log.
#
#     my $t = Sdk->start_all(version => 'v4');
#     my $run = $t->ended($t->fire('sdk/sequence', { x => 1 }));
#     is_deeply([$t->steps($run->{run_id})], ['a', 'b', 'c']);

package Sdk;

use strict;
use warnings;

use parent 'Durable';

use File::Copy 'copy';
use JSON::PP ();

use Durable qw(build free_port node_bin npm_install slurp wait_for);
use HttpClient;

my %package = (v4 => 'inngest@4.24.0', v3 => 'inngest@3.54.2');
my $json = JSON::PP->new->utf8->canonical->allow_nonref;


# Why these tests cannot run here, empty when they can.  In CI they must.
sub missing {
    my ($version) = @_;

    my $reason = Durable::missing();

    $reason ||= 'node 20 or later is needed' unless node_bin();
    $reason ||= 'npm cannot install: ' . ($@ || '')
        unless eval { npm_install(build("sdk/$version"), $package{$version}) };

    die "$reason\n" if $reason && $ENV{CI};

    return $reason;
}


# version; event_key and signing_key for production mode
sub new {
    my ($class, %option) = @_;

    my $self = $class->SUPER::new(retry_interval => '300ms', patience => 30,
                                  log_level => 'info', server => model(),
                                  %option);

    $self->{app_port} = free_port();
    $self->{app_client} = HttpClient->new(port => $self->{app_port});
    $self->{apps} = ["http://127.0.0.1:$self->{app_port}/api/inngest"];
    $self->{notes} = "$self->{dir}/app.notes";

    if ($self->{signing_key}) {
        $self->{mode} = 'production';
        $self->{http} .= "    durable_event_key $self->{event_key};\n"
                       . "    durable_signing_key $self->{signing_key};\n";
    }

    return $self;
}


# A model that says hello, and one that is busy, for step.ai.infer.
sub model {
    return <<'CONF';
        location = /ai/v1/chat/completions {
            default_type application/json;
            return 200 '{"choices":[{"message":{"content":"hello"}}]}';
        }

        location = /ai-wrong/v1/chat/completions {
            default_type application/json;
            return 429 '{"error":{"message":"busy"}}';
        }
CONF
}


sub start_all {
    my ($class, %option) = @_;

    my $self = $class->new(%option);

    $self->start_app;
    $self->start;

    wait_for(30, 'the app is registered', sub {
        my $r = $self->api('GET', '/v1/apps/sdk/functions');
        return ref $r->{json} eq 'ARRAY' && @{$r->{json}};
    });

    return $self;
}


# Extra environment as pairs.
sub start_app {
    my ($self, %environment) = @_;

    my $home = build("sdk/$self->{version}");

    copy("t/sdk/$_", $home) or die "$_: $!\n" for 'functions.mjs',
        'server.mjs', "$self->{version}/app.mjs";

    my %clean = map { $_ => $ENV{$_} } grep { !/^INNGEST_/ } keys %ENV;

    local %ENV = (%clean, NO_COLOR => 1, PORT => $self->{app_port},
                  SDK_LOG => $self->{notes}, $self->environment,
                  %environment);

    my $before = () = $self->notes(kind => 'listening');
    my $log = "$self->{dir}/app.log";

    $self->{app} = Durable::run_child('app', $log, node_bin(),
                                      "$home/app.mjs");

    wait_for(30, 'the app listens', sub {
        die 'the app ended: ' . slurp($log) . "\n"
            unless Durable::alive($self->{app});

        my $now = () = $self->notes(kind => 'listening');
        return $now > $before;
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


sub kill_app {
    my ($self) = @_;

    my $pid = delete $self->{app} or return;

    $self->kill9($pid);
    $self->{app_client}->close;

    return;
}


sub stop {
    my ($self) = @_;

    my $stopped = $self->SUPER::stop;

    $self->kill_app;

    return $stopped;
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


# The first run of the event, once it has ended.  After one that does not, the
# others are given less time: a broken server fails soon.
sub ended {
    my ($self, $event) = @_;

    my $seen = 'no run';

    my $run = eval {
        wait_for($self->{patience}, 'the run ends', sub {
            my ($run) = $self->event_runs($event) or return;
            $seen = $run->{status};
            return $seen =~ /^(?:Completed|Failed|Cancelled)$/ && $run;
        });
    };

    return $run if $run;

    $self->{patience} = 2;

    return { status => "not ended: $seen", run_id => '' };
}


# What the app noted, of these values.
sub notes {
    my ($self, %want) = @_;

    my @notes = map { $json->decode($_) } grep { /\n\z/ }
        split /^/, slurp($self->{notes});

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
