#!/usr/bin/perl

# Copyright (C) the nginx-durable authors

# Renders docs/compatibility.md from what the tests with SDKs left in the
# build directory:
#
#     perl -It/helper -It/sdk t/sdk/page.pl >docs/compatibility.md

use strict;
use warnings;

use Encode 'encode_utf8';

use Page;

my @missing = Page::missing();

die "no results of: @missing; run t/6*.t first\n" if @missing;

print encode_utf8(Page::render(Page::results()));
