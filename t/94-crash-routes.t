# A few rounds of t/crash_routes.pl, which makes a server and the target of its
# webhooks die in many ways and says what was lost; CRASH_ROUNDS and CRASH_SEED
# for more.

use strict;
use warnings;

use FindBin;

my @command = ($^X, "$FindBin::Bin/crash_routes.pl",
    '--rounds', $ENV{CRASH_ROUNDS} || 8);

push @command, '--seed', $ENV{CRASH_SEED} if defined $ENV{CRASH_SEED};

exec @command or die "$command[0]: $!\n";
