# SPDX-License-Identifier: BSD-2-Clause
#
# The sidecar's side of the link (design section 5): what it promises about
# frames, credits, the ledger, fencing, and its end.

use strict;
use warnings;

use lib 't/helper';
use Test::More;

use DurableFrame;
use DurableTarget;
use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);

my $target = DurableTarget->start;
my $url = $target->{url};
my $credits = 64;
my $sidecar = sidecar_start([ '--credits', $credits ]);
my $item = 1000;
my $epoch = 1;

sub fresh { return attempt(++$item, 1) }

# A link of a later epoch: every test starts with its own.
sub hello {
    my (%o) = @_;
    return DurableFrame->hello($sidecar->{path}, EPOCH => ++$epoch, %o);
}

# Runs a call to its end and settles it.
sub settled {
    my ($link, $where, %o) = @_;
    my $id = fresh();
    $link->call($id, $where, %o);
    my $r = $link->result($id);
    $link->ack($id);
    return $r;
}

# Bytes that the other side of a unix socket has not read yet.
sub unread {
    my ($socket) = @_;
    my $n = pack 'i', 0;
    ioctl $socket, 0x5411, $n or die "SIOCOUTQ: $!";
    return unpack 'i', $n;
}

subtest 'a new link hears HELLO, the inventory and the free credits' => sub {
    my $link = hello();
    is(length $link->{instance}, 16, 'the instance is 16 bytes');
    is_deeply($link->{inventory}, [], 'nothing is known yet');
    is($link->{credit}, $credits, 'every slot is free');
    my $mode = (stat $sidecar->{path})[2] & 0777;
    is($mode, 0600, 'the socket is for its owner only');

    my $again = hello();
    is($again->{instance}, $link->{instance},
        'the instance is the same for the life of the sidecar');
};

subtest 'a call is executed and its result kept until the ACK' => sub {
    my $link = hello();
    my $id = fresh();
    my $before = time;
    $link->call($id, "$url/echo?a=1", body => '{"x":1}',
        HEADERS => "Content-Type: application/json\nX-Run-ID: 01\n");
    my $r = $link->result($id);
    is($r->{STATUS}, 200, 'its status');
    is($r->{body}, '{"x":1}', 'its body');
    is($r->{KIND}, $KIND{STEP}, 'its kind');
    is($r->{LENGTH}, 7, 'the length is announced');
    ok(!exists $r->{ERROR_KIND}, 'no error');
    is($r->{headers}{'x-method'}, 'POST', 'the method');
    is($r->{headers}{'x-uri'}, '/echo?a=1', 'the query');
    cmp_ok($r->{STARTED}, '>=', $before * 1000, 'the time it began');
    cmp_ok($r->{DURATION}, '>', 0, 'and what it took');

    $link->sync;
    ok(!(grep { $_->{type} eq 'CREDIT' } @{ $link->{frames} }),
        'no credit before the ACK');
    $link->ack($id);
    is($link->next('CREDIT')->{COUNT}, 1, 'one credit after it');
};

subtest 'several ACKs of one read are one CREDIT' => sub {
    my $link = hello();
    my @ids = map { fresh() } 1 .. 5;
    $link->call($_, "$url/ok") for @ids;
    $link->result($_) for @ids;
    $link->ack(@ids);
    is($link->next('CREDIT')->{COUNT}, 5, 'all five at once');
    my $id = $ids[0];
    $link->ack($id);
    $link->sync;
    ok(!(grep { $_->{type} eq 'CREDIT' } @{ $link->{frames} }),
        'a second ACK of the same gives nothing');
};

subtest 'frames may be cut anywhere' => sub {
    my $link = hello();
    my $ping = DurableFrame::frame('PING', {}, 'cut');
    my $answers = 0;
    for my $cut (1 .. length($ping) - 1) {
        $link->write(substr $ping, 0, $cut);
        wait_for(sub { unread($link->{socket}) == 0 });
        $link->write(substr $ping, $cut);
        my $f = $link->next('PONG', 5);
        $answers++ if $f && $f->{data} eq 'cut';
    }
    is($answers, length($ping) - 1, 'a PING cut at every byte is answered');

    my $id = fresh();
    my $bytes = join '', DurableFrame::call_frames($id,
        { URL => "$url/echo", HEADERS => "A: b\n" }, 'x' x 70_000);
    for my $byte (split //, substr $bytes, 0, 300, '') {
        $link->write($byte);
    }
    $link->write($bytes);
    is($link->result($id)->{body}, 'x' x 70_000,
        'a CALL whose first frame comes byte by byte is executed');
    $link->ack($id);
};

subtest 'what is no frame closes the link' => sub {
    for my $case ([ 'another protocol', "GET / HTTP/1.1\r\n\r\n" ],
        [ 'a CALL before HELLO', DurableFrame::frame('CALL',
            { ATTEMPT => fresh(), URL => "$url/ok" }) ],
        [ 'a HELLO without a store', DurableFrame::frame('HELLO',
            { VERSION => 1, EPOCH => 1 }) ],
        [ 'a HELLO of another version', DurableFrame::frame('HELLO',
            { VERSION => 99, EPOCH => 1, STORE_ID => 'x' x 16 }) ])
    {
        my $link = DurableFrame->connect($sidecar->{path});
        $link->write($case->[1]);
        ok($link->closed, $case->[0]);
    }
    my $link = hello();
    $link->send('ACK', { ATTEMPT => 'short' });
    ok($link->closed, 'an attempt that is none');
    ok(hello()->sync, 'the sidecar goes on');
};

subtest 'a known attempt is not executed again' => sub {
    my $link = hello();
    my $id = fresh();
    $link->call($id, "$url/gate/again");
    $target->wait_held('again');
    $link->call($id, "$url/gate/again");
    is($link->next('CREDIT')->{COUNT}, 1, 'the copy gives its credit back');
    $link->call($id, "$url/gate/again", body => 'y' x 100_000);
    is($link->next('CREDIT')->{COUNT}, 1, 'a copy of several frames too');
    $target->open('again');
    is($link->result($id)->{body}, 'opened', 'one result');

    $link->call($id, "$url/gate/again");
    is($link->result($id)->{body}, 'opened',
        'a finished one is answered from the ledger');
    is($target->count('/gate/again'), 1, 'the target saw one request');
    $link->ack($id);
    $link->call($id, "$url/gate/again");
    $link->result($id);
    is($target->count('/gate/again'), 2, 'after the ACK it is unknown');
    $link->ack($id);
};

subtest 'a body of 8 MiB goes both ways' => sub {
    my $link = hello();
    my $id = fresh();
    my $body = join '', map { pack 'N', $_ } 1 .. 2 * 1024 * 1024;
    $link->call($id, "$url/echo", body => $body);
    my $r = $link->result($id);
    is($r->{LENGTH}, length $body, 'its length');
    ok($r->{body} eq $body, 'every byte of it');
    ok(!($r->{flags} & $F_END), 'in several frames');
    $link->ack($id);
};

subtest 'a large result does not hold up a small one' => sub {
    my $link = hello();
    my ($large, $small) = (fresh(), fresh());
    $link->call($large, "$url/bytes/8000000");
    $link->result($large);
    $link->call($small, "$url/ok");
    $link->result($small);
    $link->close;

    $link = hello();
    my @order = map { $_->{ATTEMPT} eq $small ? 'small'
        : $_->{flags} & $F_END ? 'end' : 'part' } @{ $link->{resent} };
    my ($at) = grep { $order[$_] eq 'small' } 0 .. $#order;
    is($order[-1], 'end', 'the large one was sent to its end');
    cmp_ok($at, '<', 4, 'the small one came between its frames');
    $link->ack($large, $small);
};

subtest 'after a lost link the calls go on' => sub {
    my $link = hello();
    my ($running, $done, $acked) = (fresh(), fresh(), fresh());
    $link->call($acked, "$url/ok");
    $link->result($acked);
    $link->ack($acked);
    $link->call($running, "$url/gate/lost");
    $link->call($done, "$url/ok");
    $target->wait_held('lost');
    $link->result($done);
    $link->close;

    $link = hello(EPOCH => $epoch);
    is_deeply([ sort @{ $link->{inventory} } ], [ sort $running, $done ],
        'the inventory lists what runs and what waits for its ACK');
    is(scalar @{ $link->{resent} }, 1, 'one result comes unasked');
    is($link->{resent}[0]{ATTEMPT}, $done, 'before the credits');
    is($link->{credit}, $credits - 2, 'two slots are taken');
    $target->open('lost');
    is($link->result($running)->{body}, 'opened',
        'the running one ends on the new link');
    $link->ack($running, $done);

    $link->close;
    $link = hello(EPOCH => $epoch);
    is_deeply($link->{inventory}, [], 'what was ACKed is forgotten');
    is($link->{credit}, $credits, 'all slots are free');
};

subtest 'a result that ends while no link is there is kept' => sub {
    my $link = hello();
    my $id = fresh();
    $link->call($id, "$url/gate/away");
    $target->wait_held('away');
    $link->close;
    $target->open('away');
    my $found = wait_for(sub {
        $link = hello();
        return 1 if @{ $link->{resent} };
        $link->close;
        return 0;
    });
    ok($found, 'it is sent to the next link');
    is($link->{resent}[0]{data}, 'opened', 'with its body');
    is($target->count('/gate/away'), 1, 'it was executed once');
    $link->ack($id);
};

subtest 'a link that dies within a result gets it again as a whole' => sub {
    my $link = hello();
    my $id = fresh();
    $link->call($id, "$url/bytes/8000000");
    my $first = $link->next('RESULT');
    is(length $first->{data}, 64 * 1024, 'the first part arrived');
    $link->close;

    $link = hello();
    my @parts = grep { $_->{ATTEMPT} eq $id } @{ $link->{resent} };
    is($parts[0]{type}, 'RESULT', 'it begins anew');
    is(length join('', map { $_->{data} } @parts), 8_000_000,
        'and is complete');
    $link->ack($id);
};

subtest 'a higher epoch fences the older link off' => sub {
    my $old = hello();
    my ($kept, $cut) = (fresh(), fresh());
    $old->call($kept, "$url/gate/fence");
    $target->wait_held('fence');

    # a call whose body never ends, and bytes that nobody will read
    my ($begin) = DurableFrame::call_frames($cut, { URL => "$url/ok/cut" },
        'z' x 100_000);
    $old->write($begin);
    $old->sync;

    my $new = hello();
    ok($old->closed, 'the older link is closed');
    is_deeply($new->{inventory}, [ $kept ],
        'the whole call goes on, the unfinished one was never there');
    is($new->{credit}, $credits - 1, 'its slot is free again');

    $new->call($cut, "$url/ok/cut");
    is($new->result($cut)->{STATUS}, 200, 'it can be sent again');
    $target->open('fence');
    is($new->result($kept)->{body}, 'opened', 'the result goes to the new');
    $new->ack($kept, $cut);
};

subtest 'what the older link still holds is known or was never seen' => sub {
    my $old = hello();
    my @ids = map { fresh() } 1 .. 20;
    my $new = DurableFrame->connect($sidecar->{path});
    $new->sync;
    kill 'STOP', $sidecar->{pid};
    $old->call($_, "$url/gate/unread") for @ids;
    $new->send(HELLO => { VERSION => 1, EPOCH => ++$epoch, PID => $$,
        STORE_ID => 'store-1---------' });
    kill 'CONT', $sidecar->{pid};
    my %known = map { $_ => 1 }
        unpack '(a12)*', $new->next('INVENTORY')->{data};
    $target->open('unread');
    my $seen = 0;
    for my $id (grep { $known{$_} } @ids) {
        $seen++ if $new->result($id)->{body} eq 'opened';
        $new->ack($id);
    }
    is($target->count('/gate/unread'), $seen,
        'what ran is exactly what the inventory said');
    ok($old->closed, 'the older link is closed');
};

subtest 'a lower epoch is refused' => sub {
    my $link = hello();
    my $late = DurableFrame->connect($sidecar->{path});
    $late->send(HELLO => { VERSION => 1, EPOCH => $epoch - 1,
        STORE_ID => 'store-1---------' });
    my $f = $late->next;
    is($f->{type}, 'REFUSED', 'it hears so');
    is($f->{EPOCH}, $epoch, 'and which epoch was seen');
    ok($late->closed, 'it is closed');
    is(settled($link, "$url/ok")->{STATUS}, 200, 'the leader is not harmed');
};

subtest 'stores do not see each other' => sub {
    my $one = hello();
    my $two = DurableFrame->hello($sidecar->{path}, EPOCH => 1,
        STORE_ID => 'store-2---------');
    is($two->{credit}, $credits, 'a store has slots of its own');
    my $id = fresh();
    $one->call($id, "$url/echo", body => 'one');
    $two->call($id, "$url/echo", body => 'two');
    is($one->result($id)->{body}, 'one', 'the same attempt of the first');
    is($two->result($id)->{body}, 'two', 'and of the second');
    $one->ack($id);
    $one->sync;
    $two->close;
    $two = DurableFrame->hello($sidecar->{path}, EPOCH => 1,
        STORE_ID => 'store-2---------');
    is_deeply($two->{inventory}, [ $id ], 'an ACK settles its own only');
    $two->ack($id);
    ok($two->sync, 'a low epoch of one is no low epoch of the other');
};

subtest 'a call can be cancelled' => sub {
    my $link = hello();
    my $id = fresh();
    $link->call($id, "$url/gate/cancel");
    $target->wait_held('cancel');
    $link->send('CANCEL', { ATTEMPT => $id });
    my $r = $link->result($id);
    is($r->{STATUS}, 0, 'it has no status');
    is($r->{ERROR_KIND}, $ERROR{CANCELLED}, 'the error says cancelled');
    ok(wait_for(sub { $target->closed('cancel') }),
        'the connection to the target is closed');
    $link->close;
    $link = hello();
    is($link->{resent}[0]{ERROR_KIND}, $ERROR{CANCELLED},
        'the result is kept until its ACK');
    $link->ack($id);

    $link->send('CANCEL', { ATTEMPT => $id });
    is($link->result($id)->{ERROR_KIND}, $ERROR{CANCELLED},
        'an unknown attempt is cancelled already');

    my ($half) = DurableFrame::call_frames(fresh(), { URL => "$url/ok/no" },
        'x' x 100_000);
    $link->write($half);
    $link->send('CANCEL', { ATTEMPT => attempt($item) });
    is($link->result(attempt($item))->{ERROR_KIND}, $ERROR{CANCELLED},
        'a call whose body is on its way too');
    $link->send('DATA', { ATTEMPT => attempt($item) }, 'x' x 34_464);
    $link->sync;
    is($target->count('/ok/no'), 0, 'it is not executed');
    $link->ack(attempt($item));

    $id = fresh();
    $link->call($id, "$url/ok");
    $link->result($id);
    $link->send('CANCEL', { ATTEMPT => $id });
    $link->sync;
    ok(!(grep { $_->{type} eq 'RESULT' } @{ $link->{frames} }),
        'a finished one keeps its result');
    $link->ack($id);
};

subtest 'a body that is not whole is not sent' => sub {
    my $link = hello();
    my $r = settled($link, "$url/ok/short", LENGTH => 9, body => 'short');
    is($r->{ERROR_KIND}, $ERROR{OTHER}, 'an error');
    like($r->{ERROR}, qr/not whole/, 'that says why');
    is($target->count('/ok/short'), 0, 'the target saw nothing');
};

subtest 'ephemeral calls have a pool of their own' => sub {
    my $link = hello();
    my @ids = map { attempt(1 << 63 | $_) } 1 .. 40;
    $link->call($_, "$url/gate/probe", KIND => $KIND{PROBE},
        METHOD => 'GET') for @ids;
    ok($target->wait_held('probe', 32), '32 of 40 run');
    $link->sync;
    is($target->held('probe'), 32, 'the others wait');
    my $step = settled($link, "$url/ok");
    is($step->{STATUS}, 200, 'a step does not wait with them');
    is($link->next('CREDIT')->{COUNT}, 1, 'only the step had a credit');
    $link->send('CANCEL', { ATTEMPT => $ids[39] });
    is($link->result($ids[39])->{ERROR_KIND}, $ERROR{CANCELLED},
        'a waiting one can be cancelled');
    $target->open('probe');
    my $ok = grep { $link->result($_)->{body} eq 'opened' } @ids[0 .. 38];
    is($ok, 39, 'all of them are answered');
    $link->close;

    $link = hello();
    is_deeply($link->{inventory}, [], 'they are in no inventory');
    is_deeply($link->{resent}, [], 'and are not sent again');
    $link->call($ids[0], "$url/gate/gone", KIND => $KIND{SYNC},
        METHOD => 'PUT');
    $target->wait_held('gone');
    $link->close;
    ok(wait_for(sub { $target->closed('gone') }),
        'they end with the link that asked');
};

subtest 'credits are an agreement' => sub {
    my $other = sidecar_start([ '--credits', 2 ]);
    my $link = DurableFrame->hello($other->{path});
    my @ids = map { fresh() } 1 .. 3;
    $link->call($_, "$url/gate/over") for @ids;
    ok($target->wait_held('over', 3), 'a call too many is executed');
    $target->open('over');
    $link->result($_) for @ids;
    $link->ack($ids[0]);
    is($link->next('CREDIT')->{COUNT}, 1, 'an ACK gives one credit back');
    $link->ack(@ids[1, 2]);
    is($link->next('CREDIT')->{COUNT}, 2, 'so do the others');

    $link->write(join '', map { DurableFrame::call_frames(fresh(),
        { URL => "$url/ok", LENGTH => 1 }, '') } 1 .. 5461);
    $link->sync;
    $link->call(fresh(), "$url/ok");
    ok($link->closed, 'more than an inventory can list closes the link');
    $link = DurableFrame->connect($other->{path});
    $link->send(HELLO => { VERSION => 1, EPOCH => 1,
        STORE_ID => 'store-1---------' });
    is(length $link->next('INVENTORY')->{data}, 5461 * 12,
        'it lists all the others');
    is(sidecar_stop($other, 'KILL'), 'signal 9', 'the end');
};

subtest 'a full ledger gives no credits' => sub {
    my $other = sidecar_start([ '--ledger-bytes', '1m', '--credits', 8 ]);
    my $link = DurableFrame->hello($other->{path});
    my ($large, $small) = (fresh(), fresh());
    $link->call($large, "$url/bytes/1048576");
    $link->result($large);
    $link->call($small, "$url/ok");
    $link->result($small);
    $link->ack($small);
    $link->sync;
    ok(!(grep { $_->{type} eq 'CREDIT' } @{ $link->{frames} }),
        'an ACK gives none while it is full');
    like($link->next('LOG')->{data}, qr/full/, 'nginx hears why');
    $link->ack($large);
    is($link->next('CREDIT')->{COUNT}, 2, 'then both come back');
    is(sidecar_stop($other), 0, 'the sidecar ends well');
};

subtest 'calls of an nginx that stays away are dropped' => sub {
    my $other = sidecar_start([ '--abandon', 1 ]);
    my $link = DurableFrame->hello($other->{path});
    $link->call(fresh(), "$url/gate/abandoned");
    $target->wait_held('abandoned');
    $link->close;
    ok(wait_for(sub { $target->closed('abandoned') }), 'they are ended');
    $link = DurableFrame->hello($other->{path});
    is_deeply($link->{inventory}, [], 'and forgotten');
    my $late = DurableFrame->connect($other->{path});
    $late->send(HELLO => { VERSION => 1, EPOCH => 0,
        STORE_ID => 'store-1---------' });
    is($late->next->{type}, 'REFUSED', 'their epoch is not');
    is(sidecar_stop($other), 0, 'the sidecar ends well');
};

subtest 'SIGTERM finishes what runs' => sub {
    my $other = sidecar_start([]);
    my $link = DurableFrame->hello($other->{path});
    my ($running, $late) = (fresh(), fresh());
    $link->call($running, "$url/gate/term");
    $target->wait_held('term');
    kill 'TERM', $other->{pid};
    is($link->next('CREDIT')->{COUNT}, 0, 'credits are over');
    $link->call($late, "$url/ok/late");
    $link->sync;
    $target->open('term');
    is($link->result($running)->{body}, 'opened', 'the result is delivered');
    $link->ack($running);
    is(DurableFrame::sidecar_wait($other), 0, 'the sidecar ends with 0');
    ok(!-e $other->{path}, 'its socket is gone');
    is($target->count('/ok/late'), 0, 'a call after SIGTERM is not begun');
};

subtest 'SIGTERM delivers to the link that comes back' => sub {
    my $other = sidecar_start([]);
    my $link = DurableFrame->hello($other->{path});
    my $id = fresh();
    $link->call($id, "$url/gate/term2");
    $target->wait_held('term2');
    kill 'TERM', $other->{pid};
    $link->next('CREDIT');
    $link->close;
    $link = DurableFrame->hello($other->{path}, EPOCH => 2);
    is($link->{credit}, 0, 'it gets no credits');
    is_deeply($link->{inventory}, [ $id ], 'but the inventory');
    $target->open('term2');
    is($link->result($id)->{body}, 'opened', 'and the result');
    $link->ack($id);
    is(DurableFrame::sidecar_wait($other), 0, 'the sidecar ends with 0');
};

subtest 'SIGTERM does not wait for ever' => sub {
    my $other = sidecar_start([ '--drain', 1 ]);
    my $link = DurableFrame->hello($other->{path});
    $link->call(fresh(), "$url/gate/hang");
    $target->wait_held('hang');
    is(sidecar_stop($other), 0, 'it ends after --drain');
    like(DurableFrame::sidecar_log($other), qr/1 calls are given up/,
        'and says what it gave up');

    $other = sidecar_start([]);
    $link = DurableFrame->hello($other->{path});
    $link->call(fresh(), "$url/gate/hang2");
    $target->wait_held('hang2');
    kill 'TERM', $other->{pid};
    $link->next('CREDIT');
    is(sidecar_stop($other), 0, 'a second signal ends it at once');
};

subtest 'the socket of a killed sidecar is taken over' => sub {
    my $other = sidecar_start([]);
    my $link = DurableFrame->hello($other->{path});
    my $instance = $link->{instance};
    is(sidecar_stop($other, 'KILL'), 'signal 9', 'it is killed');
    ok(-S $other->{path}, 'its socket stays');
    my $next = sidecar_start([], dir => $other->{dir});
    $link = DurableFrame->hello($next->{path});
    isnt($link->{instance}, $instance, 'the next one is another instance');

    my $third = sidecar_start([], dir => $other->{dir});
    is(DurableFrame::sidecar_wait($third), 1, 'a second one does not start');
    like(DurableFrame::sidecar_log($third), qr/another process listens/,
        'and says why');
    ok($link->sync, 'the first is not harmed');
    is(sidecar_stop($next), 0, 'it ends well');
};

subtest 'systemd may hand the socket over' => sub {
    my $dir = File::Temp->newdir;
    my $listen = IO::Socket::UNIX->new(Type => SOCK_STREAM, Listen => 8,
        Local => "$dir/activated") or die "listen: $!";
    my $fd = fileno $listen;
    my $other = sidecar_start([], before => sub {
        POSIX::dup2($fd, 3) if $fd != 3;
        $^F = 1000;
        my $keep = IO::Socket::UNIX->new_from_fd(3, 'r+');
        $keep->fcntl(2, 0);                 # F_SETFD, not FD_CLOEXEC
        $ENV{LISTEN_PID} = $$;
        $ENV{LISTEN_FDS} = 1;
    });
    my $link = DurableFrame->hello("$dir/activated");
    is(settled($link, "$url/ok")->{STATUS}, 200, 'it serves it');
    is(sidecar_stop($other), 0, 'it ends well');
    ok(-S "$dir/activated", 'and leaves the socket alone');
};

subtest 'options are checked' => sub {
    for my $case ([ [ '--credits', '0' ], qr/--credits: "0" is not valid/ ],
        [ [ '--credits', '4097' ], qr/--credits: "4097" is not valid/ ],
        [ [ '--deny', '300.1.1.1' ], qr/--deny: "300.1.1.1" is not valid/ ],
        [ [ '--allow', '10.0.0.0/33' ], qr/not valid/ ],
        [ [ '--ledger-bytes', '12x' ], qr/--ledger-bytes/ ],
        [ [ '--ca', '/nowhere/ca.pem' ], qr/--ca/ ],
        [ [ '--log-level', 'loud' ], qr/--log-level/ ],
        [ [ '--nonsense' ], qr/--nonsense is no option/ ],
        [ [ '--ca' ], qr/--ca needs a value/ ])
    {
        my $other = sidecar_start($case->[0]);
        is(DurableFrame::sidecar_wait($other), 2, "@{ $case->[0] }");
        like(DurableFrame::sidecar_log($other), $case->[1], 'says why');
    }
    my $dir = File::Temp->newdir;
    my $long = sidecar_start([ '--socket', "$dir/" . 'x' x 120 ]);
    is(DurableFrame::sidecar_wait($long), 1, 'a path that is too long');
    like(DurableFrame::sidecar_log($long), qr/longer than 107 bytes/,
        'says so');
    open my $fh, '>', "$dir/file" or die $!;
    my $file = sidecar_start([ '--socket', "$dir/file" ]);
    is(DurableFrame::sidecar_wait($file), 1, 'a path that is no socket');
    ok(-f "$dir/file", 'is left alone');
};

is(sidecar_stop($sidecar), 0, 'the sidecar ends well');
is(join('', grep { !/is refused|is closed|speaks version/ }
    DurableFrame::sidecar_log($sidecar) =~ /^(.*(?:error|warning):.*\n)/mg),
    '', 'nothing else was worth a complaint');

done_testing();
