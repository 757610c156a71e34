// Steps: their order, their failures, sleeps, and what is large.

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/inngest/inngestgo"
	sdkerrors "github.com/inngest/inngestgo/errors"
	"github.com/inngest/inngestgo/step"
)

func steps(a app) {
	plain(a)
	failing(a)
	failureHandler(a)
	sleeping(a)
	others(a)
}

func plain(a app) {
	a.define(id("sequence"), sequence)

	a.define(id("no-steps"), func(_ context.Context, in input) (any, error) {
		return object{"echo": in.Event.Data}, nil
	})

	a.define(id("unicode"), func(ctx context.Context, in input) (any, error) {
		text := in.Event.Data["text"].(string)
		size, err := run(ctx, in, "größe 😀", func() (int, error) {
			return utf8.RuneCountInString(text), nil
		})
		return object{"text": text, "size": size}, err
	})

	a.define(id("many-steps"), func(ctx context.Context, in input) (any,
		error,
	) {
		sum := 0
		for i := 0; i < 50; i++ {
			n, err := run(ctx, in, fmt.Sprintf("step-%d", i),
				func() (int, error) { return i, nil })
			if err != nil {
				return nil, err
			}
			sum += n
		}
		return object{"sum": sum}, nil
	})
}

func sequence(ctx context.Context, in input) (any, error) {
	a, err := run(ctx, in, "a", func() (int, error) {
		return int(in.Event.Data["x"].(float64)) + 1, nil
	})
	if err != nil {
		return nil, err
	}

	b, err := run(ctx, in, "b", func() (object, error) {
		return object{"twice": a * 2, "text": "ä\x00\U0001f600"}, nil
	})
	if err != nil {
		return nil, err
	}

	c, err := run(ctx, in, "c", func() (any, error) { return nil, nil })

	return object{"a": a, "b": b, "c": c}, err
}

func failure[T any](message string) func() (T, error) {
	return func() (none T, _ error) { return none, errors.New(message) }
}

func failing(a app) {
	a.define(retries("step-retry", 3), stepRetry)
	a.define(retries("step-retry-resets", 1), stepRetryResets)
	a.define(retries("step-caught", 1), stepCaught)

	a.define(retries("step-uncaught", 1), func(ctx context.Context,
		in input,
	) (any, error) {
		return run(ctx, in, "bad", failure[any]("step boom"))
	})

	a.define(retries("function-error", 2), func(ctx context.Context,
		in input,
	) (any, error) {
		if _, err := named(ctx, in, "fine"); err != nil {
			return nil, err
		}
		note(object{"kind": "end", "run": in.InputCtx.RunID})
		return nil, errors.New("function boom")
	})

	a.define(retries("non-retriable", 5), func(ctx context.Context,
		in input,
	) (any, error) {
		return run(ctx, in, "never", func() (any, error) {
			return nil, sdkerrors.NoRetryError(errors.New("not again"))
		})
	})

	a.define(retries("retry-after", 3), func(ctx context.Context,
		in input,
	) (any, error) {
		return run(ctx, in, "later", func() (int, error) {
			if in.InputCtx.Attempt == 0 {
				return 0, sdkerrors.RetryAtError(errors.New("come back"),
					time.Now().Add(2*time.Second))
			}
			return in.InputCtx.Attempt, nil
		})
	})
}

func stepRetry(ctx context.Context, in input) (any, error) {
	return run(ctx, in, "flaky", func() (object, error) {
		attempt := in.InputCtx.Attempt
		if attempt < 2 {
			return nil, fmt.Errorf("flaky on attempt %d", attempt)
		}
		return object{"attempt": attempt}, nil
	})
}

func stepRetryResets(ctx context.Context, in input) (any, error) {
	once := func() (int, error) {
		if in.InputCtx.Attempt < 1 {
			return 0, errors.New("fails once")
		}
		return in.InputCtx.Attempt, nil
	}

	first, err := run(ctx, in, "first", once)
	if err != nil {
		return nil, err
	}
	second, err := run(ctx, in, "second", once)

	return []int{first, second}, err
}

func stepCaught(ctx context.Context, in input) (any, error) {
	_, err := run(ctx, in, "bad", failure[any]("always bad"))
	if err == nil {
		return object{"message": "no error"}, nil
	}
	recovered, failed := named(ctx, in, "recover")

	return object{"message": err.Error(), "recovered": recovered}, failed
}

// Go has no word for a failure handler: it is a function of the event.
func failureHandler(a app) {
	a.define(retries("fails", 0), func(context.Context, input) (any, error) {
		return nil, errors.New("on purpose")
	})

	a.on(id("fails-failure"), "inngest/function.failed",
		inngestgo.StrPtr("event.data.function_id == 'sdk-fails'"),
		func(ctx context.Context, in input) (any, error) {
			return named(ctx, in, "cleanup")
		})
}

func sleeping(a app) {
	a.define(id("sleep"), func(ctx context.Context, in input) (any, error) {
		if _, err := named(ctx, in, "before"); err != nil {
			return nil, err
		}
		step.Sleep(ctx, "nap", time.Second)
		_, err := named(ctx, in, "after")
		return "slept", err
	})

	a.define(id("sleep-until"), func(ctx context.Context, in input) (any,
		error,
	) {
		until, err := run(ctx, in, "until", func() (int64, error) {
			return time.Now().UnixMilli() + 1500, nil
		})
		if err != nil {
			return nil, err
		}
		step.SleepUntil(ctx, "nap", time.UnixMilli(until))
		_, err = named(ctx, in, "after")
		return object{"until": until}, err
	})

	a.define(id("sleep-zero"), func(ctx context.Context, in input) (any,
		error,
	) {
		step.Sleep(ctx, "nap", 0)
		return run(ctx, in, "after", func() (string, error) {
			return "woken", nil
		})
	})
}

func others(a app) {
	a.define(id("send-event"), func(ctx context.Context, in input) (any,
		error,
	) {
		ids, err := step.SendMany(ctx, "tell", []inngestgo.Event{
			{Name: "sdk/sent", Data: object{"n": 1}},
			{Name: "sdk/sent", Data: object{"n": 2}},
		})
		if err != nil {
			return nil, err
		}
		_, err = named(ctx, in, "after")
		return object{"ids": ids}, err
	})

	a.define(id("sent"), func(ctx context.Context, in input) (any, error) {
		return run(ctx, in, "got", func() (any, error) {
			return in.Event.Data["n"], nil
		})
	})

	a.define(id("once"), func(ctx context.Context, in input) (any, error) {
		return named(ctx, in, "only")
	})

	a.define(id("large-event"), func(ctx context.Context, in input) (any,
		error,
	) {
		return run(ctx, in, "size", func() (int, error) {
			return len(in.Event.Data["text"].(string)), nil
		})
	})
}
