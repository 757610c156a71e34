// The record of what really happened, one JSON object a line.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/inngest/inngestgo/step"
)

type object = map[string]any

var notesLock sync.Mutex

func note(record object) {
	record["ts"] = time.Now().UnixMilli()
	line, err := json.Marshal(record)
	if err != nil {
		panic(err)
	}

	notesLock.Lock()
	defer notesLock.Unlock()

	log, err := os.OpenFile(os.Getenv("SDK_LOG"),
		os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	defer log.Close()

	if _, err = log.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

// run is a step.Run whose every execution is noted.
func run[T any](ctx context.Context, in input, name string,
	work func() (T, error),
) (T, error) {
	return step.Run(ctx, name, func(context.Context) (T, error) {
		note(object{"kind": "step", "run": in.InputCtx.RunID, "step": name,
			"attempt": in.InputCtx.Attempt})
		return work()
	})
}

// named is a run whose result is its name.
func named(ctx context.Context, in input, name string) (string, error) {
	return run(ctx, in, name, func() (string, error) { return name, nil })
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Flush() {
	if flusher, ok := w.ResponseWriter.(http.Flusher); ok {
		flusher.Flush()
	}
}

// noted writes down the requests and statuses of a handler.
func noted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))

		record := requestRecord(r, body)
		run, path := record["run"], record["path"]
		note(record)

		watched := &statusWriter{ResponseWriter: w, status: 200}
		next.ServeHTTP(watched, r)
		note(object{"kind": "response", "run": run, "path": path,
			"status": watched.status})
	})
}

func requestRecord(r *http.Request, body []byte) object {
	headers := object{}
	for name := range r.Header {
		headers[strings.ToLower(name)] = r.Header.Get(name)
	}

	query := r.URL.Query()
	record := object{"kind": "request", "method": r.Method,
		"path": r.URL.RequestURI(), "headers": headers,
		"fn": query.Get("fnId"), "step": query.Get("stepId")}

	var call struct {
		Ctx struct {
			RunID   string `json:"run_id"`
			Attempt int    `json:"attempt"`
		} `json:"ctx"`
		Steps  map[string]json.RawMessage `json:"steps"`
		UseAPI bool                       `json:"use_api"`
	}

	if r.Method == http.MethodPost && json.Unmarshal(body, &call) == nil {
		memos := []string{}
		for id := range call.Steps {
			memos = append(memos, id)
		}
		record["run"] = call.Ctx.RunID
		record["attempt"] = call.Ctx.Attempt
		record["use_api"] = call.UseAPI
		record["memos"] = memos
	}

	if len(body) < 65536 && utf8.Valid(body) {
		record["body"] = string(body)
	}

	return record
}
