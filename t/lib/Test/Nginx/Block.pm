# Copyright (C) the nginx-durable authors

# The blocks of a test file: "===" opens one, "---" opens a section in it.
#
#     === TEST 1: a sentence that says what holds
#     --- config eval
#     "location /t { return 200; }"
#     --- request: GET /t
#     --- ONLY
#
# A section is filtered when it is first asked for, so that a value made with
# "eval" sees everything that the file sets before run_tests().

package Test::Nginx::Block;

use strict;
use warnings;

our $AUTOLOAD;

my %filter = (
    chomp  => sub { my ($v) = @_; $v =~ s/\n\z//; $v },
    chop   => sub { my ($v) = @_; chop $v; $v },
    trim   => sub { my ($v) = @_; $v =~ s/\A\s*\n//; $v =~ s/\n\s*\z/\n/; $v },
    norm   => sub { my ($v) = @_; $v =~ s/\r\n?/\n/g; $v },
    lines  => sub { my ($v) = @_; [$v =~ /.*?\n|.+\z/g] },
    array  => sub { [$_[0]] },
    join   => sub { my ($v, $with) = @_;
                    ref $v ? join(defined $with ? $with : '', @$v) : $v },
    append => sub { my ($v, $tail) = @_;
                    ref $v ? [map { $_ . $tail } @$v] : $v . $tail },
    eval   => \&evaluate,
);


sub evaluate {
    my ($code) = @_;

    my $value = eval "package main; no strict; no warnings; $code";
    die "eval: $@" if $@;

    return $value;
}


# The blocks that are to run, in the order of the file.
sub parse {
    my ($class, $text) = @_;

    my (@blocks, @only);

    for my $chunk (split /^(?====)/m, $text) {
        next unless $chunk =~ /\A===/;

        my $block = $class->new($chunk);

        next if $block->has('SKIP');

        push @only, $block if $block->has('ONLY');
        push @blocks, $block;

        last if $block->has('LAST');
    }

    return @only ? @only : @blocks;
}


sub new {
    my ($class, $chunk) = @_;

    my ($head, @sections) = split /^(?=---)/m, $chunk;
    my ($name, $description) = $head =~ /\A===[ \t]*([^\n]*)\n?(.*)\z/s;

    $name =~ s/\s+\z//;

    my $self = bless {
        name => $name, description => $description, raw => {}, value => {}
    }, $class;

    for my $section (@sections) {
        $self->section($section);
    }

    return $self;
}


sub section {
    my ($self, $text) = @_;

    my ($key, $filters, $inline, $body) = $text =~
        /\A---[ ]*(\w+)[ \t]*([^:\n]*?)(?:[ \t]*:[ \t]*([^\n]*?))?[ \t]*
         (?:\n(.*))?\z/sx
        or die "block \"$self->{name}\": cannot read section: $text";

    if (!defined $inline) {
        $inline = '';
        $body = '' unless defined $body;

        # A line that begins with "#" is a comment.
        $body =~ s/^#.*\n//mg;

        $filters = "norm trim $filters";

    } else {
        $body = $inline;
    }

    $self->{raw}{$key} = { text => $body, filters => [split ' ', $filters] };

    return;
}


sub name { return $_[0]{name} }

sub description { return $_[0]{description} }

sub has {
    my ($self, $key) = @_;

    return exists $self->{value}{$key} || exists $self->{raw}{$key};
}

sub keys {
    my ($self) = @_;

    my %all = (%{$self->{raw}}, %{$self->{value}});

    return sort keys %all;
}


sub set_value {
    my ($self, $key, $value) = @_;

    $self->{value}{$key} = $value;

    return $value;
}


# The filtered value of a section, undef when the block has none.
sub get {
    my ($self, $key) = @_;

    return $self->{value}{$key} if exists $self->{value}{$key};

    my $raw = $self->{raw}{$key} or return undef;
    my $value = $raw->{text};

    for my $name (@{$raw->{filters}}) {
        my ($word, $argument) = $name =~ /\A(\w+)(?:=(.*))?\z/s;
        my $code = $filter{defined $word ? $word : ''}
            || main->can(defined $word ? $word : '')
            or die "block \"$self->{name}\": no filter \"$name\"\n";

        if (defined $argument) {
            $argument =~ s/\\n/\n/g;
        }

        $value = $code->($value, defined $argument ? $argument : ());
    }

    return $self->{value}{$key} = $value;
}


# $block->section_name and $block->section_name($new)
sub AUTOLOAD {
    my ($self, @value) = @_;

    my ($key) = $AUTOLOAD =~ /(\w+)\z/;

    return if $key eq 'DESTROY';
    die "Test::Nginx::Block has no method $key\n" unless ref $self;

    return @value ? $self->set_value($key, $value[0]) : $self->get($key);
}


1;
