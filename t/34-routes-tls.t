# Copyright (C) the nginx-durable authors

# Webhooks over TLS and HTTP/2, as providers send them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(hmac_sha256_hex sha256_hex);
use Test::More;

use Durable qw(free_port missing slurp);

plan skip_all => missing() if missing();

for (['openssl version', 'openssl'], ['curl --version', 'curl']) {
    my ($command, $name) = @$_;
    `$command 2>/dev/null`;
    plan skip_all => "there is no $name here" if $?;
}

plan skip_all => 'this curl has no HTTP/2'
    if `curl --version` !~ /^Features:.*HTTP2/m;


my $port = free_port();
my $secret = 'test_secret_0123456789';

my $d = Durable->new(workers => 2, http => '', server => <<"SERVER");
        listen 127.0.0.1:$port ssl http2;

        ssl_certificate     cert.pem;
        ssl_certificate_key key.pem;

        location /hooks/ {
            durable_verify github $secret;

            location = /hooks/one { durable_route one;
                                    add_header X-Event \$durable_event_id; }
        }

        location = /url { durable_route url; }
SERVER

my $dir = $d->dir;

`openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout $dir/key.pem -out $dir/cert.pem 2>&1`;
is($?, 0, 'a certificate') or BAIL_OUT('openssl makes no certificate');

$d->start;


# The status, the version and a header of the answer.
sub curl {
    my ($version, $path, $file, @headers) = @_;

    my @command = ('curl', '-s', '-k', "--$version", '-o', '/dev/null',
        '-D', "$dir/answer", '-w', '%{http_code} %{http_version}',
        '--data-binary', "\@$file", map({ ('-H', $_) } @headers),
        "https://localhost:$port$path");

    open my $pipe, '-|', @command or die "curl: $!\n";
    my $said = <$pipe>;
    close $pipe;

    return split / /, $said;
}


sub latest {
    my ($connector) = @_;

    my $r = $d->http('GET', "/v1/events?limit=1&name="
                            . "event/api.webhooks.$connector.action");

    return $r->{json}{data}[0];
}


for my $version ('http1.1', 'http2') {
    for my $size (20, 300_000) {
        my $body = 'x' x $size;
        Durable::write_file("$dir/request", $body);

        my @signed = ('X-Hub-Signature-256: sha256='
                      . hmac_sha256_hex($body, $secret),
                      "X-GitHub-Delivery: $version-$size");

        my ($status, $spoken) = curl($version, '/hooks/one', "$dir/request",
                                     @signed);

        is($status, 200, "$version, $size bytes: accepted");
        is($spoken, $version =~ s/http//r, 'over what was asked for');
        like(slurp("$dir/answer"), qr/^x-event: \w{26}\r?$/mi,
             'with the id of the event');

        my $e = latest('one');
        is($e->{id}, "one:$version-$size", 'it is stored');
        is(sha256_hex($e->{data}{body}), sha256_hex($body), 'as it was');

        ($status) = curl($version, '/hooks/one', "$dir/request",
                         'X-Hub-Signature-256: sha256=00');
        is($status, 401, 'another signature is refused');
    }

    Durable::write_file("$dir/request", '{}');
    curl($version, '/url?a=1', "$dir/request", 'X-Two: 1', 'X-Two: 2');

    my $e = latest('url');
    is($e->{data}{url}, "https://localhost:$port/url?a=1",
       "$version: the URL is the one that was asked");
    is($e->{data}{headers}{'x-forwarded-proto'}, 'https', 'with TLS');
    is($e->{data}{headers}{'x-forwarded-host'}, "localhost:$port",
       'of this host');
    is($e->{data}{headers}{'x-two'}, '1, 2', 'repeated headers are joined');
}


is($d->alerts, '', 'the log is clean');
ok($d->stop, 'all of it stops when asked');

done_testing();
