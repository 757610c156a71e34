// One function: how it does, what waits, its last runs, its configuration;
// invoke, pause and resume.

import { html, useState } from "../../vendor/preact.js";
import { get, part, post, session } from "../api.js";
import { go, href, replaceArgs, useAction, useFeed, useInterval, useLoad }
  from "../hooks.js";
import { Button, Cut, Empty, Facts, Heading, Id, Notice, Panel, Select, Tag }
  from "../parts/basic.js";
import { Chart, Stat, Stats } from "../parts/chart.js";
import { Confirm, Dialog } from "../parts/dialog.js";
import { limits, triggers } from "../parts/function.js";
import { Json, JsonEditor, check, pretty } from "../parts/json.js";
import { Status } from "../parts/status.js";
import { RowLink, Table } from "../parts/table.js";
import { Duration, Time, count, milliseconds } from "../parts/time.js";
import { toast } from "../parts/toast.js";
import { Sampled, WINDOWS, percent, rate, useFigures } from "./functions.js";

// ---- actions

// What last started it, for a beginning.
async function last(config, signal) {
  const name = triggers(config).find(({ kind }) => kind === "event")?.text;

  if (!name) {
    return {};
  }
  const { data } = await get("v1/events", { name, limit: 1 }, signal);

  return data[0]?.data ?? {};
}

function Invoke({ slug, config, close }) {
  const [typed, setText] = useState(null);
  const example = useLoad((signal) => last(config, signal), [slug]);
  const text = typed ?? pretty({ data: example.data ?? {} });
  const [error, setError] = useState(null);
  const [busy, act] = useAction(setError);
  const checked = check(text);

  const invoke = (event) => {
    event?.preventDefault();
    act(async () => {
      const { data } = await post(`invoke/${part(slug)}`, text);

      close();
      if (data.run_id) {
        go(["runs", data.run_id]);
      } else {
        toast("Nothing was started: a limit of the function says no, or this "
          + "id has started a run before.");
      }
    });
  };
  const keys = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)
        && !checked.error) {
      invoke(event);
    }
  };

  return html`<${Dialog} title="Invoke the function" close=${close} wide>
    <form onSubmit=${invoke} onKeyDown=${keys}>
      <${JsonEditor} id="invoke" label="Event: data, user, v, ts, id"
        text=${text} rows=${12} error=${error} change=${(next) => {
          setText(next);
          setError(null);
        }} />
      <div class="actions end"><span class="dim grow">Ctrl+Enter
        invokes</span>
        <${Button} onClick=${close}>Back</${Button}>
        <${Button} kind="main" type="submit" icon="play" busy=${busy}
          disabled=${Boolean(checked.error)}>Invoke</${Button}></div>
    </form>
  </${Dialog}>`;
}

function Actions({ row, changed }) {
  const [asked, setAsked] = useState(null);
  const [error, setError] = useState(null);
  const [busy, act] = useAction(setError);
  const close = () => {
    setAsked(null);
    setError(null);
  };
  const switchTo = (word) => act(async () => {
    await post(`v1/functions/${part(row.id)}/${word}`);
    toast(word === "pause" ? "The function is paused."
      : "The function goes on.");
    close();
    changed();
  });

  if (session.read_only || row.archived_at) {
    return null;
  }
  return html`
    <${Button} icon=${row.paused ? "play" : "paused"} busy=${busy}
      onClick=${() => row.paused ? switchTo("resume")
        : setAsked("pause")}>${row.paused ? "Resume" : "Pause"}</${Button}>
    <${Button} kind="main" icon="play"
      onClick=${() => setAsked("invoke")}>Invoke</${Button}>
    ${asked === "invoke" && html`<${Invoke} slug=${row.id}
      config=${row.config} close=${close} />`}
    ${asked === "pause" && html`<${Confirm} title="Pause this function?"
      action="Pause" busy=${busy} error=${error} close=${close}
      accept=${() => switchTo("pause")}>
      <p>New events start runs with the status Skipped. Runs that are under
        way wait where they are until it is resumed.</p></${Confirm}>`}
    ${error && asked === null && html`<p class="bad"
      role="alert">${error}</p>`}`;
}

// ---- figures

function Figures({ slug, window, change }) {
  const { figures, error } = useFigures(window);
  const f = figures?.functions?.find((one) => one.function === slug);
  const series = f?.series ?? [];

  return html`<${Panel} title="Figures" id="figures" actions=${html`<${Select}
      label="Of the last" value=${window} options=${WINDOWS}
      change=${change} />`}>
    ${f ? html`<${Stats} label="Figures">
        <${Stat} name="Started" value=${count(f.started)}
          note=${`${rate(f.per_minute)} a minute`} />
        <${Stat} name="Running" value=${count(f.running)} />
        <${Stat} name="Failed" value=${percent(f.failure_share)}
          kind=${f.failure_share > 0.1 ? "bad" : ""}
          note=${`${count(f.failed)} of ${
            count(f.completed + f.failed)}`} />
        <${Stat} name="p50" value=${milliseconds(f.p50_ms)} />
        <${Stat} name="p95" value=${milliseconds(f.p95_ms)} />
        <${Stat} name="p99" value=${milliseconds(f.p99_ms)} />
      </${Stats}>
      <${Chart} label=${`Runs in the window: ${f.started} started, ${
        f.failed} failed`} data=${[0, 1, 2].map((i) =>
          series.map((p) => p[i]))}
        series=${[{ label: "started", token: "--accent", fill: true },
          { label: "failed", token: "--bad" }]} />`
      : figures && html`<p class="dim">No run in this window.</p>`}
    <${Sampled} figures=${figures} error=${error} />
  </${Panel}>`;
}

// ---- what waits

const KEYS = [
  { name: "scope", title: "Limit", cell: (row) => row.scope },
  { name: "key", title: "Value of the key", cell: (row) => html`<code>${
    row.key_hash}</code>` },
  { name: "waiting", title: "Waiting", kind: "right num",
    cell: (row) => `${count(row.waiting)}${row.at_least ? "+" : ""}` },
  { name: "use", title: "In use", kind: "right num",
    cell: (row) => count(row.in_use) },
  { name: "oldest", title: "Oldest", kind: "tight",
    cell: (row) => html`<${Time} at=${row.oldest_at} ago />` },
];

export function KeyTable({ keys }) {
  return keys?.length > 0 ? html`<${Table} label="Keys that wait most"
    columns=${KEYS} rows=${keys} id=${(row) => `${row.scope} ${
      row.key_hash}`} />` : null;
}

function Waiting({ slug }) {
  const load = useLoad((signal) => get(`v1/functions/${part(slug)}/queue`, {},
    signal), [slug]);
  const q = load.data?.data;

  useInterval(load.reload, 3000);

  if (!q) {
    return load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`;
  }
  const more = q.at_least ? "+" : "";

  return html`<${Stats} label="What waits">
      <${Stat} name="Ready" value=${`${count(q.ready)}${more}`}
        note=${q.oldest_ready_at && html`oldest <${Time}
          at=${q.oldest_ready_at} ago />`} />
      <${Stat} name="With the app" value=${`${count(q.leased)}${more}`} />
      <${Stat} name="Held by limits" value=${count(q.blocked)} />
    </${Stats}>
    <${KeyTable} keys=${q.keys} />`;
}

// ---- runs

const RUNS = [
  { name: "status", title: "Status", kind: "tight",
    cell: (row) => html`<${Status} status=${row.status} />` },
  { name: "run", title: "Run", cell: (row) => html`<${RowLink}
    href=${href(["runs", row.run_id])}><code><${Cut}
    text=${row.run_id} /></code></${RowLink}>` },
  { name: "event", title: "Event", cell: (row) => html`<${Cut}
    text=${row.event_name} />` },
  { name: "start", title: "Started", kind: "tight",
    cell: (row) => html`<${Time} at=${row.run_started_at} ms />` },
  { name: "took", title: "Duration", kind: "right num",
    cell: (row) => html`<${Duration} from=${row.run_started_at}
      to=${row.ended_at} />` },
  { name: "error", title: "Error",
    cell: (row) => html`<${Cut} text=${row.error} />` },
];

function LastRuns({ slug }) {
  const load = useLoad((signal) => get("v1/runs", { function: slug,
    limit: 10 }, signal), [slug]);
  const rows = load.data?.data;

  useFeed(["runs"], (batch, missed) => {
    if (missed || batch.some((m) => m.function === slug)) {
      load.reload();
    }
  });

  return html`<${Panel} title="Last runs" id="runs" kind="flush"
    actions=${html`<a href=${href("runs", { function: slug })}>All runs</a>`}>
    ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}
    ${rows?.length > 0 && html`<${Table} label="Last runs" columns=${RUNS}
      rows=${rows} id=${(row) => row.run_id} />`}
    ${rows?.length === 0 && html`<${Empty} title="It has not run yet">Send an
      event that triggers it, or invoke it.</${Empty}>`}
  </${Panel}>`;
}

// ---- the page

// The one function; a server that has no route for one has the list.
async function one(slug, signal) {
  try {
    return (await get(`v1/functions/${part(slug)}`, {}, signal)).data;
  } catch (error) {
    if (error.status !== 404) {
      throw error;
    }
    const { data } = await get("v1/functions", {}, signal);
    const row = data.find((f) => f.id === slug || f.internal_id === slug);

    if (!row) {
      throw error;
    }
    return row;
  }
}

const Tags = ({ of }) => of.length > 0 && html`<span class="tags">${
  of.map(({ text, title, kind }) => html`<${Tag} key=${title} kind=${kind}
    title=${title}>${title ?? text}</${Tag}>`)}</span>`;

export function FunctionPage({ slug, args }) {
  const load = useLoad((signal) => one(slug, signal), [slug]);
  const row = load.data;
  const above = html`<a class="above" href="#/functions">Functions</a>`;

  useFeed(["apps"], () => load.reload());
  useInterval(load.reload, 5000);

  if (!row) {
    return html`<${Heading} title="Function" above=${above} />
      ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}`;
  }
  return html`<${Heading} title=${row.name} above=${above}>
      <${Actions} row=${row} changed=${() => load.reload(true)} />
    </${Heading}>
    ${row.paused && html`<${Notice} kind="warn">This function is paused: its
      events start nothing, and its runs wait.</${Notice}>`}
    ${row.archived_at && html`<${Notice}>This function was removed <${Time}
      at=${row.archived_at} ago />.</${Notice}>`}
    <${Facts} rows=${[
      ["Slug", html`<${Id} id=${row.id} />`],
      ["App", html`<a href=${href("functions", { app: row.app })}>${
        row.app}</a>`],
      ["Triggers", html`<${Tags} of=${triggers(row.config)} />`],
      ["Limits", limits(row.config).length > 0 && html`<${Tags}
        of=${limits(row.config)} />`],
      ["Next run", row.next_run_at && html`<${Time} at=${row.next_run_at} full
        ago focus />`],
      ["Version", row.version],
    ]} />
    <${Figures} slug=${row.id} window=${args.window ?? "1h"}
      change=${(window) => replaceArgs(["functions", slug],
        { ...args, window })} />
    <${Panel} title="Waiting" id="waiting"><${Waiting} slug=${row.id} />
    </${Panel}>
    <${LastRuns} slug=${row.id} />
    <${Panel} title="Configuration" id="config"><${Json} value=${row.config}
      label="Configuration" open=${1} /></${Panel}>`;
}
