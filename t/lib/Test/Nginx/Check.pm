# Copyright (C) the nginx-durable authors

# The assertions of a block.  Each gives as many tests as the interface says:
# one for the status of every response, one for each header line, one for a
# body, one for each pattern of a log.

package Test::Nginx::Check;

use strict;
use warnings;

use Test::More ();
use Time::HiRes qw(sleep time);

use Test::Nginx::Server;

# Where the log of this block starts, and where what an older worker still
# had to say is over.
our ($log_from, $quiet_from) = (0, 0);
our $diff_long = 1;

# Signs of a crash or of a leak, wherever they stand in a log.
my $trouble = qr/\[alert\]|\[emerg\]|exited on signal|AddressSanitizer
                 |LeakSanitizer|runtime\ error:|open\ socket\ \#/x;


# The value for one response of several.
sub nth {
    my ($value, $i) = @_;

    return $value unless ref $value eq 'ARRAY';
    return $value->[$i];
}


sub is_text {
    my ($got, $want, $name) = @_;

    $got = '' unless defined $got;

    if (ref $want eq 'CODE') {
        return Test::More::ok($want->($got), $name)
               || Test::More::diag("got: \"$got\"");
    }

    if ($diff_long && length $got > 800) {
        my $same = 0;
        my $shorter = length $got < length $want ? length $got : length $want;

        $same++ while $same < $shorter
                      && substr($got, $same, 1) eq substr($want, $same, 1);

        return Test::More::ok($got eq $want, $name)
               || Test::More::diag('length ' . length($got) . ', wanted '
                      . length($want) . ", they differ at $same: \""
                      . substr($got, $same, 60) . '" instead of "'
                      . substr($want, $same, 60) . '"');
    }

    return Test::More::is($got, $want, $name);
}


sub pattern {
    my ($value) = @_;

    return $value if ref $value eq 'Regexp';

    $value =~ s/\n\z//;

    return qr/$value/sm;
}


# ---- a response

sub response {
    my ($block, $r, $i, $name) = @_;

    status($block, $r, $i, $name);

    raw_headers($block, $r, $i, $name);
    headers($block, $r, $i, $name);
    body($block, $r, $i, $name);

    if ($r->{short}) {
        Test::More::fail("$name - the response is complete");
    }

    return;
}


sub status {
    my ($block, $r, $i, $name) = @_;

    if (defined(my $like = nth($block->get('error_code_like'), $i))) {
        Test::More::like($r->{status}, pattern($like),
                         "$name - status code ok");
        return;
    }

    my $want = nth($block->get('error_code'), $i);

    if (!defined $want || $want eq '') {
        $want = $r->{simple} ? '' : 200;
    }

    $want =~ s/\s+//g;

    Test::More::is($r->{status}, $want, "$name - status code ok")
        || Test::More::diag("answer: $r->{line} "
                            . substr($r->{body}, 0, 300));

    return;
}


sub raw_headers {
    my ($block, $r, $i, $name) = @_;

    for my $key ('raw_response_headers_like', 'raw_response_headers_unlike') {
        my $want = nth($block->get($key), $i);
        next unless defined $want;

        # Line ends of the pattern mean those of the wire.
        $want =~ s/\n\z//, $want =~ s/(?<!\r)\n/\r\n/g unless ref $want;

        if ($key =~ /unlike/) {
            Test::More::unlike($r->{raw}, pattern($want),
                               "$name - raw headers unlike");
        } else {
            Test::More::like($r->{raw}, pattern($want),
                             "$name - raw headers like");
        }
    }

    return;
}


sub headers {
    my ($block, $r, $i, $name) = @_;

    for my $key ('response_headers', 'response_headers_like') {
        my $want = nth($block->get($key), $i);
        next unless defined $want;

        for my $line (split /\n/, $want) {
            next unless $line =~ /\S/;

            if ($line =~ /\A\s*!\s*([^:\s]+)/) {
                Test::More::ok(!defined header($r, $1),
                               "$name - header $1 not present")
                    || Test::More::diag("$1: " . header($r, $1));
                next;
            }

            my ($field, $value) =
                $line =~ /\A\s*([^:]+?)\s*:[ \t]*(.*?)\s*\z/ or next;
            my $got = header($r, $field);

            $got = '' unless defined $got;

            if ($key eq 'response_headers') {
                Test::More::is($got, $value, "$name - header $field ok");
            } else {
                Test::More::like($got, qr/\A(?:$value)\z/,
                                 "$name - header $field like");
            }
        }
    }

    return;
}


sub header {
    my ($r, $name) = @_;

    my $values = $r->{headers}{lc $name} or return undef;

    return join ', ', @$values;
}


sub body {
    my ($block, $r, $i, $name) = @_;

    my $want;

    if (defined($want = nth($block->get('response_body'), $i))) {
        is_text($r->{body}, $want, "$name - response_body");
    }

    if (defined($want = nth($block->get('response_body_like'), $i))) {
        Test::More::like($r->{body}, pattern($want),
                         "$name - response_body_like");
    }

    if (defined($want = nth($block->get('response_body_unlike'), $i))) {
        Test::More::unlike($r->{body}, pattern($want),
                           "$name - response_body_unlike");
    }

    return;
}


# ---- the error log

sub patterns {
    my ($value) = @_;

    return unless defined $value;

    if (ref $value eq 'ARRAY') {
        return map { patterns($_) } @$value;
    }

    return $value if ref $value eq 'Regexp';

    return map { s/\A\s+|\s+\z//gr } grep { /\S/ } split /\n/, $value;
}


sub found {
    my ($text, $pattern) = @_;

    return ref $pattern ? $text =~ $pattern : index($text, $pattern) >= 0;
}


sub log_size { return -s Test::Nginx::Server::error_log_file() || 0 }

sub log_text {
    my ($from) = @_;

    return Test::Nginx::Server::read_file(
               Test::Nginx::Server::error_log_file(),
               defined $from ? $from : $log_from);
}


# A line that is wanted may come a little later than the response.
sub error_log {
    my ($block, $name, $patient) = @_;

    my $end = time + ($patient ? 2 : 0);

    for my $pattern (patterns($block->get('error_log'))) {
        my $found;

        until ($found = found(log_text(), $pattern)) {
            last if time >= $end;
            sleep 0.02;
        }

        Test::More::ok($found, "$name - pattern \"$pattern\" matches a line "
                       . 'in error.log')
            || Test::More::diag(tail());
    }

    for my $pattern (patterns($block->get('no_error_log'))) {
        my @lines = grep { found($_, $pattern) } split /\n/,
                         log_text($quiet_from);

        Test::More::ok(!@lines, "$name - pattern \"$pattern\" should not "
                       . 'match any line in error.log')
            || Test::More::diag($lines[0]);
    }

    return;
}


sub grep_error_log {
    my ($block, $i, $name) = @_;

    my $out = $block->get('grep_error_log_out');
    my $pattern = $block->get('grep_error_log');

    return unless defined $out && defined $pattern;

    my $want = nth($out, $i);
    return unless defined $want;

    if (!ref $pattern) {
        $pattern =~ s/\n\z//;
        $pattern = qr/\Q$pattern\E/;
    }

    my $end = time + 2;
    my $got;

    while (1) {
        my $text = log_text();

        $got = '';

        while ($text =~ /$pattern/g) {
            my $match = $&;
            $got .= $match . ($match =~ /\n\z/ ? '' : "\n");
            last if $match eq '';
        }

        last if ref $want eq 'Regexp' ? $got =~ $want : $got eq $want;
        last if time >= $end;

        sleep 0.02;
    }

    if (ref $want eq 'Regexp') {
        Test::More::like($got, $want, "$name - grep_error_log_out");
    } else {
        is_text($got, $want, "$name - grep_error_log_out");
    }

    return;
}


sub shutdown_error_log {
    my ($block, $name) = @_;

    my $text = log_text();

    for my $pattern (patterns($block->get('shutdown_error_log'))) {
        Test::More::ok(found($text, $pattern), "$name - pattern \"$pattern\" "
                       . 'matches a line in error.log at shutdown')
            || Test::More::diag(tail());
    }

    for my $pattern (patterns($block->get('no_shutdown_error_log'))) {
        Test::More::ok(!found($text, $pattern), "$name - pattern \"$pattern\""
                       . ' matches no line in error.log at shutdown');
    }

    return;
}


# Lines of trouble that the block did not ask for.
sub unexpected {
    my ($block, $from) = @_;

    my @expected = map { patterns($block->get($_)) }
        qw(error_log shutdown_error_log grep_error_log);
    my $die = $block->has('must_die');
    my @lines;

    for my $line (split /\n/, log_text($from)) {
        next unless $line =~ $trouble;
        next if $line =~ /\[debug\]|\[info\]/;
        next if $die && $line =~ /\[emerg\]/;
        next if grep { found("$line\n", $_) } @expected;

        push @lines, $line;
    }

    return @lines;
}


sub tail {
    my @lines = grep { !/\[debug\]/ } split /\n/, log_text();

    @lines = @lines[-15 .. -1] if @lines > 15;

    return @lines ? join("\n", 'error.log ends with:', @lines)
                  : 'error.log says nothing';
}


1;
