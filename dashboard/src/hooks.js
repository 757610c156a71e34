// What pages are built of: loading with abort on leave, live reloading, the
// arguments of the address.

import { useCallback, useEffect, useReducer, useRef, useState }
  from "../vendor/preact.js";
import { ApiError } from "./api.js";
import { subscribe } from "./feed.js";

// What went wrong, as one sentence.
export function sentenceOf(error) {
  if (error instanceof ApiError) {
    return error.message;
  }
  console.error(error);
  return "The dashboard made a mistake; the console of the browser has it.";
}

export function useTick() {
  return useReducer((n) => n + 1, 0)[1];
}

// useLoad((signal) => get("v1/apps", {}, signal), []) ->
// { data, error, status, loading, reload, set }.  What is there stays until
// the answer to the next request; leaving the page aborts it.  reload() while
// a request is out asks once more behind it, and never more often than twenty
// times what an answer takes.
export function useLoad(fetcher, deps) {
  const [state, setState] = useState({ data: undefined, loading: true });
  const live = useRef({ fetcher });

  live.current.fetcher = fetcher;

  const run = useCallback(async (run_) => {
    const began = performance.now();

    run_.busy = true;
    run_.again = false;
    try {
      const data = await live.current.fetcher(run_.abort.signal);

      if (live.current.run === run_) {
        setState({ data, loading: false });
      }
    } catch (error) {
      if (live.current.run === run_ && error.name !== "AbortError") {
        setState(({ data }) => ({
          data: error.status === 404 ? undefined : data,
          error: sentenceOf(error), status: error.status, body: error.body,
          loading: false,
        }));
      }
    }
    run_.busy = false;

    const took = performance.now() - began;

    run_.rest = performance.now() + Math.min(5000, took * 20);
    if (run_.again) {
      next(run_);
    }
  }, []);

  const next = useCallback((run_) => {
    clearTimeout(run_.timer);
    run_.timer = setTimeout(() => {
      if (live.current.run === run_) {
        run(run_);
      }
    }, Math.max(0, run_.rest - performance.now()));
  }, []);

  useEffect(() => {
    const run_ = { abort: new AbortController(), rest: 0 };

    live.current.run = run_;
    setState(({ data }) => ({ data, loading: true }));
    run(run_);

    return () => {
      live.current.run = null;
      clearTimeout(run_.timer);
      run_.abort.abort();
    };
  }, deps);

  const reload = useCallback((now) => {
    const run_ = live.current.run;

    if (!run_) {
      return;
    }
    if (now) {
      run_.rest = 0;
    }
    if (run_.busy) {
      run_.again = true;
    } else {
      next(run_);
    }
  }, []);

  const set = useCallback((change) => setState(
    (old) => ({ ...old, data: change(old.data) })), []);

  return { ...state, reload, set };
}

// handler(messages, missed) of the feed, as long as the page is there.
export function useFeed(topics, handler) {
  const live = useRef(handler);

  live.current = handler;

  useEffect(() => subscribe(topics,
    (batch, missed) => live.current(batch, missed)), [topics.join(",")]);
}

// Calls it every so many milliseconds while somebody looks.
export function useInterval(handler, ms) {
  const live = useRef(handler);

  live.current = handler;

  useEffect(() => {
    if (!ms) {
      return undefined;
    }
    const timer = setInterval(() => {
      if (!document.hidden) {
        live.current();
      }
    }, ms);

    return () => clearInterval(timer);
  }, [ms]);
}

// One action at a time: [busy, act]; act(async () => ..) gives the error, if
// any, to the handler.
export function useAction(failed) {
  const [busy, setBusy] = useState(false);
  const there = useRef(true);

  useEffect(() => () => {
    there.current = false;
  }, []);

  const act = async (work) => {
    setBusy(true);
    try {
      return await work();
    } catch (error) {
      if (error.name !== "AbortError") {
        failed(sentenceOf(error), error);
      }
      return undefined;
    } finally {
      if (there.current) {
        setBusy(false);
      }
    }
  };

  return [busy, act];
}

// ---- the address: #/runs/01..?status=Failed

export function readRoute(hash = location.hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const names = path.split("/").filter(Boolean).map((name) => {
    try {
      return decodeURIComponent(name);
    } catch {
      return name;
    }
  });

  return { names, args: Object.fromEntries(new URLSearchParams(search)) };
}

export function href(names, args) {
  const path = [].concat(names).map(encodeURIComponent).join("/");
  const search = new URLSearchParams(Object.entries(args ?? {})
    .filter(([, value]) => value !== undefined && value !== null
      && value !== "")).toString();

  return `#/${path}${search ? `?${search}` : ""}`;
}

export function go(names, args) {
  location.hash = href(names, args);
}

// The arguments of this page, without a new entry of the history.
export function replaceArgs(names, args) {
  history.replaceState(null, "", href(names, args));
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}
