# Copyright (C) the nginx-durable authors

# A strict reader of what Prometheus scrapes: text 0.0.4, or OpenMetrics with
# open => 1.  It asks for more than Prometheus does: what a scraper forgives is
# an error here.
#
#     my $x = Exposition->new($text, open => 0);
#     $x->errors;                       # sentences
#     $x->family('durable_events');     # { type, help, unit, labels, samples }
#     $x->value('durable_events_total', source => 'client');

package Exposition;

use strict;
use warnings;

my %suffixes = (
    counter => ['_total'], gauge => [''],
    histogram => ['_bucket', '_sum', '_count'],
);


sub new {
    my ($class, $text, %option) = @_;

    my $self = bless { %option, errors => [], family => {}, series => {},
                       order => [] }, $class;

    $self->lines($text);
    $self->check($self->{family}{$_}) for @{$self->{order}};

    return $self;
}


sub errors { return @{$_[0]{errors}} }

sub families { return @{$_[0]{order}} }

sub family { return $_[0]{family}{$_[1]} }

sub wrong {
    my ($self, $text) = @_;

    push @{$self->{errors}}, $text;

    return;
}


# The series with these labels and no others; undef without it.
sub value {
    my ($self, $name, %labels) = @_;

    return $self->{series}{key($name, \%labels)};
}


# The sum of all series of the name that have these labels.
sub sum {
    my ($self, $name, %labels) = @_;

    my $sum = 0;

    for my $family (values %{$self->{family}}) {
        for my $sample (@{$family->{samples}}) {
            next unless $sample->{name} eq $name;
            next if grep { ($sample->{labels}{$_} // '') ne $labels{$_} }
                    keys %labels;
            $sum += $sample->{value};
        }
    }

    return $sum;
}


# Values that may only grow while a leader leads, by their series.
sub counters {
    my ($self) = @_;

    my %found;

    for my $name ($self->families) {
        my $family = $self->{family}{$name};
        next if $family->{type} eq 'gauge';

        $found{key($_->{name}, $_->{labels})} = $_->{value}
            for @{$family->{samples}};
    }

    return %found;
}


sub key {
    my ($name, $labels) = @_;

    return join "\0", $name, map { ($_, $labels->{$_}) } sort keys %$labels;
}


# ---- lines

sub lines {
    my ($self, $text) = @_;

    $self->wrong('the text does not end with a line')
        unless $text =~ /\n\z/;

    my @lines = split /\n/, $text, -1;
    pop @lines;

    if ($self->{open}) {
        my $last = pop @lines;
        $self->wrong('the last line is not "# EOF"')
            unless defined $last && $last eq '# EOF';
    }

    my $now;                            # the family that is being written

    for my $line (@lines) {

        if ($line =~ /\A# (HELP|TYPE|UNIT) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.+)\z/)
        {
            $now = $self->meta($now, $1, $2, $3);

        } elsif ($line =~ /\A([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)\z/)
        {
            $self->sample($now, $1, $2, $3);

        } else {
            $self->wrong("a line that is nothing: $line");
        }
    }

    return;
}


# HELP, then TYPE, then in OpenMetrics perhaps UNIT; each once.
sub meta {
    my ($self, $now, $what, $full, $text) = @_;

    my $name = $full;

    if (!$self->{open} && $name =~ s/_total\z//) {
        # the type says whether that was right
    }

    if ($what eq 'HELP') {
        $self->wrong("$full is there twice") if $self->{family}{$name};
        $self->wrong("$full: the help is no sentence")
            unless $text =~ /\A[A-Z0-9].*\.\z/;

        push @{$self->{order}}, $name;
        return $self->{family}{$name} = { name => $name, full => $full,
            help => $text, samples => [] };
    }

    if (!$now || $now->{full} ne $full || @{$now->{samples}}
        || $now->{lc $what})
    {
        $self->wrong("$what of $full is not where it should be");
        return $now;
    }

    $self->wrong("$full: UNIT in a text that has none")
        if $what eq 'UNIT' && !$self->{open};

    $now->{lc $what} = $text;

    return $now;
}


sub sample {
    my ($self, $now, $name, $text, $value) = @_;

    if (!$now || !$now->{type}) {
        $self->wrong("$name stands before its TYPE");
        return;
    }

    my $labels = $self->labels($name, $text);

    $self->wrong("$name is not of $now->{name}, a $now->{type}")
        unless grep { $name eq $now->{name} . $_ }
               @{$suffixes{$now->{type}} || []};
    $self->wrong("$name: \"$value\" is no number that a figure can have")
        unless $value =~ /\A\d+(?:\.\d+)?\z/;

    my $key = key($name, $labels);

    $self->wrong("$name {" . ($text // '') . '} is there twice')
        if exists $self->{series}{$key};

    $self->{series}{$key} = $value;
    push @{$now->{samples}}, { name => $name, labels => $labels,
                               value => $value };

    return;
}


sub labels {
    my ($self, $name, $text) = @_;

    my %labels;

    return \%labels unless defined $text;

    my $rest = $text;

    while ($rest =~ s/\A([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"//)
    {
        my ($label, $value) = ($1, $2);

        $self->wrong("$name: the label $label is there twice")
            if exists $labels{$label};
        $self->wrong("$name: the label $label is reserved")
            if $label =~ /\A__/;

        $value =~ s/\\(.)/$1 eq 'n' ? "\n" : $1/ge;
        $labels{$label} = $value;

        last unless $rest =~ s/\A,(?=.)//;
    }

    $self->wrong("$name: labels that cannot be read: $text")
        if length $rest || !%labels;

    return \%labels;
}


# ---- families

sub check {
    my ($self, $family) = @_;

    my ($name, $type) = ($family->{name}, $family->{type} // '');

    $self->wrong("$name: no TYPE, or none that is known")
        unless $suffixes{$type};
    $self->wrong("$name: the prefix is missing")
        unless $name =~ /\Adurable_[a-z0-9_]+\z/;
    $self->wrong("$name: a type or a unit in the name that is none")
        if $name =~ /_(?:count|sum|bucket|ms|us|milliseconds|kb|mb|percent)\z/;

    if (!$self->{open}) {
        $self->wrong("$family->{full}: \"_total\" is for counters")
            if ($family->{full} =~ /_total\z/) != ($type eq 'counter');
    }

    if ($self->{open} && $name =~ /_(seconds|bytes)\z/) {
        $self->wrong("$name: the UNIT is not $1")
            unless ($family->{unit} // '') eq $1;
    }

    my %shapes;

    for my $sample (@{$family->{samples}}) {
        my $shape = join ',', grep { $_ ne 'le' }
                    sort keys %{$sample->{labels}};
        $shapes{$shape} = 1;
    }

    $self->wrong("$name: series differ in their labels")
        if keys %shapes > 1;
    ($family->{labels}) = keys %shapes;

    $self->check_histogram($family) if $type eq 'histogram';

    return;
}


sub check_histogram {
    my ($self, $family) = @_;

    my ($name, %found) = ($family->{name});

    for my $sample (@{$family->{samples}}) {
        my %labels = %{$sample->{labels}};
        my $le = delete $labels{le};
        my $one = $found{key('', \%labels)} ||= { buckets => [] };
        my ($part) = $sample->{name} =~ /_(\w+?)\z/;

        if ($sample->{name} eq "${name}_bucket") {
            push @{$one->{buckets}}, [$le // '', $sample->{value}];
        } else {
            $one->{$sample->{name}} = $sample->{value};
            $self->wrong("$sample->{name} has the label le") if defined $le;
        }
    }

    for my $one (values %found) {
        my ($last, $bound) = (0, -1);
        my @buckets = @{$one->{buckets}};

        for my $bucket (@buckets) {
            my ($le, $count) = @$bucket;
            my $number = $le eq '+Inf' ? 9**9**9 : $le;

            $self->wrong("$name: the bound \"$le\"")
                unless $le eq '+Inf' || $le =~ /\A\d+\.\d+\z/;
            $self->wrong("$name: bounds do not ascend at $le")
                unless $number > $bound;
            $self->wrong("$name: buckets are not cumulative at $le")
                unless $count >= $last;

            ($bound, $last) = ($number, $count);
        }

        $self->wrong("$name: the last bucket is not +Inf")
            unless @buckets && $buckets[-1][0] eq '+Inf';
        $self->wrong("$name: _count is not the last bucket")
            unless defined $one->{"${name}_count"}
                   && $one->{"${name}_count"} == $last;
        $self->wrong("$name: _sum is missing")
            unless defined $one->{"${name}_sum"};
        $self->wrong("$name: _sum of nothing")
            if $last == 0 && ($one->{"${name}_sum"} // 0) != 0;
    }

    return;
}


1;
