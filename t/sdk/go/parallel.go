// What runs beside each other.

package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/inngest/inngest/pkg/enums"
	"github.com/inngest/inngestgo/group"
	"github.com/inngest/inngestgo/step"
)

type path = func(context.Context) (any, error)

func values(results group.Results) []any {
	out := []any{}
	for _, result := range results {
		out = append(out, result.Value)
	}
	return out
}

func parallel(a app) {
	a.define(id("parallel"), threeAndASleep)
	a.define(id("parallel-chains"), chains)
	a.define(retries("parallel-failure", 1), oneFails)
	a.define(id("race"), race)
}

func threeAndASleep(ctx context.Context, in input) (any, error) {
	lap := func(name string) path {
		return func(ctx context.Context) (any, error) {
			return named(ctx, in, name)
		}
	}

	results := group.Parallel(ctx, lap("p1"), lap("p2"),
		func(ctx context.Context) (any, error) {
			step.Sleep(ctx, "ps", time.Second)
			return nil, nil
		}, lap("p3"))
	if err := results.AnyError(); err != nil {
		return nil, err
	}

	after, err := run(ctx, in, "after", func() ([]any, error) {
		return values(results)[:2], nil
	})
	if err != nil {
		return nil, err
	}
	last, err := named(ctx, in, "last")

	return object{"after": after, "last": last}, err
}

func chains(ctx context.Context, in input) (any, error) {
	chain := func(name string) path {
		return func(ctx context.Context) (any, error) {
			one, err := named(ctx, in, name+"-1")
			if err != nil {
				return nil, err
			}
			return run(ctx, in, name+"-2", func() (string, error) {
				return one + "+", nil
			})
		}
	}

	results := group.Parallel(ctx, chain("x"), chain("y"), chain("z"))

	return values(results), results.AnyError()
}

func oneFails(ctx context.Context, in input) (any, error) {
	settled := func(name string, work func() (string, error)) path {
		return func(ctx context.Context) (any, error) {
			value, err := run(ctx, in, name, work)
			if err != nil {
				return err.Error(), nil
			}
			return value, nil
		}
	}

	return values(group.Parallel(ctx,
		settled("good", func() (string, error) { return "good", nil }),
		settled("doomed", failure[string]("doomed")),
		settled("shaky", func() (string, error) {
			if in.InputCtx.Attempt == 0 {
				return "", errors.New("shaky")
			}
			return "steady", nil
		}))), nil
}

var raced sync.Map

// A race here is a path that goes on while the other one is not done.
func race(ctx context.Context, in input) (any, error) {
	slow := func(ctx context.Context) (any, error) {
		return run(ctx, in, "slow", func() (string, error) {
			for i := 0; i < 200; i++ {
				if _, over := raced.Load(in.InputCtx.RunID); over {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			return "slow", nil
		})
	}

	won := func(ctx context.Context) (any, error) {
		winner, err := named(ctx, in, "fast")
		if err != nil {
			return nil, err
		}
		after, err := run(ctx, in, "after", func() (string, error) {
			raced.Store(in.InputCtx.RunID, true)
			return winner + " wins", nil
		})
		return object{"winner": winner, "after": after}, err
	}

	results := group.ParallelWithOpts(ctx, group.ParallelOpts{
		ParallelMode: enums.ParallelModeRace}, slow, won)
	if err := results.AnyError(); err != nil {
		return nil, err
	}

	return results[1].Value, nil
}
