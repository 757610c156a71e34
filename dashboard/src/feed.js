// What changes on the server: one connection of the tab, read with fetch so
// that a key can be sent.  Pages subscribe to topics and are told in batches,
// at most four times a second; "reload" means that something was missed.

import { ApiError, authorization, parse, refuse } from "./api.js";

const PAUSE = 250;
const HIDDEN = 60000;

const subscribers = new Set();
const state = {
  wanted: "", last: null, abort: null, failures: 0, timer: 0, missed: false,
  connected: false,
};
const watchers = new Set();

// { connected } for the frame.
export function onConnection(handler) {
  watchers.add(handler);
  handler(state.connected);
  return () => watchers.delete(handler);
}

function connection(connected) {
  if (state.connected !== connected) {
    state.connected = connected;
    watchers.forEach((handler) => handler(connected));
  }
}

// ---- batches

function tell(subscriber) {
  const { batch, missed } = subscriber;

  subscriber.batch = [];
  subscriber.missed = false;
  subscriber.timer = 0;
  subscriber.told = performance.now();
  subscriber.handler(batch, missed);
}

function soon(subscriber) {
  if (subscriber.timer || document.hidden) {
    return;
  }
  const due = subscriber.told + PAUSE - performance.now();

  subscriber.timer = setTimeout(() => requestAnimationFrame(() => {
    if (subscribers.has(subscriber)) {
      tell(subscriber);
    }
  }), Math.max(0, due));
}

function miss() {
  for (const subscriber of subscribers) {
    subscriber.missed = true;
    subscriber.batch = [];
    soon(subscriber);
  }
}

// What a kind is told as; a step is news of its run too.
const TOPICS = { run: ["runs"], step: ["runs", "steps"], figures: ["figures"],
  bulk: ["bulk"], many: ["runs", "steps"] };

function deliver(message) {
  const { kind } = message;
  const missed = kind === "many";
  const topics = TOPICS[kind.split(".", 1)[0]] ?? ["apps"];

  for (const subscriber of subscribers) {
    if (!topics.some((topic) => subscriber.topics.includes(topic))) {
      continue;
    }
    if (missed || subscriber.batch.length >= 5000 || document.hidden) {
      subscriber.missed = true;
      subscriber.batch = [];
    } else if (!subscriber.missed) {
      subscriber.batch.push(message);
    }
    soon(subscriber);
  }
}

// ---- Server-Sent Events

function event(fields) {
  if (fields.id) {
    state.last = fields.id;
  }
  if (fields.event === "gap") {
    miss();
    return;
  }
  if (!fields.data) {
    return;
  }
  let message;

  try {
    message = parse(fields.data);
  } catch {
    return;
  }
  if (typeof message?.kind === "string") {
    deliver(message);
  }
}

function lines(fields, line) {
  const colon = line.indexOf(":");

  if (line === "") {
    event(fields);
    return {};
  }
  if (colon > 0) {
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).replace(/^ /, "");

    fields[name] = name === "data" && fields.data
      ? `${fields.data}\n${value}` : value;
  }
  return fields;
}

async function read(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let fields = {};

  for (;;) {
    const { done, value } = await reader.read();

    if (done) {
      return;
    }
    const text = (rest + value).split(/\r?\n/);
    rest = text.pop();
    for (const line of text) {
      fields = lines(fields, line);
    }
  }
}

async function open(abort) {
  const headers = { Accept: "text/event-stream", ...authorization() };

  if (state.last) {
    headers["Last-Event-ID"] = state.last;
  }
  const response = await fetch(`api/v1/feed?topics=${state.wanted}`, {
    headers, signal: abort.signal, credentials: "same-origin",
    cache: "no-store",
  });

  if (!response.ok) {
    throw new ApiError("", response.status);
  }
  if (state.missed) {
    state.missed = false;
    miss();
  }
  state.failures = 0;
  connection(true);
  await read(response.body);
}

async function run() {
  const abort = new AbortController();

  state.abort = abort;

  try {
    await open(abort);
  } catch (error) {
    if (error.status === 401) {
      refuse();
    }
  }
  if (state.abort !== abort) {
    return;
  }
  connection(false);
  state.abort = null;
  state.missed = state.last === null;
  state.failures++;
  later(Math.min(10000, 250 * 2 ** Math.min(state.failures, 6))
    * (0.75 + Math.random() / 2));
}

function topics() {
  const all = new Set();

  for (const subscriber of subscribers) {
    subscriber.topics.forEach((topic) => all.add(topic));
  }
  return [...all].sort().join(",");
}

function stop() {
  const { abort } = state;

  clearTimeout(state.timer);
  state.timer = 0;
  state.abort = null;
  abort?.abort();
}

function later(ms) {
  clearTimeout(state.timer);
  state.timer = setTimeout(() => {
    state.timer = 0;
    const wanted = topics();

    if (wanted === "" || (state.abort && wanted === state.wanted)) {
      return;
    }
    if (wanted !== state.wanted) {
      state.last = null;
    }
    stop();
    state.wanted = wanted;
    run();
  }, ms);
}

// handler(messages, missed): missed means that lists are to be read again.
export function subscribe(names, handler) {
  const subscriber = {
    topics: names, handler, batch: [], missed: false, timer: 0, told: 0,
  };

  subscribers.add(subscriber);
  later(50);

  return () => {
    clearTimeout(subscriber.timer);
    subscribers.delete(subscriber);
    later(2000);
  };
}

// With another key, or when the server may be back.
export function reconnect() {
  stop();
  state.failures = 0;
  later(0);
}

// A tab that nobody looks at costs nothing after a minute.
let hidden = 0;

document.addEventListener("visibilitychange", () => {
  clearTimeout(hidden);

  if (document.hidden) {
    hidden = setTimeout(() => {
      stop();
      state.last = null;
      state.missed = true;
    }, HIDDEN);
    return;
  }
  for (const subscriber of subscribers) {
    if (subscriber.missed || subscriber.batch.length) {
      soon(subscriber);
    }
  }
  if (!state.abort) {
    reconnect();
  }
});

window.addEventListener("online", reconnect);
