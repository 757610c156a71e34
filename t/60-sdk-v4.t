# Copyright (C) the nginx-durable authors

# The npm package inngest 4 as it is, with checkpointing.

use strict;
use warnings;

use lib 't/helper', 't/sdk';
use Modes;

play_all('v4');
