# Copyright (C) the nginx-durable authors

# What nginx -t says about the locations of webhooks: each mistake is a
# sentence with its place, and no secret is shown.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Temp;
use Test::More;

use Durable qw(missing);

plan skip_all => missing() if missing();


my $dir = File::Temp->newdir('durable-XXXXXX', TMPDIR => 1);
my $secret = 'QmFzZTY0LXNlY3JldA==';

# What "#" marks is the line that is named.
my @mistakes = (

# -- durable_route

['a connector is a word',
 'location /a { durable_route a/b; #
  }', '"a/b" is no name of a connector: it has letters, digits'],

['a connector is not too long',
 "location /a { durable_route @{[ 'a' x 129 ]}; #
  }", 'is no name of a connector'],

['options are known',
 'location /a { durable_route a colour=red; #
  }', 'unknown option "colour=red": "durable_route" knows also=, methods= and '
      . 'url='],

['the second name is a word',
 'location /a { durable_route a also=; #
  }', 'invalid "also="'],

['the second name is none of ours',
 'location /a { durable_route a also=inngest/a; #
  }', 'invalid "also=inngest/a"'],

['the second name is another one',
 'location /a { durable_route a also=a; #
  }', '"also=a" is the connector itself'],

['methods are known',
 'location /a { durable_route a methods=POST,BREW; #
  }', 'invalid method "BREW" in "methods=": they are GET, POST, PUT, PATCH '
      . 'and DELETE'],

['there is a method at least',
 'location /a { durable_route a methods=; #
  }', 'invalid method "" in "methods="'],

['the URL has a scheme',
 'location /a { durable_route a url=example.com; #
  }', 'invalid "url=example.com": it is what stands before the path'],

['a location is one webhook',
 'location /a { durable_route a;
                durable_route b; #
  }', '"durable_route" directive is duplicate'],

['a location is a webhook or a server',
 'location / { durable_server;
               durable_route b; #
  }', '"durable_route" directive cannot share a location with '
      . '"durable_server"'],

['a location is a server or a webhook',
 'location / { durable_route b;
               durable_status; #
  }', '"durable_status" directive cannot share a location with '
      . '"durable_route"'],

['variables are known',
 'location /a { durable_route $nothing; #
  }', 'unknown "nothing" variable', 0],

# -- durable_verify

['providers are known',
 'location /a { durable_route a;
                durable_verify gihtub x; #
  }', 'unknown provider "gihtub": it is one of custom, discord, front, github'],

['there is a secret',
 'location /a { durable_route a;
                durable_verify github; #
  }', '"durable_verify github" needs a secret'],

['a secret is not empty',
 'location /a { durable_route a;
                durable_verify github ""; #
  }', 'secret 1 of "durable_verify" cannot be used: the secret is empty'],

['a secret can be one of its provider',
 "location /a { durable_route a;
                durable_verify discord @{[ 'ab' x 32 ]} $secret; #
  }", 'secret 2 of "durable_verify" cannot be used: the secret is not a key of '
      . 'discord: it must be hex'],

['a secret can be read',
 'location /a { durable_route a;
                durable_verify github file:/nowhere/secret; #
  }', 'the secret in "/nowhere/secret" cannot be read'],

['an option that is mistyped is no secret',
 "location /a { durable_route a;
                durable_verify stripe x tolerence=$secret; #
  }", 'unknown option "tolerence=": "durable_verify" knows tolerance= here'],

['a tolerance is a time',
 'location /a { durable_route a;
                durable_verify stripe x tolerance=soon; #
  }', 'invalid "tolerance=soon": it is how old a webhook may be'],

['a location has one provider',
 'location /a { durable_route a;
                durable_verify stripe x;
                durable_verify github x; #
  }', '"durable_verify" directive is duplicate'],

['custom: options are known',
 "location /a { durable_route a;
                durable_verify custom x header=$secret; #
  }", 'unknown option "header=": "durable_verify custom" knows algorithm, '
      . 'signature'],

['custom: algorithms are known',
 'location /a { durable_route a;
                durable_verify custom x algorithm=md5; #
  }', 'invalid "algorithm=md5": it is one of hmac-sha256, hmac-sha1, sha256, '
      . 'ed25519, ecdsa-p256, token'],

['custom: the signature is somewhere',
 'location /a { durable_route a;
                durable_verify custom x algorithm=hmac-sha1; #
  }', '"durable_verify custom" needs signature='],

['custom: a digest has the secret in it',
 'location /a { durable_route a;
                durable_verify custom x algorithm=sha256 signature=X-S; #
  }', '"durable_verify custom" needs "%k" in signs='],

['custom: what is signed is known',
 'location /a { durable_route a;
                durable_verify custom x signature=X-S signs=%t%b; #
  }', '"durable_verify custom" has "%t" in signs=, so it needs timestamp='],

['custom: the id is somewhere',
 'location /a { durable_route a;
                durable_verify custom x signature=X-S signs=%i%b; #
  }', '"durable_verify custom" has "%i" in signs=, so it needs id='],

['custom: signatures are bytes',
 'location /a { durable_route a;
                durable_verify custom x signature=X-S encoding=text; #
  }', '"durable_verify custom" needs encoding=hex or base64'],

['custom: public keys are bytes',
 'location /a { durable_route a;
                durable_verify custom x signature=X-S algorithm=ed25519; #
  }', '"durable_verify custom" needs key=hex or base64'],

['custom: separators are characters',
 'location /a { durable_route a;
                durable_verify custom x signature=X-S separator=ab; #
  }', '"separator=" is one character'],

# -- durable_forward

['a target has a scheme',
 'location /a { durable_route a;
                durable_forward 127.0.0.1:5000; #
  }', 'webhooks are sent on to "http://host:port/path" or https, not '
      . '"127.0.0.1:5000"'],

['a target has a host',
 'location /a { durable_route a;
                durable_forward http:///path; #
  }', 'webhooks are sent on to "http://host:port/path" or https'],

['a target is the same for every request',
 'location /a { durable_route a;
                durable_forward http://$host/; #
  }', '"durable_forward" takes no variables: a webhook is sent on when its '
      . 'request may be long over'],

['options of a target are known',
 'location /a { durable_route a;
                durable_forward http://a/ order; #
  }', 'unknown option "order": "durable_forward" knows "ordered" and timeout='],

['a timeout is a time',
 'location /a { durable_route a;
                durable_forward http://a/ timeout=3h; #
  }', 'invalid "timeout=3h": it is a time such as 30s, and at most 2h'],

['a target is one of a webhook',
 'location /a {
      durable_forward http://a/; #
  }', '"durable_forward" needs "durable_route" in the same location'],

['a target is that of one connector',
 'location ~ ^/(?<name>\w+)$ {
      durable_forward http://a/;
      durable_route $name; #
  }', '"durable_forward" needs a "durable_route" that names its connector: '
      . 'here it depends on the request'],

['a prefix is not always a segment',
 'location /linea {
      durable_forward http://a/;
      durable_route; #
  }', '"durable_forward" needs a "durable_route" that names its connector'],

['a target is no upstream block',
 'location /a { durable_route a;
                durable_forward http://backend:80/x; #
  }', '"durable_forward" cannot use the upstream block "backend": the sidecar '
      . 'sends, not nginx'],

['a connector has one target',
 'location /a { durable_route x;
                durable_forward http://a/one; }
  location /b { durable_route x;
                durable_forward http://a/two; #
  }', qr/the webhooks of "x" are sent on in another way in \S+:\d+: give one/],

['a connector is tried again in one way',
 'location /a { durable_route x; durable_retries 1;
                durable_forward http://a/one; }
  location /b { durable_route x;
                durable_forward http://a/one; #
  }', 'the webhooks of "x" are sent on in another way'],

# -- the others

['retries are a number up to 20',
 'location /a { durable_route a;
                durable_retries 21; #
  }', 'value must be between 0 and 20'],

['what a delivery is known by differs',
 'location /a { durable_route a;
                durable_dedupe constant; #
  }', '"durable_dedupe" needs a variable, such as $http_linear_delivery: '
      . '"constant" is the same for every webhook'],

['what a delivery is known by is something',
 'location /a { durable_route a;
                durable_dedupe ""; #
  }', '"durable_dedupe" needs a variable'],

['an answer is a success',
 'location /a { durable_route a;
                durable_respond 500; #
  }', '"durable_respond" is a status from 200 to 299 or "sync"'],

['an answer is one status',
 'location /a { durable_route a;
                durable_respond 200 10s; #
  }', '"durable_respond" is a status from 200 to 299 or "sync" with a time'],

['a time to wait is a time',
 'location /a { durable_route a; durable_forward http://a/;
                durable_respond sync 0; #
  }', 'invalid time "0": it is how long "sync" waits'],

['there is something to wait for',
 'durable_respond sync;
  location /a { durable_route a; #
  }', qr/"durable_respond sync" in \S+:\d+ needs "durable_forward"/],

);


sub check {
    my ($http, $server) = @_;

    my $root = "$dir";

    Durable::write_file("$root/nginx.conf", <<"CONF");
load_module @{[ Durable::build('ngx_http_durable_module.so') ]};
pid $root/nginx.pid;
error_log $root/error.log;
events { }
http {
    access_log off;
    client_body_temp_path $root/body;
    proxy_temp_path $root/proxy;
    fastcgi_temp_path $root/fastcgi;
    uwsgi_temp_path $root/uwsgi;
    scgi_temp_path $root/scgi;
    upstream backend { server 127.0.0.1:1; }
$http
    server {
        listen 127.0.0.1:1;
$server
    }
}
CONF

    my $nginx = Durable::binary();
    my $said = `$nginx -t -e $root/error.log -c $root/nginx.conf 2>&1`;

    return ($?, $said);
}


my $store = "    durable_store $dir/store;\n    durable_sidecar unix:$dir/s;\n";

for (@mistakes) {
    my ($title, $server, $message, $placed) = @$_;

    my ($status, $said) = check($store, $server);

    my @lines = split /\n/, Durable::slurp("$dir/nginx.conf");
    my ($line) = grep { $lines[$_ - 1] =~ /#/ } 1 .. @lines;

    isnt($status, 0, $title);
    like($said, ref $message ? $message : qr/\Q$message\E/, 'it is said');
    like($said, qr/ in \Q$dir\E\/nginx\.conf:$line$/m, 'with its place')
        unless defined $placed;
    unlike($said, qr/\Q$secret\E/, 'without the secret')
        if $server =~ /\Q$secret\E/;
}


my ($status, $said) = check('', 'location /a { durable_route a; }');
isnt($status, 0, 'a webhook without a store');
like($said, qr/"durable_route" needs "durable_store" in the http block in \S+:\d+/,
     'is said');

($status, $said) = check("$store
    durable_verify github x; durable_retries 5; durable_respond 202;
    durable_dedupe \$http_x_id;", '
    durable_respond 201;

    location /one/ { durable_route; durable_forward http://a/x; }
    location /two  { durable_route one; durable_forward http://a/x;
                     durable_verify off; durable_dedupe off;
                     durable_respond sync; }
    location /api/three/four { durable_route; durable_forward http://a/y; }
    location = /five { durable_route; durable_forward http://a/z
                           timeout=500ms ordered; }
    location ~ ^/(\w+) { durable_route $1 methods=GET also=event/all
                           url=https://$host; }
    location /six {
        durable_route six;
        if ($args) { durable_route seven; durable_forward http://a/7; }
    }
    location /file { durable_route file; durable_verify standard
        whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw tolerance=1m; }');
is($status, 0, 'nginx -t is content with what is right') or diag($said);
unlike($said, qr/\[(?:warn|error|emerg)\]/, 'and says nothing');

done_testing();
