// One run: what it is, its steps over time, the one that is chosen, its event
// and its result; live.

import { html, useEffect, useState } from "../../vendor/preact.js";
import { del, get, part, session } from "../api.js";
import { replaceArgs, useAction, useFeed, useLoad } from "../hooks.js";
import { Button, Facts, Field, Heading, Id, Notice, Panel }
  from "../parts/basic.js";
import { Confirm } from "../parts/dialog.js";
import { LargeJson } from "../parts/json.js";
import { Status } from "../parts/status.js";
import { AttemptList, Attempts, LargeError, Rerun, StepDetails }
  from "../parts/step.js";
import { Tabs } from "../parts/tabs.js";
import { Duration, Time, count } from "../parts/time.js";
import { toast } from "../parts/toast.js";
import { Waiting } from "../parts/waiting.js";
import { Waterfall } from "../parts/waterfall.js";

const runLink = (id) => id && html`<a href=${`#/runs/${id}`}>…${
  id.slice(-8)}</a>`;

function Events({ run }) {
  const ids = run.event_ids ?? [];

  return html`${ids.slice(0, 3).map((id, i) => html`${i > 0 && ", "}<a key=${
    id} href=${`#/events/${id}`}>…${id.slice(-8)}</a>`)}${run.events > 3
    && html` and ${count(run.events - 3)} more`}`;
}

function Head({ run }) {
  return html`<div class="run-head"><${Facts} rows=${[
    ["Function", html`<a href=${`#/functions/${
      encodeURIComponent(run.function)}`}>${run.function}</a>`],
    ["App", run.app && html`<a href=${`#/apps?name=${
      encodeURIComponent(run.app)}`}>${run.app}</a>`],
    [run.events > 1 ? `Events (${count(run.events)})` : "Event",
      run.event_ids?.length > 0 && html`<${Events} run=${run} />`],
    ["Started", html`<${Time} at=${run.started_at ?? run.created_at} ms ago
      focus />`],
    ["Ended", run.ended_at && html`<${Time} at=${run.ended_at} ms focus />`],
    ["Duration", html`<${Duration} from=${run.created_at}
      to=${run.ended_at} />`],
    ["Next", !run.ended_at && run.next_at && html`<${Time} at=${run.next_at}
      ago focus />`],
    ["Deadline", run.deadline_at && html`<${Time} at=${run.deadline_at} ago
      focus />`],
    ["Invoked by", runLink(run.parent_run_id)],
    ["Runs again", runLink(run.original_run_id)],
    ["Run", html`<${Id} id=${run.run_id} />`],
  ]} /></div>`;
}

// ---- what can be done

function Cancel({ run, close, done }) {
  const [error, setError] = useState(null);
  const [busy, act] = useAction(setError);
  const cancel = () => act(async () => {
    await del(`v1/runs/${part(run.run_id)}`);
    toast("The run is cancelled.");
    done();
  });

  return html`<${Confirm} title="Cancel this run?" action="Cancel the run"
    danger close=${close} accept=${cancel} busy=${busy} error=${error}>
    <p>What its steps have done stays done; the rest does not happen.</p>
  </${Confirm}>`;
}

function Actions({ run, reload }) {
  const [asks, setAsks] = useState(null);
  const close = () => setAsks(null);

  if (session.read_only) {
    return null;
  }
  return html`<${Button} icon="again" onClick=${() => setAsks("rerun")}
      >Rerun</${Button}>
    ${!run.ended_at && html`<${Button} icon="cancelled" kind="danger"
      onClick=${() => setAsks("cancel")}>Cancel</${Button}>`}
    ${asks === "rerun" && html`<${Rerun} run=${run} close=${close} />`}
    ${asks === "cancel" && html`<${Cancel} run=${run} close=${close}
      done=${() => {
        close();
        reload(true);
      }} />`}`;
}

// ---- the run as a whole

function Trigger({ run }) {
  const id = run.event_ids?.[0];
  const load = useLoad(async (signal) => id
    ? (await get(`v1/events/${part(id)}`, {}, signal)).data : null, [id]);
  const event = load.data;

  if (!id) {
    return null;
  }
  return html`<h3>${run.events > 1 ? `The first of ${count(run.events)} events`
    : "Event"} <a class="aside" href=${`#/events/${id}`}>${event?.name
      ?? "show"}</a></h3>
    ${load.error && html`<p class="dim">${load.status === 404
      ? "Retention has deleted it." : load.error}</p>`}
    ${event && html`<${LargeJson} value=${event.data} label="Event"
      size=${event.data_bytes} link=${`/v1/events/${id}`}
      pick=${(data) => data.data} />`}`;
}

function Whole({ run }) {
  return html`<${Panel} id="whole" title="The whole run">
    ${(run.error || run.error_bytes > 0) && html`<h3>Error</h3><${LargeError}
      value=${run.error} size=${run.error_bytes} link=${run.link}
      pick=${(data) => data?.output ?? data} />`}
    ${run.status === "Completed" && html`<h3>Output</h3><${LargeJson}
      value=${run.output} size=${run.output_bytes} label="Output"
      link=${run.link ?? `/v1/runs/${run.run_id}`}
      pick=${(data) => data?.output ?? null} />`}
    <${Trigger} run=${run} />
    ${run.attempts?.length > 0 && html`<details class="calls">
      <summary>Calls that brought no step (${count(run.attempts.length)
      })</summary><${AttemptList}
      rows=${run.attempts.slice(0, 100)} /></details>`}
  </${Panel}>`;
}

function History({ run }) {
  const load = useLoad(async (signal) => (await get(
    `v1/runs/${part(run.run_id)}/history`, {}, signal)).data,
  [run.run_id, run]);
  const [limit, setLimit] = useState(200);
  const rows = load.data ?? [];

  return html`${load.error && html`<${Notice} kind="bad">${load.error
    }</${Notice}>`}
    ${rows.length > 0 && html`<${Attempts} rows=${rows.slice(0, limit)}
      label="History" />`}
    ${rows.length > limit && html`<div class="foot"><${Button}
      onClick=${() => setLimit(limit + 1000)}>${count(rows.length - limit)
      } more</${Button}></div>`}
    ${load.data && rows.length === 0 && html`<p class="dim">The app has not
      been called yet.</p>`}`;
}

function Steps({ run, args, offset }) {
  const [find, setFind] = useState("");
  const step = run.steps.find(({ hashed_id: id }) => id === args.step);

  const choose = (id) => {
    replaceArgs(["runs", run.run_id], { ...args, step: id });
    if (matchMedia("(max-width: 1100px)").matches) {
      requestAnimationFrame(() => document.querySelector(".details")
        ?.scrollIntoView({ block: "nearest" }));
    }
  };

  return html`<div class="run-parts">
    <${Panel} id="steps" title=${`Steps${run.steps.length
      ? ` (${count(run.steps.length)})` : ""}`}
      actions=${run.steps.length > 20 && html`<div data-filter><${Field}
        label="Find" value=${find} change=${setFind} wait=${120} /></div>`}>
      <${Waterfall} run=${run} find=${find} selected=${step?.hashed_id}
        choose=${choose} offset=${offset} />
    </${Panel}>
    <div class="details">${step ? html`<${StepDetails} key=${step.hashed_id}
      run=${run} step=${step} />` : html`<${Whole} run=${run} />`}</div>
  </div>`;
}

const TABS = [["steps", "Steps"], ["history", "History"]];

export default function Run({ id, args }) {
  const load = useLoad(async (signal) => {
    const { data, metadata } = await get(`v1/runs/${part(id)}/tree`, {},
      signal);

    return { run: data, offset: metadata.fetched_at
      ? Date.parse(metadata.fetched_at) - Date.now() : 0 };
  }, [id]);
  const { run, offset } = load.data ?? {};
  const tab = args.tab === "history" ? "history" : "steps";

  useFeed(["steps", "runs"], (batch, missed) => {
    if (missed || batch.some((message) => message.run === id)) {
      load.reload();
    }
  });
  // what nobody tells: a limit that is free, a probe, a later attempt
  useEffect(() => {
    if (!run || run.ended_at) {
      return undefined;
    }
    const timer = setInterval(() => document.hidden || load.reload(), 5000);
    return () => clearInterval(timer);
  }, [Boolean(run), run?.ended_at]);

  const above = html`<p class="above"><a href="#/runs">Runs</a></p>`;

  if (!run) {
    return html`<${Heading} title="Run" above=${above} />${load.error
      && html`<${Notice} kind="bad">${load.error}</${Notice}>`}`;
  }
  return html`<${Heading} title=${run.function_name ?? run.function}
      above=${above}><${Status} status=${run.status} /><${Actions} run=${run}
      reload=${load.reload} /></${Heading}>
    ${load.error && html`<${Notice} kind="bad">${load.error}</${Notice}>`}
    ${run.incomplete && html`<${Notice} kind="warn">Retention has begun to
      delete this run: some of it is gone.</${Notice}>`}
    ${run.truncated && html`<${Notice}>It has more attempts than are
      shown.</${Notice}>`}
    <${Head} run=${run} />
    ${!run.ended_at && html`<div class="why"><${Waiting} run=${id}
      items=${run.waiting} /></div>`}
    <${Tabs} label="Of the run" tabs=${TABS} value=${tab}
      change=${(next) => replaceArgs(["runs", id], { ...args,
        tab: next === "steps" ? "" : next })} />
    <div id="tab-panel" role="tabpanel" aria-labelledby=${`tab-${tab}`}>
      ${tab === "steps" ? html`<${Steps} run=${run} args=${args}
        offset=${offset} />` : html`<${History} run=${run} />`}
    </div>`;
}
