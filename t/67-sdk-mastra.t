# Copyright (C) the nginx-durable authors

# Workflows of Mastra (@mastra/inngest) as they are.

use strict;
use warnings;

use lib 't/helper', 't/sdk';
use Modes;

play_all('mastra');
