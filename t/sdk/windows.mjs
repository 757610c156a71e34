// Functions whose events are held back: debounced, and in batches.

const key = "event.data.key";

// What a run got, as its output.
const told = async ({ event, events, run }) =>
  run("told", () => ({
    first: event.data.n ?? null,
    all: events.map((one) => one.data.n ?? null),
  }));

export function windows({ define }) {
  const asked = define("batch-asked", told,
    { batchEvents: { maxSize: 2, timeout: "60s" } });

  return [
    define("debounce", told, { debounce: { period: "1s" } }),

    define("debounce-key", told, { debounce: { period: "1s", key } }),

    define("debounce-timeout", told,
      { debounce: { period: "60s", timeout: "2s" } }),

    define("batch", told, { batchEvents: { maxSize: 2, timeout: "60s" } }),

    define("batch-time", told, { batchEvents: { maxSize: 50,
      timeout: "1s" } }),

    define("batch-key", told, { batchEvents: { maxSize: 2, timeout: "60s",
      key } }),

    define("batch-if", told, { batchEvents: { maxSize: 2, timeout: "60s",
      if: "event.data.n > 0" } }),

    define("batch-large", async ({ events, run }) =>
      run("told", () => events.map((one) => one.data.text.length)),
      { batchEvents: { maxSize: 3, timeout: "60s" } }),

    asked,

    define("batch-asks", async ({ event, step }) =>
      step.invoke("ask", { function: asked, data: { n: event.data.n } })),
  ];
}
