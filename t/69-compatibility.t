# Copyright (C) the nginx-durable authors

# docs/compatibility.md says what the tests before this one have seen.

use strict;
use warnings;

use Encode 'decode_utf8';
use Test::More;

use lib 't/helper', 't/sdk';
use Clients;
use Durable 'slurp';
use Mastra 'mastra_scenarios';
use Page;
use Scenarios 'scenarios';

my $page = decode_utf8(slurp('docs/compatibility.md'));
my @lines = split /\n/, $page;


sub row {
    my ($scenario) = @_;

    my $start = "| $scenario->{title} (`$scenario->{name}`) |";

    return scalar grep { index($_, $start) == 0 } @lines;
}


subtest 'every scenario has one row' => sub {
    is(row($_), 1, $_->{name})
        for grep({ !$_->{unbuilt} } scenarios()), mastra_scenarios();
};

subtest 'every client has a column' => sub {
    ok(index($page, "| $_->{title} |") >= 0, $_->{title})
        for grep { $_->{name} ne 'mastra' } Clients::clients();
};

subtest 'what is not built is named' => sub {
    my @unbuilt = grep { $_->{unbuilt} } scenarios();

    plan skip_all => 'everything is built' unless @unbuilt;
    like($page, qr/^Not built yet.*`\Q$_->{name}\E`/m, $_->{name})
        for @unbuilt;
};

SKIP: {
    my @missing = Page::missing();

    skip "no results of @missing", 1 if @missing && !$ENV{CI};

    is_deeply(\@lines, [split /\n/, Page::render(Page::results())],
              'each field is what was seen (t/sdk/page.pl writes the page)');
}

done_testing();
