// What the configuration of a function says, in a few words.

const list = (value) => value === undefined || value === null ? []
  : Array.isArray(value) ? value : [value];

// [{ text, kind, title }]
export function triggers(config) {
  return list(config?.triggers).map(({ event, cron, expression }) => event
    ? { text: event, kind: "event",
      title: expression ? `${event} if ${expression}` : event }
    : { text: cron, kind: "cron", title: `schedule ${cron}` });
}

const each = (key) => key ? ` for each ${key}` : "";

function concurrency(config) {
  return list(config.concurrency).map((c) => {
    const { limit, key, scope } = typeof c === "number" ? { limit: c } : c;
    const where = scope && scope !== "fn" ? `, shared in the ${scope}` : "";

    return { text: `${limit} at a time${key ? " per key" : ""}`,
      title: `at most ${limit} at a time${each(key)}${where}` };
  });
}

const PACE = [
  ["throttle", "throttle", "at most"], ["rateLimit", "rate limit", "only"],
];

function pace(config) {
  return PACE.filter(([name]) => config[name]).map(([name, short, word]) => {
    const { limit, period, key, burst } = config[name];

    return { text: `${short} ${limit}/${period}`,
      title: `${short}: ${word} ${limit} in ${period}${each(key)}${
        burst ? `, ${burst} more at once` : ""}` };
  });
}

function windows(config) {
  const { debounce, eventsTimeout, batchEvents, singleton } = config;
  const batch = batchEvents ?? eventsTimeout;

  return [
    debounce && { text: `debounce ${debounce.period}`,
      title: `starts ${debounce.period} after the last event${
        each(debounce.key)}` },
    batch && { text: `batch ${batch.maxSize}`,
      title: `up to ${batch.maxSize} events in a run, or after ${
        batch.timeout}${each(batch.key)}` },
    singleton && { text: "singleton",
      title: `one run at a time${each(singleton.key)}: ${singleton.mode}` },
  ].filter(Boolean);
}

function rest(config) {
  const retries = config.steps?.step?.retries?.attempts;
  const { priority, idempotency, cancel, timeouts } = config;

  return [
    retries !== undefined && { text: retries === 0 ? "no retries"
      : `${retries} retries`,
    title: retries === 0 ? "no step is tried again"
      : `a step is tried ${retries + 1} times at most` },
    priority?.run && { text: "priority", title: `priority: ${priority.run}` },
    idempotency && { text: "idempotent",
      title: `once for each ${idempotency}` },
    list(cancel).length > 0 && { text: "cancelled by events",
      title: `cancelled by ${list(cancel).map((c) => c.event).join(", ")}` },
    timeouts?.start && { text: `starts in ${timeouts.start}`,
      title: `cancelled when it has not begun after ${timeouts.start}` },
    timeouts?.finish && { text: `ends in ${timeouts.finish}`,
      title: `cancelled when it has not ended after ${timeouts.finish}` },
  ].filter(Boolean);
}

export function limits(config) {
  return config ? [...concurrency(config), ...pace(config),
    ...windows(config), ...rest(config)] : [];
}

// True when runs of it may have to wait for one another.
export function mayWait(config) {
  return Boolean(config?.concurrency || config?.throttle);
}
