# Copyright (C) the nginx-durable authors

# What nginx -t says about durable_function: each mistake is a sentence with
# its file and line, and no secret is shown.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use File::Temp;
use Test::More;

use Durable qw(missing write_file slurp);

plan skip_all => missing() if missing();


my $dir = File::Temp->newdir('durable-XXXXXX', TMPDIR => 1);
my $step = 'step a http://127.0.0.1:1/a;';

write_file("$dir/part.conf", "step p http://127.0.0.1:1/p;\nstep p http://h/;\n");
write_file("$dir/stray.conf", "}\n");

# What "#" marks is the line that is named; the block is that of a function
# "wf" unless it brings its own.
my @mistakes = (

['a function has a name', 'durable_function { #', 'invalid number of arguments'],

['its name is one', "durable_function a/b { #\n $step }",
 '"a/b" is no name of a function'],

['a name is there once', "durable_function wf { $step }
 durable_function wf { #\n $step }",
 'durable_function "wf" is there already'],

['a failure\'s name is there once', "durable_function wf-failure { $step }
 durable_function wf { $step\n on_failure { #\n $step } }",
 'durable_function "wf-failure" is there already'],

['a function does something', "durable_function wf { #\n }",
 'the function does nothing: it has no step'],

['it is not nested', "durable_function wf { $step
 durable_function x { #\n $step } }", '"durable_function" directive is not '
 . 'allowed here'],

['words are known', "stop x; #", 'unknown directive "stop"'],

['directives of servers are none', "root /x; #",
 '"root" directive is not allowed here'],

['steps are no directives of servers', "durable_function wf { $step }\n$step #",
 '"step" directive is not allowed here'],

['a step has a URL', 'step a; #', '"step" needs 2 words'],

['a step has no block', "step a http://h/ { #\n }",
 'directive "step" is not terminated by ";"'],

['a branch has a block', 'branch if=true; #', 'directive "branch" has no '
 . 'opening "{"'],

['a URL is one', 'step a htp://x; #', '"htp://x" is no http: or https: URL'],

['an upstream block is no target', 'step a http://back/x; #',
 '"step" cannot use the upstream block "back"'],

['a name is there once in a function', "$step\nstep a http://h/; #",
 'the name "a" is taken, in line'],

['options are known', 'step a http://h/ colour=red; #',
 'unknown word "colour=red": "step" knows the options timeout'],

['durations are such', 'step a http://h/ timeout=soon; #',
 'timeout "soon" is no duration'],

['numbers are such', 'step a http://h/ retries=many; #',
 'retries "many" is no number from 0 to 20'],

['expressions compile', 'step a http://h/ "body={"; #',
 'the expression of body cannot be read: unexpected end, at column 2'],

['names in expressions are known', 'step a http://h/ body=stepz.a; #',
 'unknown name "stepz"'],

['steps that are named are there', 'step a http://h/ body=steps.b; #',
 'there is no step "b"'],

['and come before', "step a http://h/ body=steps.b; #\nstep b http://h/;",
 'the step "b" comes later, in line'],

['in a nested block, too', "$step parallel { foreach p in=[] {
 step b http://h/ body=q; #\n } }", 'unknown name "q"'],

['secrets are there', 'step a http://h/ "header=X: file:/nowhere"; #',
 'the secret in "/nowhere" cannot be read', 'no line'],

['variables are there', 'step a http://h/ "header=X: env:DURABLE_T41_NONE"; #',
 'the environment has no variable "DURABLE_T41_NONE"', 'no line'],

['headers are such', 'step a http://h/ "header=X y"; #',
 'header "" is not "Name: value"'],

['a sleep has a time', 'sleep s; #', '"sleep" needs 2 words'],

['a wait has an end', 'wait_for_event w event=x; #',
 'how long it waits is missing'],

['a loop has a list', "foreach p { #\n $step }", 'the list is missing'],

['a loop has an end', "until true { #\n $step }",
 'how many rounds it has at most is missing'],

['settings stand outside', "branch { retries 3; #\n $step }",
 '"retries" is about the whole function'],

['settings are there once', "retries 3; $step\nretries 4; #",
 '"retries" is there twice'],

['a trigger is one', "trigger if=true; #\n $step", 'each of triggers must '
 . 'have either an event or a cron'],

['a cron is one', "trigger 'cron=0 25 * * *'; #\n $step",
 'invalid triggers.cron'],

['a zone is one', "durable_function wf { #\n"
 . "trigger 'cron=TZ=Mars/Base 0 9 * * *'; $step }",
 'the time zone "Mars/Base" is not known on this machine'],

['the condition of a trigger compiles', "trigger event=x if=((; #\n $step",
 'invalid trigger expression'],

['concurrency has a limit', "concurrency lots; #\n $step", 'concurrency'],

['throttle has a period', "throttle 5; #\n $step", 'throttle'],

['a rate limit has a period', "rate_limit 5; #\n $step", 'rateLimit'],

['a batch has a size', "batch 1 timeout=5s; #\n $step", 'batch'],

['batches exclude debounces', "batch 10 timeout=5s; $step\n"
 . "debounce 5s; #", 'mutually exclusive'],

['a singleton has a mode', "singleton maybe; #\n $step", 'singleton'],

['on_failure has no words', "$step\non_failure x { #\n $step }",
 '"on_failure" has no words'],

['on_failure is there once', "$step on_failure { step b http://h/; }
 on_failure { #\n step c http://h/; }", '"on_failure" is there twice'],

['on_failure stands in the function', "branch { $step\non_failure { #\n
 step b http://h/; } }", '"on_failure" stands in "durable_function" only'],

['programs have absolute paths', 'step a exec:convert; #',
 '"exec:" needs an absolute path'],
);


sub check {
    my ($block, $store) = @_;

    my $module = Durable::build('ngx_http_durable_module.so');

    write_file("$dir/nginx.conf", <<"CONF");
pid $dir/nginx.pid;
error_log $dir/error.log;
load_module $module;
events { }
http {
    upstream back { server 127.0.0.1:1; }
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    @{[ $store // "durable_store $dir/store; durable_mode dev;
    durable_sidecar unix:$dir/sidecar.sock;" ]}
$block
}
CONF

    my $nginx = Durable::binary();

    return scalar qx{$nginx -t -p $dir -e $dir/error.log -c $dir/nginx.conf 2>&1};
}


# The line of "#" in the file that was written last.
sub marked {
    my $n = 0;

    for my $line (split /\n/, slurp("$dir/nginx.conf")) {
        $n++;
        return $n if $line =~ /#/;
    }

    return 0;
}


for my $case (@mistakes) {
    my ($title, $text, $want, $no_line) = @$case;

    $text = "durable_function wf {\n$text\n}" unless $text =~ /durable_function/;

    my $out = check($text);
    like($out, qr/\Q$want\E/, $title);

    my $line = marked();
    like($out, qr/nginx\.conf:$line$/m, '.. with file and line')
        unless $no_line;
}

# -- files that are included

my $out = check("durable_function wf { include $dir/part.conf; }");
like($out, qr/the name "p" is taken, in line 1 in \Q$dir\E\/part\.conf:2$/m,
     'what is wrong in an included file names that file');

write_file("$dir/part.conf", "step p http://127.0.0.1:1/p;\n");
$out = check("durable_function wf { parallel { include $dir/part.conf; } }");
like($out, qr/syntax is ok/, 'a block may include files');

$out = check("durable_function wf { $step }", '');
like($out, qr/"durable_function" needs "durable_store"/,
     'a function needs a store');

# -- secrets

$ENV{DURABLE_T41_TOKEN} = 'very-secret-token';
$out = check('durable_function wf { step a http://h/ '
             . '"header=Authorization: Bearer env:DURABLE_T41_TOKEN"; '
             . 'step b ftp://h/; }');
like($out, qr/is no http: or https: URL/, 'a mistake next to a secret');
unlike($out, qr/very-secret-token/, 'does not show it');

done_testing();
