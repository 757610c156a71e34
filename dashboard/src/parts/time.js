// Times: local or UTC by choice, the other at the pointer; durations; sizes.

import { html, useEffect } from "../../vendor/preact.js";
import { useTick } from "../hooks.js";

const watchers = new Set();

export const clock = {
  utc: false,
  toggle() {
    clock.utc = !clock.utc;
    try {
      localStorage.setItem("durable.clock", clock.utc ? "utc" : "local");
    } catch {
      // without storage it is for this page
    }
    watchers.forEach((watcher) => watcher());
  },
  watch(watcher) {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
};

try {
  clock.utc = localStorage.getItem("durable.clock") === "utc";
} catch {
  // see above
}

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
  "Oct", "Nov", "Dec"];

const two = (n) => String(n).padStart(2, "0");

function fields(date, utc) {
  return utc
    ? [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(),
      date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds(),
      date.getUTCMilliseconds()]
    : [date.getFullYear(), date.getMonth(), date.getDate(), date.getHours(),
      date.getMinutes(), date.getSeconds(), date.getMilliseconds()];
}

// "20:31:05", "20:31:05.042" or "21 Nov 20:31" for a day that is not today's.
export function timeText(value, options = {}) {
  const date = new Date(value);

  if (Number.isNaN(date.getTime())) {
    return String(value);
  }
  const [year, month, day, hour, minute, second, ms]
    = fields(date, options.utc ?? clock.utc);
  const now = fields(new Date(), options.utc ?? clock.utc);
  const today = now[0] === year && now[1] === month && now[2] === day;
  const exact = `${two(hour)}:${two(minute)}:${two(second)}`
    + (options.ms ? `.${String(ms).padStart(3, "0")}` : "");

  if (options.full) {
    return `${day} ${MONTHS[month]} ${year} ${exact}`;
  }
  if (today) {
    return exact;
  }
  return `${day} ${MONTHS[month]} ${year === now[0] ? "" : `${year} `}`
    + (options.ms ? exact : `${two(hour)}:${two(minute)}`);
}

function relative(value, now = Date.now()) {
  const s = Math.round((new Date(value).getTime() - now) / 1000);
  const ago = (text) => s > 0 ? `in ${text}` : `${text} ago`;
  const n = Math.abs(s);

  if (n < 2) {
    return "now";
  }
  if (n < 90) {
    return ago(`${n} s`);
  }
  if (n < 5400) {
    return ago(`${Math.round(n / 60)} min`);
  }
  if (n < 129600) {
    return ago(`${Math.round(n / 3600)} h`);
  }
  return ago(`${Math.round(n / 86400)} d`);
}

export function milliseconds(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) {
    return "";
  }
  if (ms <= 0) {
    return "0 ms";
  }
  if (ms < 1) {
    return `${Math.round(ms * 1000)} µs`;
  }
  if (ms < 1000) {
    return `${Math.round(ms)} ms`;
  }
  if (ms < 10000) {
    return `${(ms / 1000).toFixed(2)} s`;
  }
  if (ms < 60000) {
    return `${(ms / 1000).toFixed(1)} s`;
  }
  const s = Math.round(ms / 1000);

  if (s < 3600) {
    return `${Math.floor(s / 60)} min ${s % 60} s`;
  }
  if (s < 86400) {
    return `${Math.floor(s / 3600)} h ${Math.floor(s / 60) % 60} min`;
  }
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
}

export function bytes(n) {
  if (n === null || n === undefined) {
    return "";
  }
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;

  while (n >= 1024 && i < units.length - 1) {
    n /= 1024;
    i++;
  }
  return i === 0 ? `${n} bytes`
    : `${n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

// 12345 -> "12,345"
export function count(n) {
  return n === null || n === undefined ? "" : Number(n).toLocaleString("en");
}

// <Time at="2026-.." /> relative=${true} adds how long ago; ms=${true} shows
// milliseconds; full=${true} the date.  A time that is focused, or under the
// pointer, shows the other clock.
export function Time({ at, ms, full, ago, focus }) {
  const tick = useTick();

  useEffect(() => {
    if (!ago) {
      return undefined;
    }
    const timer = setInterval(() => {
      if (!document.hidden) {
        tick();
      }
    }, 5000);
    return () => clearInterval(timer);
  }, [ago]);

  if (!at) {
    return null;
  }
  const other = `${timeText(at, { utc: !clock.utc, full: true, ms: true })} `
    + (clock.utc ? "local" : "UTC");

  return html`<time datetime=${at} title=${other}
    tabindex=${focus ? "0" : null} data-other=${other}
    class=${focus ? "time focus" : "time"}>${timeText(at, { ms, full })
    }${ago ? html`<span class="dim"> · ${relative(at)}</span>` : null}</time>`;
}

// Of something that may still go on.
export function Duration({ from, to, ms }) {
  const tick = useTick();
  const open = from && !to && ms === undefined;

  useEffect(() => {
    if (!open) {
      return undefined;
    }
    const timer = setInterval(() => {
      if (!document.hidden) {
        tick();
      }
    }, 1000);
    return () => clearInterval(timer);
  }, [open]);

  if (ms !== undefined && ms !== null) {
    return html`<span class="num">${milliseconds(ms)}</span>`;
  }
  if (!from) {
    return null;
  }
  const end = to ? new Date(to).getTime() : Date.now();
  const length = end - new Date(from).getTime();

  return html`<span class="num">${open ? milliseconds(Math.max(0,
    Math.floor(length / 1000) * 1000)).replace(/^0 ms$/, "0 s")
    : milliseconds(length)}</span>`;
}
