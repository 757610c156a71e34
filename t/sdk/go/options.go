// Functions with options, and runs that something from outside ends.

package main

import (
	"context"
	"time"

	"github.com/inngest/inngest/pkg/enums"
	"github.com/inngest/inngestgo"
	"github.com/inngest/inngestgo/step"
)

func options(a app) {
	ended(a)
	limited(a)
}

func stay(ctx context.Context, in input) (any, error) {
	if _, err := named(ctx, in, "before"); err != nil {
		return nil, err
	}
	step.Sleep(ctx, "long", time.Hour)

	return named(ctx, in, "never")
}

func ended(a app) {
	second := time.Second

	cancelled := id("cancel-on")
	cancelled.Cancel = []inngestgo.ConfigCancel{{Event: "sdk/cancel",
		If: inngestgo.StrPtr("async.data.key == event.data.key")}}
	a.define(cancelled, stay)

	a.define(id("delete-run"), stay)

	finish := id("timeout-finish")
	finish.Timeouts = &inngestgo.ConfigTimeouts{Finish: &second}
	a.define(finish, stay)

	// The second run waits for the first one for longer than it may.
	start := id("timeout-start")
	start.Timeouts = &inngestgo.ConfigTimeouts{Start: &second}
	start.Concurrency = []inngestgo.ConfigStepConcurrency{{Limit: 1}}
	a.define(start, func(ctx context.Context, in input) (any, error) {
		return run(ctx, in, "alone", func() (any, error) {
			time.Sleep(3 * time.Second)
			return in.Event.Data["n"], nil
		})
	})

	a.define(id("rerun"), func(ctx context.Context, in input) (any, error) {
		return run(ctx, in, "count", func() (string, error) {
			return "ran", nil
		})
	})
}

func limited(a app) {
	batch := id("batch")
	batch.BatchEvents = &inngestgo.ConfigBatchEvents{MaxSize: 2,
		Timeout: time.Minute}
	a.define(batch, func(ctx context.Context, in input) (any, error) {
		return run(ctx, in, "told", func() (object, error) {
			all := []any{}
			for _, event := range in.Events {
				all = append(all, event.Data["n"])
			}
			return object{"first": in.Event.Data["n"], "all": all}, nil
		})
	})

	key := inngestgo.StrPtr("event.data.key")
	only := func(ctx context.Context, in input) (any, error) {
		return named(ctx, in, "only")
	}

	idempotent := id("idempotency")
	idempotent.Idempotency = key
	a.define(idempotent, only)

	rate := id("rate-limit")
	rate.RateLimit = &inngestgo.ConfigRateLimit{Limit: 1, Period: time.Hour,
		Key: key}
	a.define(rate, only)

	hold := func(ctx context.Context, in input) (any, error) {
		n, err := run(ctx, in, "hold", func() (any, error) {
			return in.Event.Data["n"], nil
		})
		if err != nil {
			return nil, err
		}
		step.Sleep(ctx, "a while", 2*time.Second)
		return n, nil
	}

	for name, mode := range map[string]enums.SingletonMode{
		"singleton-skip":   enums.SingletonModeSkip,
		"singleton-cancel": enums.SingletonModeCancel,
	} {
		opts := id(name)
		opts.Singleton = &inngestgo.ConfigSingleton{Key: key, Mode: mode}
		a.define(opts, hold)
	}
}
