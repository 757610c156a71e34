# Copyright (C) the nginx-durable authors

# Steps that are programs of this machine: what the sidecar runs, what it does
# not, and what becomes of programs that fail, hang, or print too much.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Test::More;

use Durable qw(missing wait_for write_file);

plan skip_all => missing() if missing();


my $d = Durable->new(workers => 1, retry_interval => '20ms');
my $dir = $d->dir;
my $log = "$dir/programs.log";

mkdir "$dir/bin", 0755;
mkdir "$dir/other", 0755;

sub program {
    my ($name, $text, $mode) = @_;

    write_file("$dir/$name", "#!/bin/sh\n$text\n");
    chmod $mode // 0755, "$dir/$name";

    return;
}

program('bin/echo', 'cat');
program('bin/environment', 'printf \'"%s"\' "$(env | sort | tr "\n" ";")"');
program('bin/fail', 'echo "no paper left" >&2; exit 3');
program('bin/noise', 'echo not json');
program('bin/hang', 'sleep 98731 & sleep 98731');
program('bin/much', 'yes | head -c 9000000');
program('bin/hungry', 'exec perl -e \'my $x = "a" x (1 << 29); print 1\'');
program('bin/plain', 'echo 1', 0644);
program('bin/open', 'echo 1', 0777);
program('other/echo', 'cat');
symlink "$dir/other/echo", "$dir/bin/link";

my @names = qw(environment fail noise hang much hungry plain open link nobody);

$d->{http} = join '', <<"CONF", map { <<"CONF" } @names;
    durable_function echo {
        trigger event=t/echo;
        step a exec:$dir/bin/echo "body={'n': event.data.n}";
        return steps.a;
    }
CONF
    durable_function $_ {
        trigger event=t/$_;
        retries 0;
        step a exec:$dir/bin/$_ timeout=@{[ $_ eq 'hang' ? '300ms' : '20s' ]};
        return steps.a;
    }
CONF

sub ended {
    my ($name, $data) = @_;

    my $id = $d->send_event({ name => "t/$name", data => $data || {} });

    return wait_for(30, "the run of $name ends", sub {
        my ($run) = $d->event_runs($id);
        return $run && $run->{status} =~ /^(?:Completed|Failed)$/ ? $run : undef;
    });
}

sub fails {
    my ($name, $want, $title) = @_;

    my $run = ended($name);
    is($run->{status}, 'Failed', $title);
    like($run->{output}{message}, $want, '.. with a sentence');

    return;
}

$d->start;

fails('fail', qr/programs are not run: start the sidecar with --exec-dir/,
      'without --exec-dir no program is run');

$d->stop_sidecar;
$d->{sidecar_options} = ['--exec-dir', "$dir/bin", '--exec-memory', '256m'];
$d->start_sidecar;

my $run = ended('echo', { n => 7 });
is($run->{status}, 'Completed', 'a program is run');
is_deeply($run->{output}, { n => 7 }, 'with the body as its input, and what '
          . 'it prints is the output');

local $ENV{DURABLE_T43_SECRET} = 'secret';
$run = ended('environment');
unlike($run->{output}, qr/HOME|DURABLE/, 'its environment is its own');

fails('fail', qr/: the program ended with status 3: no paper left/,
      'a program that fails is a failed attempt');
fails('noise', qr/: the answer is no JSON/, 'so is one that prints no JSON');

my $start = time;
fails('hang', qr/the program did not end within/, 'one that hangs is ended');
ok(time - $start < 20, '.. in time');
is(scalar(grep { /sleep 98731/ } map { s/\0/ /gr } map { Durable::slurp($_) }
   grep { open my $f, '<', $_ } glob('/proc/[0-9]*/cmdline')), 0,
   '.. with what it began');

fails('much', qr/the program printed more than/, 'one that prints too much');
fails('hungry', qr/the program ended with/, 'one that takes too much memory');
fails('plain', qr/this is no program that may be run/, 'a file is no program');
fails('open', qr/everybody may write the program/,
      'what everybody may write is not run');
fails('link', qr/lies in no directory of --exec-dir/,
      'a link leads out of no directory');
fails('nobody', qr/there is no such program/, 'a program is there');

is($d->alerts, '', 'nothing alarming is in the log');

$d->stop;
done_testing();
