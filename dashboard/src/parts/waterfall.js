// The steps of a run over time: a row for each with bars for its attempts,
// sleeps and waits.  Of very many only those in view are in the page.

import { html, useEffect, useMemo, useRef, useState }
  from "../../vendor/preact.js";
import { useTick } from "../hooks.js";
import { Icon } from "./icon.js";
import { milliseconds } from "./time.js";
import { at, barsOf, isMostlyWaiting, lengthOf, runBars, scaleOf, stateOf }
  from "./timeline.js";

const ROW = 34;
const ALL = 120;                // as many are simply there
const OVER = 12;                // rows beyond the view

const WORDS = { StepRun: "", StepPlanned: "", Step: "", StepError: "",
  StepFailed: "", Sleep: "sleep", WaitForEvent: "event",
  WaitForSignal: "signal", InvokeFunction: "invoke", Gateway: "fetch",
  AIGateway: "ai" };

export const opWord = (op) => WORDS[op] ?? op;

const WHOLE = { Failed: "failed", Cancelled: "cancelled", Skipped: "skipped" };

const ICONS = { done: "done", failed: "failed", retry: "again",
  running: "running", sleeping: "sleeping", waiting: "waiting",
  planned: "planned", edited: "edited" };

// ---- what is drawn

function Bars({ bars, scale }) {
  return html`<span class="track" aria-hidden="true">${bars.map((bar, i) => {
    const left = Math.max(0, Math.min(100, scale.place(bar.from)));
    const width = Math.max(0, Math.min(100, scale.place(bar.to)) - left);

    return html`<span key=${i} class=${`b ${bar.kind}`} style=${{
      left: `${left.toFixed(2)}%`, width: `${width.toFixed(2)}%` }}></span>`;
  })}</span>`;
}

function Row({ id, name, word, state, bars, scale, length, selected, choose,
  depth }) {
  return html`<li class=${`w-row ${depth}`} data-item>
    <button type="button" data-row data-hash=${id}
      aria-pressed=${selected ? "true" : "false"} onClick=${() => choose(id)}>
      <span class=${`w-name ${state}`}><${Icon} name=${ICONS[state]
        ?? state} /><span class="hidden">${state}: </span><span class="cut"
        title=${name}>${name}</span>${word && html`<span
        class="w-word">${word}</span>`}</span>
      <${Bars} bars=${bars} scale=${scale} />
      <span class="w-time num">${milliseconds(length)}</span>
    </button></li>`;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const TICKS = [1, 2, 5, 10, 20, 50, 100, 200, 500,
  ...[1, 2, 5, 10, 15, 30].map((n) => n * SECOND),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => n * DAY)];

function tick(ms) {
  const [unit, name] = ms < SECOND ? [1, "ms"] : ms < MINUTE ? [SECOND, "s"]
    : ms < HOUR ? [MINUTE, "min"] : ms < DAY ? [HOUR, "h"] : [DAY, "d"];

  return `${Math.round(ms / unit * 10) / 10} ${name}`;
}

// Round times, at most five of them.
function Axis({ scale, short }) {
  const whole = scale.to - scale.from;
  const step = TICKS.find((ms) => whole / ms <= 5) ?? whole;
  const ticks = [];

  for (let ms = step; !short && ms < whole * 0.97; ms += step) {
    ticks.push(ms);
  }
  return html`<div class="w-axis" aria-hidden="true"><span></span>
    <span class="ticks"><span key="0">0</span>${ticks.map((ms) => html`<span
      key=${ms} style=${{ left: `${(100 * ms / whole).toFixed(2)}%` }}>${
      tick(ms)}</span>`)}</span><span></span></div>`;
}

// Which rows are in view: [first, last].
function useWindow(box, n) {
  const [range, setRange] = useState([0, 40]);

  useEffect(() => {
    const element = box.current;

    if (!element || n <= ALL) {
      return undefined;
    }
    const look = () => {
      const first = Math.floor(element.scrollTop / ROW);
      const last = first + Math.ceil(element.clientHeight / ROW);

      setRange(([a, b]) => a === first && b === last ? [a, b]
        : [first, last]);
    };

    look();
    element.addEventListener("scroll", look, { passive: true });
    window.addEventListener("resize", look);
    return () => {
      element.removeEventListener("scroll", look);
      window.removeEventListener("resize", look);
    };
  }, [n > ALL]);

  return n <= ALL ? [0, n] : [Math.max(0, range[0] - OVER),
    Math.min(n, range[1] + OVER)];
}

function useNow(ended, offset) {
  const live = ended === null;
  const tick = useTick();

  useEffect(() => {
    if (!live) {
      return undefined;
    }
    const timer = setInterval(() => {
      if (!document.hidden) {
        tick();
      }
    }, 500);
    return () => clearInterval(timer);
  }, [live]);

  return live ? Date.now() + offset : ended;
}

// offset: the clock of the server less ours, in ms.
export function Waterfall({ run, selected, choose, offset = 0, find }) {
  const box = useRef(null);
  const live = !run.ended_at;
  const now = useNow(at(run.ended_at), offset);
  const waits = useMemo(() => isMostlyWaiting(run, now), [run]);
  const [short, setShort] = useState(null);
  const isShort = short ?? false;
  const scale = useMemo(() => scaleOf(run, now, isShort),
    [run, isShort, live ? now : 0]);
  const word = (find ?? "").toLowerCase();
  const steps = useMemo(() => (run.steps ?? []).filter((step) =>
    word === "" || String(step.id).toLowerCase().includes(word)),
  [run, word]);
  const [first, last] = useWindow(box, steps.length);
  const whole = scale.to - scale.from;

  return html`<div class="waterfall">
    ${waits && html`<p class="w-tools"><button type="button" class="more"
      aria-pressed=${isShort ? "true" : "false"}
      onClick=${() => setShort(!isShort)}>${isShort ? "Show time as it is"
      : "Cut waiting time short"}</button></p>`}
    <${Axis} scale=${scale} short=${isShort} />
    <ol class="w-rows"><${Row} id="" name="The whole run" depth="whole"
      state=${run.ended_at ? WHOLE[run.status] ?? "done" : "running"}
      bars=${runBars(run, now)} scale=${scale} length=${whole}
      selected=${!selected} choose=${choose} /></ol>
    <ol class=${steps.length > ALL ? "w-rows many" : "w-rows"} ref=${box}
      aria-label="Steps" tabindex=${steps.length > ALL ? "0" : null}>
      ${first > 0 && html`<li key="before" aria-hidden="true" style=${{
        height: `${first * ROW}px` }}></li>`}
      ${steps.slice(first, last).map((step) => html`<${Row}
        key=${step.hashed_id} id=${step.hashed_id} name=${String(step.id)}
        word=${opWord(step.op)} state=${stateOf(step, run)}
        bars=${barsOf(step, now)} scale=${scale} length=${lengthOf(step,
        now)} selected=${selected === step.hashed_id} choose=${choose} />`)}
      ${last < steps.length && html`<li key="after" aria-hidden="true"
        style=${{ height: `${(steps.length - last) * ROW}px` }}></li>`}
    </ol>
    ${steps.length === 0 && html`<p class="dim w-none">${word
      ? "No step has this in its name." : live ? "No step yet."
      : "It has no steps."}</p>`}
  </div>`;
}
