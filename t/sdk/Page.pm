# Copyright (C) the nginx-durable authors

# docs/compatibility.md: the scenarios as rows, the clients as columns, and in
# each field the modes in which they passed.

package Page;

use strict;
use warnings;

use JSON::PP ();

use Clients;
use Durable qw(build slurp);
use Mastra 'mastra_scenarios';
use Scenarios 'scenarios';

my @modes = qw(dev production kill);
my $json = JSON::PP->new->utf8;


sub file { return build("sdk/results/$_[0]-$_[1].json") }


# Clients and modes without a result.
sub missing {
    my @missing;

    for my $client (Clients::clients()) {
        push @missing, map { "$client->{name} ($_)" }
            grep { !-e file($client->{name}, $_) } @modes;
    }

    return @missing;
}


# {client}{scenario}{mode}: ok or failed
sub results {
    my %results;

    for my $client (Clients::clients()) {
        for my $mode (@modes) {
            my $text = slurp(file($client->{name}, $mode)) || '{}';
            my $result = $json->decode($text);

            $results{$client->{name}}{$_}{$mode} = $result->{$_}
                for keys %$result;
        }
    }

    return \%results;
}


sub field {
    my ($result) = @_;

    return '-' unless $result;

    my @passed = grep { ($result->{$_} || '') eq 'ok' } @modes;

    return @passed == @modes ? 'yes' : @passed ? join ', ', @passed : 'no';
}


sub row { return '| ' . join(' | ', @_) . " |\n" }


sub table {
    my ($head, $rows) = @_;

    return row(@$head) . row(map { '---' } @$head)
        . join '', map { row(@$_) } @$rows;
}


sub render {
    my ($results) = @_;

    my @sdks = grep { $_->{name} ne 'mastra' } Clients::clients();

    return intro()
        . table(['promise', map { $_->{title} } @sdks],
            [map { my $s = $_; ["$s->{title} (`$s->{name}`)", map {
                field($results->{$_->{name}}{$s->{name}}) } @sdks] }
             grep { !$_->{unbuilt} } scenarios()])
        . mastra_intro()
        . table(['promise', 'dev', 'production', 'kill'],
            [map { my $s = $_; ["$s->{title} (`$s->{name}`)", map {
                ($results->{mastra}{$s->{name}}{$_} || '') eq 'ok'
                ? 'yes' : 'no' } @modes] } mastra_scenarios()])
        . rest();
}


sub intro {
    return <<'TEXT';
# Compatibility

Which promises hold for which client. The clients are the published packages,
unchanged. The page is written by `t/sdk/page.pl` from a run of `make test`,
which fails when it says anything else than what was seen.

*yes*: in dev mode, in production mode (keys, signatures both ways), and with
a `kill -9` of nginx and the sidecar in the middle of all scenarios, after
which every run ends right and no step that was remembered runs again.
Otherwise the modes are named in which it passed. *-*: the SDK has no word for
it, or its own gap is in the way (Go does not fetch memos, so its calls have
all of them).

TEXT
}


sub mastra_intro {
    return <<'TEXT';

## Mastra

Workflows of `@mastra/core` 1.71 through `@mastra/inngest` 1.9, with a store
in memory.

TEXT
}


sub rest {
    my @unbuilt = map { $_->{name} } grep { $_->{unbuilt} } scenarios();

    my $text = <<'TEXT';

## Versions

npm `inngest` 4.24.0 and 3.54.2, PyPI `inngest` 0.5.19, Go
`github.com/inngest/inngestgo` 0.13.1, `@mastra/inngest` 1.9.0 with
`@mastra/core` 1.71.0. A scenario is one function of the same name and result
in each language, in `t/sdk`; `t/sdk/Scenarios.pm` is the list.
TEXT

    $text .= "\nNot built yet, and so not played: "
        . join(', ', map { "`$_`" } @unbuilt) . ".\n" if @unbuilt;

    return $text;
}

1;
