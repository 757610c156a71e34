# Copyright (C) the nginx-durable authors

# The npm package inngest 3 as it is: it asks for a discovery after every step
# (request version 1) and does not say when a failure is the last one.

use strict;
use warnings;

use lib 't/helper', 't/sdk';
use Modes;

play_all('v3');
