// What a run did when: bars of its steps, and the scale they are drawn on.
// Pure: the run as the API tells it, times in milliseconds.

export const at = (time) => time ? Date.parse(time) : null;

// Whether it failed is in its error, what it does in its state; nothing more
// happens in a run that has ended.
export function stateOf(step, run) {
  if (step.state === "done") {
    return "error" in step ? "failed" : "done";
  }
  if (run.ended_at) {
    return "cancelled";
  }
  if (step.attempts?.at(-1)?.outcome === "retry") {
    return "retry";
  }
  return step.state;
}

const attemptEnd = (attempt) => at(attempt.started_at)
  + (attempt.duration_us ?? 0) / 1000;

function attemptBar(attempt, now) {
  const open = attempt.duration_us === undefined
    || attempt.duration_us === null;

  return { from: at(attempt.started_at), to: open ? now : attemptEnd(attempt),
    kind: attempt.outcome === "ok" ? "good" : open ? "busy" : "bad" };
}

// Bars of a step: { from, to, kind }; kind "rest" is time that nobody works.
export function barsOf(step, now) {
  const bars = (step.attempts ?? []).filter((a) => a.started_at)
    .map((attempt) => attemptBar(attempt, now));
  const from = bars[0]?.from ?? at(step.created_at);
  const end = at(step.ended_at) ?? now;
  const passive = bars.length === 0;

  if (from === null) {
    return [];
  }
  if (passive && ["Sleep", "WaitForEvent", "WaitForSignal",
    "InvokeFunction"].includes(step.op)) {
    return [{ from, to: end, kind: step.op === "InvokeFunction" ? "invoke"
      : "rest" }];
  }
  if (passive) {
    return [{ from, to: end, kind: "error" in step ? "bad"
      : step.ended_at ? "good" : "rest" }];
  }
  if (!step.ended_at) {
    bars.unshift({ from, to: now, kind: "rest" });
  } else if (bars.length > 1 || end - bars[0].to > 1) {
    bars.unshift({ from, to: end, kind: "rest" });
  }
  return bars;
}

export function runBars(run, now) {
  const start = at(run.started_at) ?? now;
  const bars = [{ from: start, to: at(run.ended_at) ?? now, kind: "run" }];

  if (at(run.created_at) < start) {
    bars.push({ from: at(run.created_at), to: start, kind: "rest" });
  }
  return bars.concat((run.attempts ?? []).filter((a) => a.started_at)
    .map((attempt) => attemptBar(attempt, now)));
}

export function lengthOf(step, now = Date.now()) {
  const bars = barsOf(step, now);

  return bars.length === 0 ? null
    : Math.max(...bars.map((bar) => bar.to)) - bars[0].from;
}

// ---- the scale: time as it is, or with the long waits cut short

function busyParts(run, from, to, now) {
  const parts = [...(run.steps ?? []).flatMap((step) => barsOf(step, now)),
    ...runBars(run, now)]
    .filter((bar) => bar.kind === "good" || bar.kind === "bad"
      || bar.kind === "busy")
    .map((bar) => [bar.from, bar.to])
    .sort((a, b) => a[0] - b[0]);
  const union = [];

  for (const [start, end] of parts) {
    const last = union.at(-1);

    if (last && start <= last[1]) {
      last[1] = Math.max(last[1], end);
    } else {
      union.push([start, end]);
    }
  }
  return union;
}

// A list of [time, place] whose gaps are no wider than a 25th of the work.
function shortened(run, from, to, now) {
  const union = busyParts(run, from, to, now);
  const work = union.reduce((sum, [a, b]) => sum + b - a, 0);
  const most = Math.max(work / 25, 1);
  const points = [[from, 0]];
  let place = 0;
  let time = from;

  for (const [start, end] of [...union, [to, to]]) {
    place += Math.min(Math.max(0, start - time), most);
    points.push([start, place]);
    place += Math.max(0, end - start);
    points.push([end, place]);
    time = Math.max(time, end);
  }
  return points;
}

function placeIn(points, time) {
  const i = points.findIndex(([t]) => t >= time);

  if (i <= 0) {
    return i === 0 ? 0 : points.at(-1)[1];
  }
  const [[t0, p0], [t1, p1]] = [points[i - 1], points[i]];
  return t1 === t0 ? p1 : p0 + (p1 - p0) * (time - t0) / (t1 - t0);
}

export function scaleOf(run, now, short) {
  const from = Math.min(at(run.created_at), at(run.started_at) ?? Infinity);
  const to = Math.max(at(run.ended_at) ?? now, from + 1);

  if (!short) {
    return { from, to, place: (time) => 100 * (time - from) / (to - from) };
  }
  const points = shortened(run, from, to, now);
  const whole = Math.max(points.at(-1)[1], 1);

  return { from, to, place: (time) => 100 * placeIn(points, time) / whole };
}

// More than nine tenths of the time nobody works.
export function isMostlyWaiting(run, now) {
  const { from, to } = scaleOf(run, now, false);
  const work = busyParts(run, from, to, now)
    .reduce((sum, [a, b]) => sum + b - a, 0);

  return to - from > 2000 && work < (to - from) / 10;
}
