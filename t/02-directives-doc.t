# docs/directives.md and the command table of the module agree: names,
# contexts, numbers of arguments, and the defaults in the code.

use strict;
use warnings;

use Test::More;

my $docs = slurp('docs/directives.md');
my $module = slurp('ngx_module/ngx_http_durable_module.c');
my $conf = slurp('ngx_module/ngx_http_durable_conf.c');
my $merge = slurp('ngx_module/ngx_http_durable_route_merge.c');

my %context = (
    NGX_HTTP_MAIN_CONF => 'http',
    NGX_HTTP_SRV_CONF => 'server',
    NGX_HTTP_LOC_CONF => 'location',
    NGX_HTTP_LIF_CONF => 'if in location',
);

# what a custom setter of a location fills in, for its default
my %merged = (durable_respond => 'status');

my %command = commands($module);
my %section = sections($docs);

ok(keys %command > 10, 'the command table was read');
is_deeply([sort keys %section], [sort keys %command],
          'each directive has a section, each section a directive');

my @listed = $docs =~ /^\| \[(durable_\w+)\]\(#\1\) \|/gm;
is_deeply([sort @listed], [sort keys %command],
          'each directive is in the list at the top');

for my $name (sort keys %command) {
    my $text = $section{$name} || '';

    my ($block) = $text =~ /\A\s*```\n(.*?)```\n/s;
    ok(defined $block, "$name: begins with Syntax, Default and Context");

    my ($syntax) = ($block || '') =~ /^Syntax:  (.+(?:;|\{ \.\.\. \}))$/m;
    my ($default) = ($block || '') =~ /^Default: (.+)$/m;
    my ($context) = ($block || '') =~ /^Context: (.+)$/m;

    like($syntax || '', qr/\A$name[ ;]/, "$name: Syntax");
    is($context, $command{$name}{context}, "$name: Context");
    is(arguments($syntax || ''), $command{$name}{arguments},
       "$name: the number of arguments");

    my $in_code = default($name);

    if (defined $in_code) {
        is($default, "$name $in_code;", "$name: Default");
    } else {
        is($default, '-', "$name: no Default");
    }

    ok(length($text) > length($block || '') + 80, "$name: is described");
}

done_testing();


sub slurp {
    my ($path) = @_;

    open my $fh, '<', $path or die "$path: $!\n";
    local $/;

    return scalar <$fh>;
}


# name => { context, arguments, field } of the table in C
sub commands {
    my ($text) = @_;

    my ($table) = $text =~ /_commands\[\] = \{(.*?)ngx_null_command/s
        or die "no command table\n";
    my %found;

    while ($table =~ /\{\s*ngx_string\("(\w+)"\),\s*([\w|\s]+),\s*(\w+),\s*
                      \w+,\s*(.*?),\s*[^,]*\s\},/gsx)
    {
        my ($name, $flags, $offset) = ($1, $2, $4);
        my @flag = split /\s*\|\s*/, $flags;
        my @arguments = grep { /^NGX_CONF_/ } @flag;
        my ($field) = $offset =~ /durable\.(\w+)/;
        my $arguments = join '', @arguments;

        # NOARGS|TAKE1234 is none to four
        $arguments = 'NGX_CONF_TAKE0' . $1
            if $arguments =~ /\ANGX_CONF_NOARGSNGX_CONF_TAKE(\d+)\z/;

        $found{$name} = {
            context => join(', ', map { $context{$_} }
                            grep { $context{$_} } @flag),
            arguments => $arguments,
            field => $field,
        };
    }

    return %found;
}


sub sections {
    my ($text) = @_;

    my (undef, @part) = split /^## (\S+)\n/m, $text;

    return @part;
}


# What a syntax line is for the table: "a [b] [c]" takes one to three.
sub arguments {
    my ($syntax) = @_;

    $syntax =~ s/;\z//;

    return 'NGX_CONF_BLOCK' . arguments($syntax)
        if $syntax =~ s/ \{ \.\.\. \}\z//;

    return 'NGX_CONF_FLAG' if $syntax =~ / on \| off\z/;
    return 'NGX_CONF_ANY' if $syntax =~ / \[\S+ \.\.\.\]\z/;
    return 'NGX_CONF_1MORE' if $syntax =~ / \.\.\.\z/;

    $syntax =~ s/ \| \w+//g;

    my (undef, @word) = split / /, $syntax;
    my $optional = grep { /\A\[/ } @word;

    return 'NGX_CONF_NOARGS' unless @word;

    return 'NGX_CONF_TAKE' . join '', @word - $optional .. @word;
}


# The default as the documentation writes it, from where the code has it.
sub default {
    my ($name) = @_;

    if ($merged{$name}) {
        my ($value) = $merge =~ /ngx_conf_merge_\w+_value\(hook->$merged{$name},
                                 \s*above->$merged{$name},\s*(\w+)\)/x
            or die "$name: no default in the code\n";
        return $value;
    }

    my $field = $command{$name}{field} or return;

    my ($value) = $conf =~ /ngx_conf_init_\w*value\(conf->$field,\s*(.+)\);/
        or die "$name: no default in the code\n";

    return undef if $value eq '-1';

    # what differs in dev mode is told in the text

    if ($value =~ /\Aconf->dev \? (\d+) : (\d+)\z/) {
        my ($dev, $production) = ($1, $2);
        my $words = $dev % 1000 ? "${dev}ms" : $dev / 1000 . 's';

        like($section{$name}, qr/In dev mode the default is `$words`/,
             "$name: the default of dev mode");

        return $production;
    }

    return enumerated($value) if $name eq 'durable_mode';
    return $value ? 'on' : 'off'
        if $command{$name}{arguments} eq 'NGX_CONF_FLAG';
    return $1 . 'm' if $value =~ /\A(\d+) \* 1024 \* 1024\z/;

    return $value;
}


sub enumerated {
    my ($value) = @_;

    my ($word) = $module =~ /\{ ngx_string\("(\w+)"\), $value \}/
        or die "no word for the mode $value\n";

    return $word;
}
