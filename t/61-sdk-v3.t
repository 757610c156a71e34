# The npm package inngest 3 against a real server: it asks for a discovery
# after every step (request version 1) and does not say when a failure is the
# last one.

use strict;
use warnings;

use Test::More;

use lib 't/sdk';
use Sdk;
use Cases;

if (my $reason = Sdk::missing('v3')) {
    die "$reason\n" if $ENV{CI};
    plan skip_all => $reason;
}

my $t = Sdk->start(version => 'v3');

case_all($t);

is($t->alerts, '', 'the error log is clean');

$t->stop;

done_testing();
