// Events: what was received, live; one event with its runs; sending.

import { html, useRef, useState } from "../../vendor/preact.js";
import { get, part, post, session } from "../api.js";
import { go, href, replaceArgs, useAction, useFeed, useLoad }
  from "../hooks.js";
import { Button, Cut, Empty, Facts, Field, Heading, Id, Notice, Panel,
  server } from "../parts/basic.js";
import { When } from "../parts/filter.js";
import { Fresh } from "../parts/fresh.js";
import { JsonEditor, LargeJson, check, pretty } from "../parts/json.js";
import { Dialog } from "../parts/dialog.js";
import { usePages } from "../parts/pages.js";
import { Status } from "../parts/status.js";
import { RowLink, Table } from "../parts/table.js";
import { Duration, Time, count } from "../parts/time.js";
import { toast } from "../parts/toast.js";

const FILTERS = ["name", "id", "q", "received_after", "received_before"];

const sendCommand = () => `curl -X POST ${server()}/e/${session.mode === "dev"
  ? "any-key" : "$INNGEST_EVENT_KEY"} \\
  -H 'Content-Type: application/json' \\
  -d '{"name": "shop/order", "data": {"id": 7}}'`;

// ---- sending

// What an event of this name looked like: "id number, user text".
function shape(data) {
  const kind = (v) => v === null ? "null" : Array.isArray(v) ? "list"
    : typeof v === "string" ? "text" : typeof v;

  return Object.entries(data ?? {}).slice(0, 8).map(([name, value]) =>
    `${name} ${kind(value)}`).join(", ");
}

// Recent events and the triggers of functions, each name once.
async function hints(signal) {
  const [events, functions] = await Promise.all([
    get("v1/events", { data: "short", limit: 51 }, signal),
    get("v1/functions", {}, signal)]);
  const known = new Map();

  for (const event of events.data) {
    if (!event.name.startsWith("inngest/") && !known.has(event.name)) {
      known.set(event.name, { name: event.name, data: event.data ?? {} });
    }
  }
  for (const { config } of functions.data) {
    for (const { event } of config?.triggers ?? []) {
      if (event && !event.includes("*") && !event.startsWith("inngest/")
          && !known.has(event)) {
        known.set(event, { name: event, data: {} });
      }
    }
  }
  return [...known.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

function mistake(value) {
  const events = Array.isArray(value) ? value : [value];

  if (events.length === 0) {
    return "There is no event in this list.";
  }
  for (const event of events) {
    if (event === null || typeof event !== "object" || Array.isArray(event)) {
      return "An event is an object: {\"name\": .., \"data\": {..}}.";
    }
    if (typeof event.name !== "string" || event.name === "") {
      return "An event has a \"name\".";
    }
  }
  return null;
}

export function SendEvent({ first, close }) {
  const [text, setText] = useState(pretty(first
    ?? { name: "", data: {} }));
  const [error, setError] = useState(null);
  const [busy, act] = useAction(setError);
  const { data: known } = useLoad(hints, []);
  const checked = check(text);
  const wrong = checked.error ? null : mistake(checked.value);

  const change = (next) => {
    setText(next);
    setError(null);
  };
  const send = (event) => {
    event?.preventDefault();
    if (checked.error || wrong) {
      setError(checked.error ?? wrong);
      return;
    }
    act(async () => {
      const { data } = await post("e/dashboard", text);

      close();
      if (data.ids.length === 1) {
        toast("The event was accepted.");
        go(["events", data.ids[0]]);
      } else {
        toast(`${data.ids.length} events were accepted.`);
      }
    });
  };
  const keys = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      send(event);
    }
  };

  return html`<${Dialog} title="Send an event" close=${close} wide>
    <form class="send" onSubmit=${send} onKeyDown=${keys}>
      <${JsonEditor} id="event" label="Event, or a list of events"
        text=${text} change=${change} rows=${14} error=${error} />
      ${known?.length > 0 && html`<div class="hints">
        <h3 id="hints">Known events</h3>
        <ul aria-labelledby="hints">${known.map((event) => html`<li
          key=${event.name}><button type="button" class="hint"
          onClick=${() => change(pretty({ name: event.name,
            data: event.data }))}><${Cut} text=${event.name} />
          <small>${shape(event.data) || "no data yet"}</small></button>
        </li>`)}</ul></div>`}
      <div class="actions end">
        <span class="dim grow">Ctrl+Enter sends</span>
        <${Button} onClick=${close}>Back</${Button}>
        <${Button} kind="main" type="submit" icon="send" busy=${busy}
          disabled=${Boolean(checked.error)}>Send</${Button}>
      </div>
    </form>
  </${Dialog}>`;
}

// ---- the list

function preview(row) {
  if (row.data === null && row.data_bytes) {
    return `${count(row.data_bytes)} bytes`;
  }
  const text = JSON.stringify(row.data) ?? "";

  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

const COLUMNS = [
  { name: "at", title: "Received", kind: "tight",
    cell: (row) => html`<${Time} at=${row.received_at} ms />` },
  { name: "name", title: "Name", cell: (row) => html`<${RowLink}
    href=${href(["events", row.internal_id])}><${Cut} text=${row.name} />
    </${RowLink}>` },
  { name: "runs", title: "Runs", kind: "right num",
    cell: (row) => row.runs === undefined ? "" : row.runs >= 100 ? "100+"
      : count(row.runs) },
  { name: "data", title: "Data",
    cell: (row) => html`<code class="dim"><${Cut} text=${preview(row)} />
    </code>` },
];

function Filters({ args, change, errors }) {
  const set = (name) => (value) => change({ ...args, [name]: value });

  return html`<div class="filters" data-filter role="search"
    aria-label="Filter the events">
    <${Field} label="Name" value=${args.name} change=${set("name")}
      placeholder="shop/*" type="search" error=${errors.name} />
    <${Field} label="Id" value=${args.id} change=${set("id")}
      placeholder="part of an id" type="search" error=${errors.id} />
    <${Field} label="CEL" value=${args.q} change=${set("q")} wide
      placeholder="event.data.total > 100" error=${errors.q} wait=${600}
      type="search" />
    <${When} label="Received" value=${{ after: args.received_after,
      before: args.received_before }} change=${({ after, before }) => change({
      ...args, received_after: after, received_before: before })} />
  </div>`;
}

function List({ args }) {
  const [sending, setSending] = useState(false);
  const params = Object.fromEntries(FILTERS.map((name) => [name, args[name]])
    .filter(([, value]) => value));
  const list = usePages((cursor, signal) => get("v1/events",
    { ...params, data: "short", limit: 50, cursor }, signal), (row) => row.internal_id,
  [JSON.stringify(params)]);
  const before = useRef(null);
  const filtered = Object.keys(params).length > 0;
  // An error of the server begins with the name of what is wrong.
  const field = list.status === 400 && ["name", "id", "q"].find((name) =>
    params[name] && new RegExp(`^${name}\\b`).test(list.error));

  // There is no topic for events: their number is in the figures.
  useFeed(["figures"], (batch, missed) => {
    const events = batch.at(-1)?.events ?? null;

    if (missed || (events !== null && events !== before.current)) {
      list.refresh();
    }
    before.current = events ?? before.current;
  });

  return html`<${Heading} title="Events">
      ${!session.read_only && html`<${Button} kind="main" icon="send"
        onClick=${() => setSending(true)}>Send an event</${Button}>`}
    </${Heading}>
    <${Filters} args=${params} errors=${field ? { [field]: list.error } : {}}
      change=${(next) => replaceArgs("events", next)} />
    ${list.error && !field && html`<${Notice} kind="bad">${
      list.error}</${Notice}>`}
    <${Fresh} list=${list} />
    ${list.rows.length > 0 ? html`<${Table} label="Events" columns=${COLUMNS}
        rows=${list.rows} id=${(row) => row.internal_id} />`
      : list.done && !list.error && (filtered
        ? html`<${Empty} title="No event is like that">Take a part of the
          filter away.</${Empty}>`
        : html`<${Empty} title="No events yet" command=${sendCommand()}>
          An app sends them with its SDK, a provider with a webhook, and
          everybody with a request:</${Empty}>`)}
    <${list.Foot} what="events" />
    ${sending && html`<${SendEvent} close=${() => setSending(false)} />`}`;
}

// ---- one event

const RUNS = [
  { name: "status", title: "Status", kind: "tight",
    cell: (row) => html`<${Status} status=${row.status} />` },
  { name: "function", title: "Function", cell: (row) => html`<${RowLink}
    href=${href(["runs", row.run_id])}><${Cut} text=${row.function} />
    </${RowLink}>` },
  { name: "start", title: "Started", kind: "tight",
    cell: (row) => html`<${Time} at=${row.run_started_at} ms />` },
  { name: "took", title: "Duration", kind: "right num",
    cell: (row) => html`<${Duration} from=${row.run_started_at}
      to=${row.ended_at} />` },
  { name: "id", title: "Run", cell: (row) => html`<code class="dim"><${Cut}
    text=${row.run_id} /></code>` },
];

function Runs({ event }) {
  const runs = useLoad((signal) => get(`v1/events/${part(event)}/runs`, {},
    signal), [event]);
  const rows = runs.data?.data;

  useFeed(["runs"], (batch, missed) => {
    const mine = new Set(rows?.map((row) => row.run_id));

    if (missed || batch.some((m) => mine.has(m.run)
        || m.kind === "run.started" || mine.size === 0)) {
      runs.reload();
    }
  });

  if (runs.error && !rows) {
    return html`<${Notice} kind="bad">${runs.error}</${Notice}>`;
  }
  if (!rows) {
    return null;
  }
  return rows.length > 0
    ? html`<${Table} label="Runs of the event" columns=${RUNS} rows=${rows}
      id=${(row) => row.run_id} />`
    : html`<${Empty} title="It started no function">No function has this
      name as its trigger, or its condition or a limit said no.
      <a href="#/functions">See the functions.</a></${Empty}>`;
}

function Event({ id }) {
  const [sending, setSending] = useState(false);
  const [busy, act] = useAction((error) => toast(error, "bad"));
  const { data, error } = useLoad((signal) => get(`v1/events/${part(id)}`, {},
    signal), [id]);
  const event = data?.data;

  const replay = () => act(async () => {
    const answer = await post(`v1/events/${part(id)}/replay`);

    toast("A copy of the event was accepted.");
    go(["events", answer.data.ids[0]]);
  });

  if (!event) {
    return html`<${Heading} title="Event" above=${html`<${Above} />`} />
      ${error && html`<${Notice} kind="bad">${error}</${Notice}>`}`;
  }

  const copy = { name: event.name, data: event.data };

  if (Object.keys(event.user ?? {}).length > 0) {
    copy.user = event.user;
  }
  return html`<${Heading} title=${event.name} above=${html`<${Above} />`}>
      ${!session.read_only && html`
        <${Button} icon="edited" onClick=${() => setSending(true)}>Edit and
          send</${Button}>
        <${Button} kind="main" icon="again" busy=${busy}
          onClick=${replay}>Replay</${Button}>`}
    </${Heading}>
    <${Facts} rows=${[
      ["Id", html`<${Id} id=${event.internal_id ?? event.id} />`],
      ["Received", html`<${Time} at=${event.received_at} ms full ago focus
        />`],
      event.id !== event.internal_id && ["Id of the sender",
        html`<${Id} id=${event.id} />`],
      ["Time of the event", Math.abs(event.ts - new Date(event.received_at))
        > 1000 && html`<${Time} at=${new Date(event.ts).toISOString()} ms full
        focus />`],
      ["Version", event.v], ["Source", event.source],
    ]} />
    <${Panel} title="Runs" id="runs" kind="flush"><${Runs} event=${id} />
    </${Panel}>
    <${Panel} title="Data" id="data"><${LargeJson} value=${event.data}
      size=${event.data_bytes} link=${`v1/events/${part(id)}`} label="Data"
      pick=${(whole) => whole.data} /></${Panel}>
    ${copy.user && html`<${Panel} title="User" id="user"><${LargeJson}
      value=${event.user} label="User" /></${Panel}>`}
    ${sending && html`<${SendEvent} first=${copy}
      close=${() => setSending(false)} />`}`;
}

function Above() {
  return html`<a class="above" href="#/events">Events</a>`;
}

export default function Events({ names, args }) {
  return names.length > 0 ? html`<${Event} id=${names[0]} />`
    : html`<${List} args=${args} />`;
}
