# Copyright (C) the nginx-durable authors

# The npm package inngest 4 without checkpointing: every step is a call.

use strict;
use warnings;

use lib 't/helper', 't/sdk';
use Modes;

play_all('v4-calls');
