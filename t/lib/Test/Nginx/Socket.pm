# Copyright (C) the nginx-durable authors

# Tests of an nginx module as blocks of data: a configuration, a request, and
# what has to come back.  The interface is that of the well-known module of
# this name, so that the same files run under both; docs/testing.md says which
# part of it is here.

package Test::Nginx::Socket;

use strict;
use warnings;

use List::Util qw(shuffle);
use Test::More ();
use Time::HiRes qw(sleep time);

use Test::Nginx::Backend;
use Test::Nginx::Block;
use Test::Nginx::Check;
use Test::Nginx::Client;
use Test::Nginx::Server;

our @functions = qw(plan blocks run_tests repeat_each no_shuffle
    no_root_location no_long_string no_diff log_level workers master_on
    master_off worker_connections timeout env_to_nginx add_block_preprocessor
    add_cleanup_handler server_root html_dir server_port server_addr
    error_log_file bail_out server_name is_str no_nginx_manager);

our @from_more = qw(ok is isnt like unlike is_deeply cmp_ok pass fail diag
    note skip can_ok isa_ok explain done_testing BAIL_OUT);

my ($repeat, $shuffle, $timeout) = (1, 1, undef);
my ($blocks, $planned, @preprocessors, @cleanup);
my $host = 'localhost';
my $owner = $$;

$repeat = $ENV{TEST_NGINX_REPEAT_EACH} if $ENV{TEST_NGINX_REPEAT_EACH};
$shuffle = 0 if $ENV{TEST_NGINX_NO_SHUFFLE};


sub import {
    my ($class, @plan) = @_;

    my $caller = caller;

    strict->import;
    warnings->import;

    no strict 'refs';

    *{"${caller}::$_"} = \&{"${class}::$_"} for @functions;
    *{"${caller}::$_"} = \&{"Test::More::$_"} for @from_more;

    plan(@plan) if @plan;

    return;
}


# ---- what a test file may set

sub plan {
    $planned = 1;

    return Test::More::plan(@_);
}


sub setting {
    my ($variable, @value) = @_;

    $$variable = $value[0] if @value;

    return $$variable;
}


sub repeat_each { return setting(\$repeat, @_) }

sub timeout { return setting(\$timeout, @_) }

sub workers { return setting(\$Test::Nginx::Server::workers, @_) }

sub server_port { return setting(\$Test::Nginx::Server::port, @_) }

sub server_root { return setting(\$Test::Nginx::Server::root, @_) }

sub server_name { return setting(\$host, @_) }

sub server_addr { return '127.0.0.1' }

sub html_dir { return Test::Nginx::Server::html_dir() }

sub error_log_file { return Test::Nginx::Server::error_log_file() }

sub worker_connections {
    return setting(\$Test::Nginx::Server::worker_connections, @_);
}

sub log_level {
    my @level = $ENV{TEST_NGINX_LOG_LEVEL} ? () : @_;

    return setting(\$Test::Nginx::Server::log_level, @level);
}

sub master_on { $Test::Nginx::Server::master = 1; return }

sub master_off {
    $Test::Nginx::Server::master = Test::Nginx::Server::use_hup();
    return;
}

sub no_shuffle { $shuffle = 0; return }

sub no_root_location { $Test::Nginx::Server::root_location = 0; return }

sub no_long_string { $Test::Nginx::Check::diff_long = 0; return }

sub no_diff { return }

sub is_str { return Test::Nginx::Check::is_text(@_) }

sub env_to_nginx { push @Test::Nginx::Server::environment, @_; return }

sub add_block_preprocessor { push @preprocessors, @_; return }

sub add_cleanup_handler { push @cleanup, @_; return }


sub no_nginx_manager {
    die "no_nginx_manager: this runner always starts its own nginx\n";
}


sub bail_out {
    Test::Nginx::Server::stop();
    Test::More::BAIL_OUT(join '', @_);
}


# The blocks to run; their number where one number is wanted.
sub blocks {
    if (!$blocks) {
        no strict 'refs';
        local $/;
        my $text = readline *{'main::DATA'};

        $blocks = [Test::Nginx::Block->parse(defined $text ? $text : '')];
    }

    return wantarray ? @$blocks : scalar @$blocks;
}


# ---- the run

sub run_tests {
    my @list = blocks();

    if ($shuffle && @list > 1) {
        my $seed = $ENV{TEST_NGINX_SHUFFLE_SEED} || time * 1000 % 1_000_000;

        srand $seed;
        Test::More::note("TEST_NGINX_SHUFFLE_SEED=$seed");
        @list = shuffle @list;
    }

    set_environment();

    for my $block (@list) {
        $_->($block) for @preprocessors;
        run_block($block);
    }

    stop_last($list[-1]) if Test::Nginx::Server::running();
    Test::More::done_testing() unless $planned;

    return;
}


# nginx, kept over the blocks by TEST_NGINX_USE_HUP, at the end of the file.
sub stop_last {
    my ($block) = @_;

    my $name = $block->name;
    my @wrong = Test::Nginx::Server::stop();

    report("$name, the end", time, @wrong,
           Test::Nginx::Check::unexpected($block, $block->{log}));

    return;
}


sub set_environment {
    $ENV{TEST_NGINX_SERVER_PORT} = server_port();
    $ENV{TEST_NGINX_PORT} = server_port();
    $ENV{TEST_NGINX_CLIENT_PORT} = server_port();
    $ENV{TEST_NGINX_SERVER_ROOT} = server_root();
    $ENV{TEST_NGINX_HTML_DIR} = html_dir();

    return;
}


# $TEST_NGINX_NAME
sub expand {
    my ($text) = @_;

    return $text if !defined $text || ref $text;

    $text =~ s{\$(TEST_NGINX_\w+)}{ variable($1) }ge;

    return $text;
}


sub variable {
    my ($name) = @_;

    if (!defined $ENV{$name} && $name =~ /\ATEST_NGINX_RAND_PORT_\d+\z/) {
        my $socket = IO::Socket::INET->new(Listen => 1,
            LocalAddr => '127.0.0.1', LocalPort => 0)
            or die "no free port: $!\n";
        $ENV{$name} = $socket->sockport;
    }

    die "the environment has no $name\n" unless defined $ENV{$name};

    return $ENV{$name};
}


my @expanded = qw(main_config http_config config post_main_config request
    more_headers raw_request response_body response_body_like
    response_headers response_headers_like error_log no_error_log
    shutdown_error_log user_files tcp_listen tcp_reply tcp_query);


sub run_block {
    my ($block) = @_;

    my $name = $block->name;

    my ($skip, $why) = to_skip($block);

    if ($skip) {
        my $tests = $skip * $repeat;
        SKIP: { Test::More::skip("$name - $why", $tests) }
        return;
    }

    my $ok = eval {
        for my $key (grep { $block->has($_) } @expanded) {
            my $value = $block->get($key);

            $block->set_value($key, ref $value eq 'ARRAY'
                ? [map { expand($_) } @$value] : expand($value));
        }

        run_ready_block($block);
        1;
    };

    if (!$ok) {
        Test::More::fail("$name - the block can be run");
        Test::More::diag($@);
        Test::Nginx::Server::stop();
    }

    return;
}


# "3: < 1.21.0" or "3: >= 1.1 and < 1.2" of nginx's version; or "3: perl".
sub to_skip {
    my ($block) = @_;

    if (defined(my $text = $block->get('skip_nginx'))) {
        my ($tests, $conditions) = $text =~ /\A\s*(\d+)\s*:\s*(.+?)\s*\z/s
            or die "skip_nginx: cannot read \"$text\"\n";
        my $all = 1;

        for my $condition (split /\s+and\s+/, $conditions) {
            my ($operator, $version) =
                $condition =~ /\A([<>!=]=?)\s*([\d.]+)\z/
                or die "skip_nginx: cannot read \"$condition\"\n";
            $all &&= compare(number(Test::Nginx::Server::version()),
                             $operator, number($version));
        }

        return ($tests, "nginx $conditions") if $all;
    }

    if (defined(my $text = $block->get('skip_eval'))) {
        my ($tests, $code) = $text =~ /\A\s*(\d+)\s*:\s*(.+)\z/s
            or die "skip_eval: cannot read \"$text\"\n";

        return ($tests, 'skip_eval') if Test::Nginx::Block::evaluate($code);
    }

    return 0;
}


sub number {
    my ($version) = @_;

    my @part = (split(/\./, $version), 0, 0);

    return $part[0] * 1_000_000 + $part[1] * 1000 + $part[2];
}


sub compare {
    my ($have, $operator, $want) = @_;

    return $operator eq '<' ? $have < $want
         : $operator eq '<=' ? $have <= $want
         : $operator eq '>' ? $have > $want
         : $operator eq '>=' ? $have >= $want
         : $operator eq '!=' ? $have != $want
         : $have == $want;
}


# A block whose checks need the end of nginx starts it for each repetition,
# the others repeat on one nginx.
sub run_ready_block {
    my ($block) = @_;

    my $ends = grep { $block->has($_) }
        qw(must_die shutdown_error_log no_shutdown_error_log);

    for (1 .. ($ends ? $repeat : 1)) {
        run_once($block, $ends ? 1 : $repeat,
                 Test::Nginx::Server::use_hup() && !$ends);
    }

    return;
}


sub run_once {
    my ($block, $rounds, $hup) = @_;

    my $name = $block->name;
    my $since = time;
    my $started = start_server($block, $hup);

    if ($block->has('must_die')) {
        must_die($block, $name, $started);

    } elsif ($started) {
        run_requests($block, $name, $rounds);

    } else {
        Test::More::fail("$name - nginx starts");
        Test::More::diag(Test::Nginx::Check::tail(),
                         Test::Nginx::Server::read_file(
                             server_root() . '/logs/stderr.log'));
        Test::Nginx::Server::stop();
        return;
    }

    if ($hup) {
        report($name, $since,
               Test::Nginx::Check::unexpected($block, $block->{log}));
        return;
    }

    my @wrong = Test::Nginx::Server::stop();

    Test::Nginx::Check::shutdown_error_log($block, $name);
    report($name, $since, @wrong,
           Test::Nginx::Check::unexpected($block, $block->{log}));

    return;
}


# Troubles become one failed test; no trouble is no test.
sub report {
    my ($name, $since, @wrong) = @_;

    push @wrong, Test::Nginx::Server::sanitizer_reports($since);
    return unless @wrong;

    Test::More::fail("$name - no alert, crash or leak in nginx");
    Test::More::diag($_) for @wrong > 10 ? @wrong[0 .. 9] : @wrong;

    return;
}


sub start_server {
    my ($block, $hup) = @_;

    my $reload = $hup && Test::Nginx::Server::can_reload();

    if (!$reload) {
        Test::Nginx::Server::stop();
        Test::Nginx::Server::make_root();

    } else {
        Test::Nginx::Server::next_generation();
    }

    $block->{log} = Test::Nginx::Check::log_size();
    $Test::Nginx::Check::log_from = $block->{log};
    $Test::Nginx::Check::quiet_from = $block->{log};

    if (defined(my $files = $block->get('user_files'))) {
        Test::Nginx::Server::user_files($files);
    }

    my %part = map { $_ => defined $block->get($_) ? $block->get($_) : '' }
        qw(main_config http_config config post_main_config log_level);

    $part{log_level} =~ s/\s+//g;

    Test::Nginx::Server::write_config(%part);

    return Test::Nginx::Server::start() unless $reload;

    my $done = Test::Nginx::Server::reload();

    $Test::Nginx::Check::quiet_from = Test::Nginx::Check::log_size();

    return $done;
}


sub must_die {
    my ($block, $name, $started) = @_;

    my $ended = !$started && Test::Nginx::Server::ended();

    Test::More::ok($ended, "$name - nginx refuses to start");
    Test::Nginx::Server::forget() if $ended;

    Test::Nginx::Check::error_log($block, $name, 0);
    Test::Nginx::Check::grep_error_log($block, 0, $name);

    return;
}


sub run_requests {
    my ($block, $name, $rounds) = @_;

    for my $round (0 .. $rounds - 1) {
        if ($round) {
            $Test::Nginx::Check::log_from = Test::Nginx::Check::log_size();
            $Test::Nginx::Check::quiet_from =
                $Test::Nginx::Check::log_from;
        }

        my $backend = start_backend($block);
        my $i = 0;

        for my $conversation (Test::Nginx::Client::conversations($block,
                                                                 $host))
        {
            $i = converse($block, $conversation, $i, $name);
        }

        check_backend($block, $backend, $name) if $backend;
    }

    return;
}


sub seconds_of {
    my ($block) = @_;

    my $text = $block->get('timeout');

    return Test::Nginx::Client::seconds($text) if defined $text;
    return $timeout if defined $timeout;
    return $ENV{TEST_NGINX_TIMEOUT} || 3;
}


# One connection: sends, then reads and checks one response after another.
# Returns the index of the next response.
sub converse {
    my ($block, $conversation, $i, $name) = @_;

    my @methods = @{$conversation->{methods}};
    my $many = @methods > 1 || $i > 0
               || ref $block->get('request') eq 'ARRAY';

    my $client = Test::Nginx::Client->new(server_port(), seconds_of($block));

    $client->send_packets(@{$conversation->{packets}});

    for my $method (@methods) {
        my $title = $many ? "$name (req $i)" : $name;
        my $r = eval { $client->response($method) };
        my $error = $@;

        if ($block->has('ignore_response')
            || ($block->has('abort') && !$r))
        {
            # only the log counts

        } elsif (!$r) {
            $error = "the connection ended without a response\n"
                unless $error;
            Test::More::fail("$title - a response comes");
            Test::More::diag($error, Test::Nginx::Check::tail());

        } else {
            Test::Nginx::Check::response($block, $r, $i, $title);
        }

        # An aborting client is gone before the log is read.
        $client->close if $block->has('abort');

        if (defined(my $wait = $block->get('wait'))) {
            sleep Test::Nginx::Client::seconds($wait);
        }

        Test::Nginx::Check::error_log($block, $title, 1);
        Test::Nginx::Check::grep_error_log($block, $i, $title);

        $i++;
    }

    $client->close;

    return $i;
}


sub start_backend {
    my ($block) = @_;

    my $listen = $block->get('tcp_listen');
    return undef unless defined $listen;

    my $length = $block->get('tcp_query_len');
    my $query = $block->get('tcp_query');

    $length = length $query if !defined $length && defined $query;

    return Test::Nginx::Backend->new(
        listen => $listen,
        reply => $block->get('tcp_reply'),
        delay => Test::Nginx::Client::seconds($block->get('tcp_reply_delay')),
        length => $length,
        file => server_root() . '/tcp_query.txt');
}


sub check_backend {
    my ($block, $backend, $name) = @_;

    my $want = $block->get('tcp_query');
    my $length = $block->get('tcp_query_len');
    my $got = $backend->stop(defined $want || defined $length ? 2 : 0);

    if (defined $want) {
        Test::Nginx::Check::is_text($got, $want, "$name - tcp_query ok");
    }

    if (defined $length) {
        Test::More::is(length(defined $got ? $got : ''), $length + 0,
                       "$name - TCP query length ok");
    }

    return;
}


# The environment may stop us at any place: leave no nginx behind.
END {
    if ($$ == $owner) {
        local $?;
        Test::Nginx::Server::stop();
        $_->() for @cleanup;
    }
}

$SIG{HUP} = $SIG{INT} = $SIG{PIPE} = $SIG{TERM} = sub { exit 1 };


1;
