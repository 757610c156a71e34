# Copyright (C) the nginx-durable authors

# The pages of the dashboard in a real browser, one by one: pictures in light,
# dark and on a phone, what axe-core finds, the keyboard, weight and speed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/helper";

use Digest::SHA qw(sha1_hex);
use Test::More;

use Browser;
use Durable qw(build free_port wait_for);
use FakeApp;
use Handler;
use HttpClient;

plan skip_all => Browser::missing() if Browser::missing();

-e build('dashboard/index.html')
    or plan skip_all => 'make dashboard has not been run';

my $dashboard = 'location /durable/ { durable_dashboard root='
    . build('dashboard') . '; }';

my $empty = Durable->new(workers => 1, server => $dashboard);
my $d = Durable->new(workers => 2, retry_interval => 1);
my $target = Handler->new(record => "$d->{dir}/handled",
                          port => free_port());

$d->{server} = <<"SERVER";
        $dashboard

        location = /hooks/stripe {
            durable_route   stripe;
            durable_forward @{[ $target->url ]}/stripe;
        }

        location = /hooks/linear {
            durable_route   linear;
        }
SERVER

sub step {
    my ($name, $delay, $data, %more) = @_;

    return { run => $name, delay => $delay, data => $data, %more };
}

my $cart = { total => 224, items => [ { sku => 'A-1', n => 2, price => 12 },
                                      { sku => 'B-77', n => 1, price => 200 } ] };

# Tells as many steps as a run may have, at once.
sub long {
    my ($call) = @_;

    return (200, {}, 'long') if @{$call->{memos}};

    return (206, {}, [ map {
        my $name = sprintf 'row %04d', $_;
        { id => sha1_hex($name), op => 'StepRun', name => $name,
          displayName => $name, data => { n => $_ } };
    } 1 .. 999 ]);
}

my $app = FakeApp->new(
    id => 'shop', server => $d->url, record => "$d->{dir}/calls",
    functions => {
        order => { event => 'shop/order', steps => [
            step('load the cart', 0.12, $cart),
            step('charge the card', 0.2, { charge => 'ch_3Pq' }, fail => 1),
            { all => [ step('mail the customer', 0.2, { sent => 1 }),
                       step('tell the warehouse', 0.35, { bin => 'C4' }) ] },
            { sleep => 'a moment', for => '1s' },
            { invoke => 'make the label', function => 'shop-label' },
            step('close', 0.05, 'closed') ],
            result => { order => 4711, state => 'shipped' } },
        label => { event => 'shop/label', result => { pdf => 'label.pdf' },
                   steps => [ step('render', 0.15, { bytes => 18211 }) ] },
        approve => { event => 'shop/approve', result => 'approved', steps => [
            step('ask', 0.02, 'asked'),
            { wait => 'approval', event => 'shop/approved',
              if => 'event.data.id == async.data.id' } ] },
        refund => { event => 'shop/refund', retries => 1, steps => [
            step('find the charge', 0.01, { charge => 'ch_3Pq' }),
            step('refund it', 0.1, 1, fail => 9) ] },
        digest => { event => 'shop/digest', steps => [
            step('collect', 0.01, [ 1 .. 5 ]),
            { sleep => 'until the morning', for => '9h' } ] },
        limited => { event => 'shop/limited',
            config => { concurrency => [ { limit => 1 } ] },
            steps => [ step('slowly', 30, 1) ] },
        long => { event => 'shop/long', code => \&long },
    });


# ---- what the script asks for

sub settled {
    my ($name, $status) = @_;

    wait_for(60, "a run of $name is $status", sub {
        my $runs = $d->http('GET', "/v1/runs?function=shop-$name")
            ->{json}{data};
        return grep { $_->{status} eq $status } @{$runs || []};
    });

    return;
}


sub fill {
    HttpClient->new(port => $app->{port}, timeout => 30)
        ->request('PUT', '/api/inngest', '',
                  { Host => "127.0.0.1:$app->{port}" });
    $d->wait_registered('shop');

    for my $name (qw(long order order refund approve digest label order
                     limited limited limited))
    {
        $d->send_event({ name => "shop/$name",
                         data => { id => 7, user => "u-$name" } });
    }

    for (1 .. 3) {
        $d->http('POST', '/hooks/stripe', { type => 'charge.failed' });
    }

    settled('order', 'Completed');
    settled('refund', 'Failed');
    settled('long', 'Completed');

    return 1;
}


sub job {
    my $r = $d->http('POST', '/v1/bulk', { action => 'replay',
        filter => { function => 'shop-refund' } });

    return $r->{json}{data}{id} || die "no job: $r->{status} $r->{body}\n";
}

$target->start;
$app->start;
$empty->start;
$d->start;

Browser->new(url => $d->url . '/durable/')
    ->play('pages.mjs', { empty => $empty->url . '/durable/' },
           fill => \&fill, job => \&job);

is($_->alerts, '', 'the log is clean') for $empty, $d;

$app->stop;
$target->stop;
$_->stop for $empty, $d;

done_testing;
