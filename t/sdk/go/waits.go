// What a run waits for: events, signals, other functions, and requests that
// the server makes in its stead.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/inngest/inngestgo"
	"github.com/inngest/inngestgo/group"
	"github.com/inngest/inngestgo/step"
)

const same = "async.data.key == event.data.key"

func waits(a app) {
	events(a)
	signals(a)
	invokes(a)
	gateways(a)
}

// The member `by` of the event that came, nil when none did.
func waitFor(ctx context.Context, id, event, when string,
	timeout time.Duration,
) (any, error) {
	opts := step.WaitForEventOpts{Event: event, Timeout: timeout}
	if when != "" {
		opts.If = inngestgo.StrPtr(when)
	}

	woken, err := step.WaitForEvent[inngestgo.Event](ctx, id, opts)
	if errors.Is(err, step.ErrEventNotReceived) {
		return nil, nil
	}

	return woken.Data["by"], err
}

func events(a app) {
	wait := func(name, event, when string, timeout time.Duration) {
		a.define(id(name), func(ctx context.Context, in input) (any, error) {
			by, err := waitFor(ctx, "w", event, when, timeout)
			if err == nil && name == "wait-if" {
				_, err = named(ctx, in, "after")
			}
			return object{"woken": by}, err
		})
	}

	wait("wait-event", "sdk/wake", "", time.Minute)
	wait("wait-if", "sdk/wake-if", same, time.Minute)
	wait("wait-timeout", "sdk/nobody-sends-this", "", time.Second)
	wait("wait-never", "sdk/wake-never", same, 2*time.Second)

	a.define(id("wait-parallel"), func(ctx context.Context, in input) (any,
		error,
	) {
		side := func(name string) path {
			return func(ctx context.Context) (any, error) {
				return waitFor(ctx, name, "sdk/"+name, "", time.Minute)
			}
		}
		results := group.Parallel(ctx, side("left"), side("right"))
		return values(results), results.AnyError()
	})
}

func waitSignal(ctx context.Context, signal, conflict string,
	timeout time.Duration,
) (any, error) {
	result, err := step.WaitForSignal[any](ctx, "s", step.WaitForSignalOpts{
		Signal: signal, Timeout: timeout,
		OnConflict: step.SignalConfict(conflict)})
	if errors.Is(err, step.ErrSignalNotReceived) {
		return nil, nil
	}

	return result.Data, err
}

func signals(a app) {
	wait := func(name, signal string, timeout time.Duration) {
		a.define(id(name), func(ctx context.Context, _ input) (any, error) {
			got, err := waitSignal(ctx, signal, "fail", timeout)
			return object{"got": got}, err
		})
	}

	wait("signal", "plain", time.Minute)
	wait("signal-timeout", "silence", time.Second)

	contest(a, "signal-replace", "replaced", "replace", 3*time.Second)
	contest(a, "signal-conflict", "contested", "fail", time.Minute)

	a.define(retries("signal-second", 0), func(ctx context.Context,
		in input,
	) (any, error) {
		signal := in.Event.Data["signal"].(string)
		if _, err := named(ctx, in, "claim "+signal); err != nil {
			return nil, err
		}
		got, err := waitSignal(ctx, signal,
			in.Event.Data["conflict"].(string), time.Minute)
		return object{"got": got}, err
	})
}

// The claim of the first run is stored before the second run begins.
func contest(a app, name, signal, conflict string, timeout time.Duration) {
	a.define(id(name), func(ctx context.Context, _ input) (any, error) {
		results := group.Parallel(ctx,
			func(ctx context.Context) (any, error) {
				return waitSignal(ctx, signal, "fail", timeout)
			},
			func(ctx context.Context) (any, error) {
				return step.Send(ctx, "tell", inngestgo.Event{
					Name: "sdk/signal-second",
					Data: object{"signal": signal, "conflict": conflict}})
			})
		return object{"got": results[0].Value}, results.AnyError()
	})
}

func invoke(ctx context.Context, id, function string, data object,
	timeout time.Duration,
) (object, error) {
	return step.Invoke[object](ctx, id, step.InvokeOpts{
		FunctionId: function, Data: data, Timeout: timeout})
}

func invokes(a app) {
	children(a)

	a.define(id("invoke"), func(ctx context.Context, in input) (any, error) {
		result, err := invoke(ctx, "i", "sdk-child", object{"x": 7}, 0)
		if err != nil {
			return nil, err
		}
		after, err := named(ctx, in, "after")
		return object{"result": result, "after": after}, err
	})

	caught := func(name, function string, timeout time.Duration) {
		a.define(id(name), func(ctx context.Context, _ input) (any, error) {
			result, err := invoke(ctx, "i", function, object{}, timeout)
			if err == nil {
				return object{"unexpected": result}, nil
			}
			return object{"message": err.Error()}, nil
		})
	}

	caught("invoke-failing", "sdk-child-fails", 0)
	caught("invoke-unknown", "sdk-nowhere", 0)
	caught("invoke-timeout", "sdk-child-sleeps", time.Second)

	a.define(id("invoke-other-app"), func(ctx context.Context, _ input) (any,
		error,
	) {
		return invoke(ctx, "i", "sdk-other-double", object{"x": 21}, 0)
	})

	a.define(id("invoke-parallel"), func(ctx context.Context, _ input) (any,
		error,
	) {
		child := func(x int) path {
			return func(ctx context.Context) (any, error) {
				return invoke(ctx, fmt.Sprintf("i-%d", x), "sdk-child",
					object{"x": x}, 0)
			}
		}
		results := group.Parallel(ctx, child(1), child(2), child(3))
		return values(results), results.AnyError()
	})
}

func children(a app) {
	a.define(id("child"), func(ctx context.Context, in input) (any, error) {
		return run(ctx, in, "work", func() (object, error) {
			return object{"got": in.Event.Data["x"]}, nil
		})
	})

	a.define(retries("child-fails", 0), func(context.Context, input) (any,
		error,
	) {
		return nil, errors.New("child boom")
	})

	a.define(id("child-sleeps"), func(ctx context.Context, _ input) (any,
		error,
	) {
		step.Sleep(ctx, "long", time.Hour)
		return nil, nil
	})
}

type reply struct {
	Choices []struct {
		Message struct {
			Content string `json:"content"`
		} `json:"message"`
	} `json:"choices"`
}

func infer(ctx context.Context, path string) (reply, error) {
	key := "secret"
	base := os.Getenv("PROVIDER") + path

	return step.Infer[object, reply](ctx, "ai", step.InferOpts[object]{
		Opts: step.InferOpenAIOpts(&key, &base),
		Body: object{"model": "parrot-1", "messages": []object{
			{"role": "user", "content": "hello"}}},
	})
}

func gateways(a app) {
	a.define(id("fetch"), func(ctx context.Context, _ input) (any, error) {
		answer, err := step.Fetch[string](ctx, "f", step.FetchOpts{
			URL: os.Getenv("PROVIDER") + "/teapot", Method: "POST",
			Body: "leaves"})
		return object{"status": answer.StatusCode, "body": answer.Body}, err
	})

	failed := func(value any, err error) (any, error) {
		if err == nil {
			return object{"unexpected": value}, nil
		}
		return object{"failed": err.Error() != ""}, nil
	}

	a.define(retries("fetch-refused", 1), func(ctx context.Context,
		_ input,
	) (any, error) {
		return failed(step.Fetch[string](ctx, "f", step.FetchOpts{
			URL: "http://127.0.0.1:9/nothing", Method: "GET"}))
	})

	a.define(id("infer"), func(ctx context.Context, _ input) (any, error) {
		answer, err := infer(ctx, "")
		if err != nil {
			return nil, err
		}
		return object{"text": answer.Choices[0].Message.Content}, nil
	})

	a.define(retries("infer-failing", 1), func(ctx context.Context,
		_ input,
	) (any, error) {
		return failed(infer(ctx, "/broken"))
	})
}
