# Copyright (C) the nginx-durable authors

# The dashboard in a real Chromium: what a person does with it, from an empty
# server on.  The scenes are in t/dashboard/*.mjs.

use strict;
use warnings;

use File::Temp ();
use Test::More;
use Time::HiRes qw(sleep time);

use lib 't/helper', 't/sdk';

use Browser;
use Durable qw(build write_file);
use Shop;

-e build('dashboard/index.html')
    or plan skip_all => 'make dashboard has not been run';

if (my $reason = Browser::missing() || Shop::missing()) {
    plan skip_all => $reason;
}

my $key = 'signkey-prod-'
    . 'f00dbabedeadbeef00112233445566778899aabbccddeeff0011223344556677';


# What a script may ask for.
sub answers {
    my ($d) = @_;

    return (
        sync => sub { $d->sync; 1 },
        break => sub { $d->break; 1 },
        repair => sub { $d->repair; 1 },
        target => sub { $d->{target}->answers($_[0]); 1 },
        hook => sub {
            my ($hook) = @_;
            return $d->http('POST', $hook->{path}, $hook->{body},
                            { 'X-Delivery' => $hook->{id} })->{status};
        },
    );
}


# Plays a script against a server; doors are more locations.
sub play {
    my ($script, $option, %server) = @_;

    plan skip_all => 'not asked for'
        if $ENV{STORY} && $ENV{STORY} ne $script;

    my $d = Shop->new(workers => 2, %server);
    my $browser = Browser->new(url => $d->page, server => $d->url,
        depot => $d->depot_url, only => $ENV{STORY_ONLY},
        key => $server{signing_key}, event_key => $server{event_key},
        %$option);

    $d->{target}->start;
    $d->start;
    $d->start_app;
    $d->sync unless $script eq 'story.mjs' && !$ENV{STORY_ONLY};
    $browser->play($script, {}, answers($d), weather($d), keys_of($d));
    is($d->alerts, '', 'the logs are clean');
    $d->stop;

    return;
}


# What happens to the server.
sub weather {
    my ($d) = @_;

    return (
        hup => sub { reload($d); 1 },
        kill_leader => sub { $d->kill_leader },
        load => sub { $d->load($_[0], 1_000_000); 1 },
        storm => sub { { sent => storm($d, %{$_[0]}) } },
    );
}


# A browser has connections in reserve: nginx waits for their first request as
# long as for any.
sub reload {
    my ($d) = @_;

    $d->reload(90);

    return 1;
}


# So many events a second, one by one as clients send them.
sub storm {
    my ($d, %option) = @_;

    my ($sent, $start) = (0, time);

    while ((my $passed = time - $start) < $option{seconds}) {
        my $due = $passed * $option{rate} - $sent;

        $d->send_events(map { { name => 'load/one', data => { n => $_ } } }
                        $sent .. $sent + $due - 1) if $due >= 1;
        $sent += int $due if $due >= 1;
        sleep 0.02;
    }

    return $sent;
}


# The signing key is another one for a while.
sub keys_of {
    my ($d) = @_;

    my $other = sub {
        my ($from, $to) = @_;

        $d->{http} =~ s/durable_signing_key \Q$from\E/durable_signing_key $to/;
        write_file("$d->{dir}/nginx.conf", $d->config);
        return reload($d);
    };

    return (other_key => sub { $other->($key, "${key}00") },
            first_key => sub { $other->("${key}00", $key) });
}


# The password is "right".
sub doors {
    my $root = build('dashboard');
    my $guard = 'auth_basic durable; auth_basic_user_file ann;';

    return <<"SERVER";
        location /guarded/ {
            $guard
            durable_dashboard root=$root access=nginx;
        }

        location /shown/ {
            $guard
            durable_dashboard root=$root access=nginx read_only;
        }

        location = /favicon.ico {
            return 204;
        }

        location = /elsewhere {
            default_type text/html;
            return 200 "<title>elsewhere</title>";
        }
SERVER
}


subtest 'the story of a server' => sub { play('story.mjs', {}) };

subtest 'hostile content' => sub { play('hostile.mjs', {}) };

subtest 'keys, passwords and read only' => sub {
    my $dir = File::Temp->newdir('durable-XXXXXX', TMPDIR => 1);

    chmod 0755, $dir;
    write_file("$dir/ann", "ann:{PLAIN}right\n");
    play('doors.mjs', {}, dir => $dir->dirname, mode => 'production',
         signing_key => $key, event_key => 'an-event-key', doors => doors());
};

subtest 'reloads, kills, storms and a large store' => sub {
    play('weather.mjs', { many => $ENV{STORY_RUNS} || 100_000 });
};

done_testing();
