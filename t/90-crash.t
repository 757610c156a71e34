# A few rounds of t/crash.pl, which makes a server die in many ways and says
# what was lost; CRASH_ROUNDS, CRASH_RUNS and CRASH_SEED for more.

use strict;
use warnings;

use FindBin;

my @command = ($^X, "$FindBin::Bin/crash.pl",
    '--rounds', $ENV{CRASH_ROUNDS} || 8, '--runs', $ENV{CRASH_RUNS} || 200);

push @command, '--seed', $ENV{CRASH_SEED} if defined $ENV{CRASH_SEED};

exec @command or die "$command[0]: $!\n";
