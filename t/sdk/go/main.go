// The apps of the tests on the Go SDK: sdk has the scenarios, sdk-other is
// invoked by it, sdk-stream answers in a stream.

package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/inngest/inngestgo"
	"github.com/inngest/inngestgo/step"
)

type input = inngestgo.Input[object]

type handler = inngestgo.SDKFunction[object]

// app makes the event sdk/ID run the function ID.
type app struct {
	client inngestgo.Client
}

func newApp(id string, streaming bool) app {
	client, err := inngestgo.NewClient(inngestgo.ClientOpts{
		AppID:        id,
		UseStreaming: streaming,
		Logger:       slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		panic(err)
	}

	return app{client}
}

func (a app) define(opts inngestgo.FunctionOpts, work handler) {
	a.on(opts, "sdk/"+opts.ID, nil, work)
}

func (a app) on(opts inngestgo.FunctionOpts, event string, when *string,
	work handler,
) {
	_, err := inngestgo.CreateFunction(a.client, opts,
		inngestgo.EventTrigger(event, when), work)
	if err != nil {
		panic(err)
	}
}

func id(name string) inngestgo.FunctionOpts {
	return inngestgo.FunctionOpts{ID: name}
}

func retries(name string, count int) inngestgo.FunctionOpts {
	return inngestgo.FunctionOpts{ID: name, Retries: &count}
}

func otherApp() app {
	a := newApp("sdk-other", false)
	a.define(id("double"), func(ctx context.Context, in input) (any, error) {
		return run(ctx, in, "twice", func() (object, error) {
			return object{"doubled": 2 * in.Event.Data["x"].(float64)}, nil
		})
	})
	return a
}

func streamApp() app {
	a := newApp("sdk-stream", true)
	a.define(id("stream"), func(ctx context.Context, in input) (any, error) {
		first, err := run(ctx, in, "first", func() (string, error) {
			time.Sleep(300 * time.Millisecond)
			return "streamed", nil
		})
		if err != nil {
			return nil, err
		}
		step.Sleep(ctx, "nap", time.Second)
		last, err := named(ctx, in, "last")
		return object{"first": first, "last": last}, err
	})
	return a
}

func main() {
	sdk := newApp("sdk", false)
	steps(sdk)
	parallel(sdk)
	waits(sdk)
	options(sdk)

	mux := http.NewServeMux()
	mux.Handle("/api/inngest", sdk.client.Serve())
	mux.Handle("/api/other", otherApp().client.Serve())
	mux.Handle("/api/stream", streamApp().client.Serve())

	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("PORT"))
	if err != nil {
		panic(err)
	}
	note(object{"kind": "listening", "pid": os.Getpid()})

	panic(http.Serve(listener, noted(mux)))
}
