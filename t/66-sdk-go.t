# Copyright (C) the nginx-durable authors

# The Go module inngestgo as it is.

use strict;
use warnings;

use lib 't/helper', 't/sdk';
use Modes;

play_all('go');
