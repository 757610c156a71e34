# Signing keys: calls and answers that are signed, tokens, and a key that is
# replaced while the server is busy.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

use Durable qw(missing slurp wait_for);
use FakeApp;
use HttpClient;

plan skip_all => missing() if missing();


my $json = JSON::PP->new->utf8->canonical;
my $old = 'signkey-prod-' . '0123456789abcdef' x 4;
my $new = 'signkey-prod-' . 'fedcba9876543210' x 4;
my $event_key = 'event-key-of-this-test';
my $port = Durable::free_port();
my $d = Durable->new(port => $port, workers => 2, log_level => 'info',
                     mode => 'production', event_key => $event_key,
                     retry_interval => '100ms', http => keys_are($old));
my $dir = $d->dir;

# What an SDK checks, and how it answers; the tests look at the record.
sub checked {
    my ($call) = @_;

    my $header = $call->{header}{'x-inngest-signature'};
    my $by = signer($header, $call->{body});

    open my $out, '>>', "$dir/signed" or die "$dir/signed: $!\n";
    print {$out} $json->encode({ signature => $header, by => $by,
                                 body => $call->{body}, at => time }), "\n";
    close $out;

    return (401, {}, { message => 'no signature' }) unless $by;

    my $data = $call->{request}{event}{data};
    my $want = $data->{sign} || 'right';

    write_mode($call->{attempt} ? 'right' : $want);

    return (200, {}, { by => $by });
}

# How the next answer is signed: the app is one process with one call.
sub write_mode { Durable::write_file("$dir/mode", $_[0]); return }

sub signed {
    my ($body) = @_;

    my $mode = slurp("$dir/mode");

    return undef if $mode eq 'none';

    my $t = int(time) + ($mode eq 'early' ? -310 : $mode eq 'late' ? 310 : 0);
    my $key = $mode eq 'other' ? 'signkey-prod-' . 'aa' x 32 : $old;

    $key = $new if $mode eq 'new';
    $body .= ' ' if $mode eq 'tampered';
    $t -= $mode eq 'slow' ? 290 : 0;

    return $mode eq 'broken' ? 'yes' : sign($key, $body, $t);
}

my $app = FakeApp->new(
    id => 'shop', server => "http://127.0.0.1:$port", key => $old,
    record => "$dir/calls", sign => \&signed, functions => {
        checked => { event => 'shop/checked', code => \&checked,
                     retries => 1 },
        plain => { event => 'shop/plain', steps => [
            { run => 'a', data => 1 }, { run => 'b', data => 2 }] },
    });

write_mode('right');
$app->start;
push @{$d->{apps}}, $app->url;
$d->start;

wait_for(20, 'the app is registered', sub {
    my $r = get('/v1/apps/shop/functions', "Bearer $old");
    return $r->{status} == 200 && @{$r->{json} || []};
});

pass('an app registers with the hash or the text of the key');


# ---- calls

my $run = ended({ name => 'shop/checked',
                  data => { z => 1, a => { "\x{e9}" => [1.5, 1e21, -0.0] } } });

is($run->{status}, 'Completed', 'a call is signed as the SDK checks it');

my ($call) = signed_calls();

like($call->{signature}, qr/\At=\d{10}&s=[0-9a-f]{64}\z/,
     'first the time, then the signature');

my ($t) = $call->{signature} =~ /t=(\d+)/;

cmp_ok(abs($call->{at} - $t), '<', 60, 'the time is that of the call');

my $text = $call->{body};

unlike($text, qr/\A\s|[:,] /, 'the body has no white space');
like($text, qr/"data":\{"a":\{"\x{c3}\x{a9}":\[1\.5,1e\+21,0\]\},"z":1\}/,
     'numbers and keys are canonical');

(my $tampered = $text) =~ s/"z":1/"z":2/g;
isnt($tampered, $text, 'a body with another value');
is(signer($call->{signature}, $tampered), '', 'is none that was signed');

(my $moved = $call->{signature}) =~ s/t=(\d+)/'t=' . ($1 + 1)/e;
is(signer($moved, $text), '', 'nor is one of another time');


# ---- answers

for my $case (['none', 'one that is not signed is believed'],
              ['right', 'one that is signed is believed'],
              ['slow', 'one of a clock that is 290 s late is believed'])
{
    is_deeply(statuses($case->[0]), [200], "an answer: $case->[1]");
}

for my $case (['tampered', qr/does not fit the answer/],
              ['other', qr/does not fit the answer/],
              ['broken', qr/does not fit the answer/],
              ['early', qr/more than 300 seconds/],
              ['late', qr/more than 300 seconds/])
{
    my ($mode, $error) = @$case;
    my $one = ended({ name => 'shop/checked', data => { sign => $mode } });

    is($one->{status}, 'Completed', "an answer: $mode is asked for again");

    my $history = get("/v1/runs/$one->{run_id}/history", "Bearer $old");
    my ($first) = @{$history->{json}{data}};

    like($first->{error}, $error, 'and says why');
}


# ---- tokens

my %hash = map { $_ => 'signkey-prod-' . sha256_hex(pack 'H*', substr $_, 13) }
           $old, $new;
my $rest = substr $old, 13;
my $rest_hash = substr $hash{$old}, 13;

for my $case ([200, "Bearer $old"], [200, "Bearer $hash{$old}"],
              [200, "bearer $hash{$old}"], [200, "BEARER $hash{$old}"],
              [200, "Bearer   $hash{$old}  "], [200, "Bearer $rest"],
              [200, "Bearer $rest_hash"],
              [200, "Bearer signkey-branch-$rest_hash"],
              [401, undef], [401, ''], [401, 'Bearer'], [401, 'Bearer '],
              [401, 'Bearer undefined'], [401, 'Bearer signkey-prod-'],
              [401, 'Bearer signkey-prod'], [401, "Basic $old"], [401, $old],
              [401, "Bearer$old"], [401, "Bearer $new"],
              [401, "Bearer $hash{$new}"], [401, "Bearer ${old}0"],
              [401, 'Bearer ' . substr $old, 0, -1],
              [401, "Bearer $old $old"], [401, 'Bearer ' . uc $rest])
{
    my ($status, $header) = @$case;
    my $title = defined $header ? $header : 'no header';

    $title =~ s/$rest/KEY/gi;
    $title =~ s/$rest_hash/HASH/gi;

    my $r = get('/v1/events', $header);

    is($r->{status}, $status, "$title: $status");

    next if $status == 200;

    is($r->{headers}{'www-authenticate'}, 'Bearer', 'asks for a token');
    is($r->{json}{status}, 401, 'in words of the API');
    unlike($r->{body}, qr/[0-9a-f]{16}/i, 'that tell no key');
}

for my $path ('/v1/signals', '/v1/cancellations', '/fn/register',
              "/v1/runs/01JQDAE4RQF8MBCR55T5AK4KXR/rerun",
              '/v1/functions/shop-plain/pause')
{
    is($d->http('POST', $path, '{}')->{status}, 401,
       "POST $path needs a token");
}

is($d->http('DELETE', '/v1/cancellations/01JQDAE4RQF8MBCR55T5AK4KXR')
       ->{status}, 401, 'DELETE as well');


# ---- a key is replaced under load

my $load = load();

wait_for(20, 'the load', sub { (my @all = answers()) > 50 });

reload_with($new, $old);

wait_for(20, 'the new key', sub {
    return get('/v1/events', "Bearer $new")->{status} == 200;
});

my $reloaded = answers();

wait_for(20, 'more load', sub { (my @all = answers()) > $reloaded + 50 });

is(get('/v1/events', "Bearer $_")->{status}, 200,
   'the old and the new key are valid at once')
    for $old, $new, $hash{$old}, $hash{$new};

write_mode('right');
is(ended({ name => 'shop/checked', data => {} }, $new)->{output}{by}, 'new',
   'calls are signed with the new one');
is(ended({ name => 'shop/checked', data => { sign => 'new' } }, $new)
       ->{status}, 'Completed', 'answers may be signed with either');

write_mode('right');
Durable::write_file("$dir/stop", '');
waitpid $load, 0;

my @answers = answers();
my @bad = grep { !/ 200\z/ } @answers;

cmp_ok(scalar @answers, '>', 100, 'a load of ' . @answers . ' requests');
is("@bad[0 .. ($#bad < 4 ? $#bad : 4)]", '', 'every one was answered');

my @events = map { /\AE (\S+)/ } @answers;

wait_for(60, 'all runs have ended', sub {
    for my $id (@events) {
        my ($one) = @{get("/v1/events/$id/runs", "Bearer $new")
                          ->{json}{data} || []};
        return undef unless $one && $one->{status} eq 'Completed';
    }
    return 1;
});

pass('every run of it completed');

reload_with($new);

wait_for(20, 'the old key is gone', sub {
    return get('/v1/events', "Bearer $old")->{status} == 401;
});

is(get('/v1/events', "Bearer $new")->{status}, 200,
   'the old key can be taken away, then the new one is left');


# ---- secrets stay secret

my $r = get('/durable/status', "Bearer $new");

$d->stop;
$app->stop;

for my $file (qw(error.log nginx.out sidecar.log)) {
    my $log = slurp("$dir/$file");

    unlike($log, qr/\Q$_\E/, "$file has no secret")
        for $rest, substr($new, 13), $rest_hash, substr($hash{$new}, 13),
            $event_key;
}

unlike($r->{body}, qr/$rest|\Q$event_key\E/, 'nor has the status');
is($d->alerts, '', 'the logs are clean');

done_testing();


sub keys_are {
    my (@keys) = @_;

    return "    durable_event_key $event_key;\n"
           . "    durable_signing_key @keys;\n";
}


sub reload_with {
    $d->{http} = keys_are(@_);
    Durable::write_file("$dir/nginx.conf", $d->config);
    $d->reload;

    return;
}


sub sign {
    my ($key, $body, $t) = @_;

    $key =~ s/\Asignkey-\w+-//;

    return "t=$t&s=" . hmac_sha256_hex($body . $t, $key);
}


# "old", "new" or nobody, as an SDK finds out: over the canonical body.
sub signer {
    my ($header, $body) = @_;

    my ($t, $s) = ($header || '') =~ /\At=(\d+)&s=([0-9a-f]{64})\z/
        or return '';

    return '' if abs(time - $t) > 300;
    return $header eq sign($old, $body, $t) ? 'old'
         : $header eq sign($new, $body, $t) ? 'new' : '';
}


sub signed_calls {
    return map { $json->decode($_) } split /\n/, slurp("$dir/signed");
}


sub get {
    my ($path, $token) = @_;

    return $d->http('GET', $path, undef,
                    defined $token ? { Authorization => $token } : {});
}


sub ended {
    my ($event, $token) = @_;

    my $id = $d->send_event($event);

    return wait_for(20, "the run of $id has ended", sub {
        my $r = get("/v1/events/$id/runs", 'Bearer ' . ($token || $old));
        my ($one) = @{$r->{json}{data} || []};
        return $one && $one->{ended_at} ? $one : undef;
    });
}


# The status of each attempt of a run whose answer is signed like this.
sub statuses {
    my ($mode) = @_;

    my $one = ended({ name => 'shop/checked', data => { sign => $mode } });
    my $r = get("/v1/runs/$one->{run_id}/history", "Bearer $old");

    return [map { $_->{status} } @{$r->{json}{data}}];
}


# Events, and reads with the old key, until $dir/stop is there.
sub load {
    my $pid = fork;

    die "fork: $!\n" unless defined $pid;
    return $pid if $pid;

    my $client = HttpClient->new(port => $port);

    open my $out, '>>', "$dir/answers" or POSIX::_exit(1);
    $out->autoflush(1);

    my $end = time + 60;

    while (!-e "$dir/stop" && time < $end) {
        my $r = $client->request('POST', "/e/$event_key",
                                 [{ name => 'shop/plain', data => {} }]);

        print {$out} 'E ', ($r->{json}{ids} || ['-'])->[0] || '-',
                     " $r->{status}\n";

        $r = $client->request('GET', '/v1/events?limit=1', undef,
                              { Authorization => "Bearer $hash{$old}" });

        print {$out} "G - $r->{status}\n";
    }

    POSIX::_exit(0);
}


sub answers { return split /\n/, slurp("$dir/answers") }
