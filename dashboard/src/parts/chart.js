// Charts: a line of a few pixels for lists, and uPlot for pages.

import { html, useEffect, useRef } from "../../vendor/preact.js";
import { clock, timeText } from "./time.js";

const WIDE = 120;
const HIGH = 24;

// values from old to new; second is drawn over it in the colour of failures.
export function Spark({ values, second, label }) {
  const top = Math.max(1, ...values);
  const x = (i) => (i * WIDE / Math.max(1, values.length - 1)).toFixed(1);
  const y = (v) => (HIGH - 1 - v / top * (HIGH - 2)).toFixed(1);
  const line = (list) => list.map((v, i) =>
    `${i ? "L" : "M"}${x(i)} ${y(v)}`).join("");

  if (values.length < 2) {
    return null;
  }
  return html`<svg class="spark" viewBox=${`0 0 ${WIDE} ${HIGH}`} role="img"
    aria-label=${label} preserveAspectRatio="none">
    <path class="area" d=${`${line(values)}L${WIDE} ${HIGH}L0 ${HIGH}Z`} />
    <path class="line" d=${line(values)} />
    ${second?.some((v) => v > 0) && html`<path class="line bad"
      d=${line(second)} />`}
  </svg>`;
}

const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function axis(extra) {
  const grid = { stroke: colour("--line"), width: 1 };

  return { stroke: colour("--dim"), grid, ticks: grid,
    font: "11px system-ui, sans-serif", ...extra };
}

// 20:31, with seconds where a minute is much.
function instants(u, list) {
  const end = u.scales.x.max - u.scales.x.min < 300 ? 8 : 5;

  return list.map((at) => timeText(at * 1000, { ms: true })
    .replace(/^.* /, "").slice(0, end));
}

// One point alone is the end of a minute.
const wide = (u, from, to) => to - from < 60 ? [to - 60, to] : [from, to];

function options(series, width, height, value) {
  const one = (v) => v === null || v === undefined ? ""
    : value ? value(v) : String(v);

  return {
    width, height,
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false, range: wide },
      y: { range: (u, low, high) => [0, Math.max(1, high * 1.1)] } },
    axes: [axis({ values: instants, space: 70 }), axis({ size: 58,
      values: (u, list) => list.map((v) => Number.isInteger(v) || value
        ? one(v) : "") })],
    series: [{ label: "time", value: (u, at) => at === null ? ""
      : timeText(at * 1000, { ms: true }).slice(0, -4) },
    ...series.map(({ label, token, fill }) => ({
      label, stroke: colour(token), width: 2,
      fill: fill ? `color-mix(in srgb, ${colour(token)} 18%, transparent)`
        : undefined,
      points: { show: false },
      value: (u, v) => one(v),
    }))],
  };
}

let library = null;

function load() {
  if (!library) {
    const style = document.createElement("link");

    style.rel = "stylesheet";
    style.href = "vendor/uplot.css";
    document.head.append(style);
    library = import("../../vendor/uplot.js").then((module) =>
      module.default);
  }
  return library;
}

// <Chart data=${[times, values, ..]} series=${[{ label, token, fill }]} />;
// times in seconds, value(v) writes a number.
export function Chart({ data, series, height = 180, label, value }) {
  const root = useRef(null);
  const state = useRef({});

  state.current.data = data;

  useEffect(() => {
    const own = state.current;
    const make = () => load().then((UPlot) => {
      if (!root.current) {
        return;
      }
      own.plot?.destroy();
      own.plot = new UPlot(options(series, root.current.clientWidth, height,
        value), own.data, root.current);
    });
    const fit = new ResizeObserver(() => own.plot && root.current
      && own.plot.width !== root.current.clientWidth
      && own.plot.setSize({ width: root.current.clientWidth, height }));
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const themes = new MutationObserver(make);

    make();
    fit.observe(root.current);
    scheme.addEventListener("change", make);
    themes.observe(document.documentElement, { attributes: true,
      attributeFilter: ["data-theme"] });
    const off = clock.watch(make);

    return () => {
      off();
      fit.disconnect();
      themes.disconnect();
      scheme.removeEventListener("change", make);
      own.plot?.destroy();
      own.plot = null;
    };
  }, [height]);

  useEffect(() => {
    state.current.plot?.setData(data);
  }, [data]);

  return html`<div class="chart" ref=${root} role="img"
    aria-label=${label}></div>`;
}

// A number that matters, with its name.
export function Stat({ name, value, note, kind }) {
  return html`<div class=${`stat ${kind ?? ""}`}><dt>${name}</dt>
    <dd>${value ?? "–"}${note && html`<small>${note}</small>`}</dd></div>`;
}

export function Stats({ children, label }) {
  return html`<dl class="stats" aria-label=${label}>${children}</dl>`;
}
