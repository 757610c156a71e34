# Copyright (C) the nginx-durable authors

# The npm package inngest 3 against a real server: it asks for a discovery
# after every step (request version 1) and does not say when a failure is the
# last one.

use strict;
use warnings;

use Test::More;

use lib 't/helper', 't/sdk';
use Sdk;
use Cases;

if (my $reason = Sdk::missing('v3')) {
    plan skip_all => $reason;
}

my $t = Sdk->start_all(version => 'v3');

case_all($t);

is($t->alerts, '', 'the error log is clean');

ok($t->stop, 'nginx and the sidecar stop when asked');

done_testing();
