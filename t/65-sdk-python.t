# Copyright (C) the nginx-durable authors

# The Python package inngest as it is, on FastAPI.

use strict;
use warnings;

use lib 't/helper', 't/sdk';
use Modes;

play_all('python');
