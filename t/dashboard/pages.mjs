// The pages one by one: what they weigh, how soon they are there, whether
// they can be read by everybody, and by the keyboard alone.  Pictures of all
// of them are in build/screenshots.

import { readFileSync } from "node:fs";

import { ask, browser, expecting, is, note, ok, options, picture, scene,
  until, visit } from "./kit.mjs";

const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js",
  import.meta.url), "utf8");

const LOOKS = [["light", {}], ["dark", { dark: true }], ["400", { width: 400,
  height: 860 }]];

const api = async (path) => (await (await fetch(
  `${options.url}api/v1/${path}`)).json()).data;

const runOf = async (name) => (await api(`runs?function=shop-${name}`))[0]
  .run_id;

// Nothing is being read any more.
const settled = (page) => page.waitForFunction(() =>
  document.querySelector("#main h1")
  && !document.querySelector("#main [aria-busy=true]"));

// What a person who cannot see, or not well, would stumble over.
async function reads(page, title) {
  if (!await page.evaluate(() => Boolean(window.axe))) {
    await page.evaluate(axe);
  }
  const found = await page.evaluate(async () => (await window.axe.run(document,
    { resultTypes: ["violations"] })).violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, any }) =>
      `${html.slice(0, 160)} ${any[0]?.message ?? ""}`).join("\n  ")}`));

  ok(found.length === 0, `${title}: axe finds nothing serious`,
    found.join("\n"));
}

async function fits(page, title) {
  const wide = await page.evaluate(() => {
    const room = document.documentElement.clientWidth;
    return document.documentElement.scrollWidth <= room ? []
      : [...document.querySelectorAll("#main *")].filter((element) =>
        element.getBoundingClientRect().right > room + 1)
        .slice(0, 5).map((element) => element.outerHTML.slice(0, 120));
  });

  ok(wide.length === 0, `${title}: nothing is wider than the window`,
    wide.join("\n"));
}

// One page in all looks; ready(page) has it in the state that is meant.
async function look(name, path, ready, url = options.url) {
  const page = await visit(path, { url });

  await settled(page);
  if (ready) {
    await ready(page);
  }
  for (const [kind, { width = 1280, height = 800, dark }] of LOOKS) {
    await page.emulateMedia({ colorScheme: dark ? "dark" : "light" });
    await page.setViewportSize({ width, height });
    await reads(page, `${name}, ${kind}`);
    await fits(page, `${name}, ${kind}`);
    await picture(page, `${name}-${kind}`, { fullPage: true });
  }
  is(page.trouble.join("\n"), "", `${name}: no error`);
  await page.context().close();
}

// ---- before anything is there

const PAGES = ["runs", "events", "functions", "apps", "webhooks", "queue",
  "bulk", "system"];

await scene("pages with nothing in them say what to do", async () => {
  for (const name of ["runs", "events", "functions", "apps", "bulk"]) {
    await look(`empty-${name}`, `#/${name}`, async (page) => {
      await page.waitForSelector(".empty");
      ok(/\w/.test(await page.textContent(".empty")),
        `${name} says what to do`);
    }, options.empty);
  }
});

await scene("the server gets something to do", () => ask("fill"));

// ---- weight and time

await scene("a first visit is light and soon there", async () => {
  const page = await visit("about:blank", { url: "" });
  const client = await page.context().newCDPSession(page);
  const sizes = new Map();
  const names = new Map();
  const paints = [];

  await client.send("Network.enable");
  await client.send("Network.setCacheDisabled", { cacheDisabled: true });
  client.on("Network.responseReceived", ({ requestId, response }) =>
    names.set(requestId, response.url));
  client.on("Network.loadingFinished", ({ requestId, encodedDataLength }) =>
    sizes.set(requestId, encodedDataLength));

  const paint = () => until("a paint", () => page.evaluate(() =>
    performance.getEntriesByName("first-contentful-paint")[0]?.startTime));

  // told, beside what a page with one word takes: times are of the machine
  const plain = [];
  for (let i = 0; i < 7; i++) {
    await page.goto(new URL("/plain", options.url).href);
    plain.push(await paint());
    sizes.clear();
    await page.goto(`${options.url}#/runs`);
    await page.waitForSelector(".runs tbody");
    paints.push(await paint());
  }
  const files = [...sizes].filter(([id]) => names.has(id));
  const bytes = files.reduce((sum, [, size]) => sum + size, 0);

  note(`${files.length} answers, ${bytes} bytes; first paint `
    + `${paints.map(Math.round).join(", ")} ms, of a page with one word ${
      plain.map(Math.round).join(", ")} ms`);
  ok(files.length > 5, "its files were counted");
  ok(bytes < 150 * 1024, "it is less than 150 KB with all headers", bytes);
  await page.context().close();
});

// ---- every page in every look

await scene("all lists", async () => {
  for (const name of PAGES) {
    await look(name, `#/${name}`);
  }
});

await scene("a run that went well, one that failed, one that waits",
  async () => {
    const steps = (page) => page.waitForSelector(".w-row:nth-child(2)");

    await look("run", `#/runs/${await runOf("order")}`, async (page) => {
      await steps(page);
      await page.waitForSelector(".details .json");
    });
    await look("run-failed", `#/runs/${await runOf("refund")}`,
      async (page) => {
        await steps(page);
        await page.click(".w-row >> text=refund it");
        await page.waitForSelector(".details .error-box");
      });
    await look("run-waits", `#/runs/${await runOf("approve")}`,
      async (page) => {
        await steps(page);
        ok(/waits for the event/.test(await page.textContent(".why")),
          "a run says what it waits for");
      });
    await look("run-history", `#/runs/${await runOf("refund")}?tab=history`,
      (page) => page.waitForSelector("[role=tabpanel] table"));
  });

await scene("one event, one function, one webhook, one job", async () => {
  const [event] = await api("events?name=shop/order");
  const job = await ask("job");

  await look("event", `#/events/${event.id ?? event.internal_id}`);
  await look("function", "#/functions/shop-order");
  await look("webhook", "#/webhooks/stripe");
  await look("job", `#/bulk/${job}`);
});

await scene("a list of runs with all of its filters", () =>
  expecting(/status of 400/, () => look("runs-filtered", "#/runs?status=Failed&q=event.data.",
    async (page) => {
      await page.waitForSelector("input[aria-invalid]");
      await page.waitForSelector(".field .note.bad");
      ok(/\w+ .*\w/.test(await page.textContent(".field .note.bad")),
        "an expression that is wrong is told what is wrong, at its field");
    })));

// A server that looks at 10,000 runs for a page and finds one in the eighth.
await scene("a filter that finds little says how far it has looked",
  async () => {
    const [found] = await api("runs?limit=1");
    const page = await visit("about:blank", { url: "" });
    let asked = 0;

    await page.route(/api\/v1\/runs\?/, (route) => {
      const last = new URL(route.request().url()).searchParams.get("cursor");
      const n = last === null ? 0 : Number(last.slice(-2)) + 1;

      asked++;
      route.fulfill({ json: { data: n === 7 ? [found] : [], metadata: {
        cursor: n === 7 ? null : `01ARZ3NDEKTSV4RRFFQ69G5F${
          String(n).padStart(2, "0")}`,
        scanned: { rows: 10000, newest: null,
          oldest: "2026-01-02T03:04:05.000Z" } } } });
    });
    await page.goto(`${options.url}#/runs?q=event.data.rare`);
    await page.waitForSelector("text=Looked at 50,000 runs, back to 2 Jan");
    ok(asked < 8, "it does not go on for ever by itself", asked);
    ok(await page.locator(".empty").count() === 0,
      "nor does it say that there is none");
    await picture(page, "runs-partial");
    await page.click("text=Go on");
    await page.waitForSelector(".runs tbody tr");
    await page.waitForSelector("text=No more runs.");
    is(await page.locator(".runs tbody tr").count(), 1, "until it is found");
    await page.context().close();
  });

// ---- dialogs

await scene("running again from a step with another input", () =>
  look("rerun", "", async (page) => {
    await page.goto(`${options.url}#/runs/${await runOf("refund")}`);
    await page.click(".w-row >> text=refund it");
    await page.click("text=Rerun from here");
    await page.check("dialog input[type=checkbox]");
    await page.fill("dialog textarea", '[\n  {"n": 1,}\n]');
    const said = await page.textContent("dialog .note.bad");
    ok(/^Line 2, column \d+: /.test(said),
      "a mistake in JSON is told with line and column", said);
    ok(await page.isDisabled("dialog .button.main"),
      "and nothing is sent as long as it is there");
    await page.fill("dialog textarea", '{"n": 1}');
    ok(/list of the arguments/.test(
      await page.textContent("dialog .note.bad")), "nor is no array");
  }));

await scene("cancelling many asks first", () =>
  look("bulk-cancel", "#/runs?function=shop-digest", async (page) => {
    await page.click("text=Cancel …");
    await page.waitForSelector("dialog[open]");
  }));

// ---- the timeline

await scene("a timeline is as the run was, or without its long waits",
  async () => {
    const page = await visit("#/system");
    const found = await page.evaluate(async () => {
      const lines = await import("./src/parts/timeline.js");
      const when = (s) => new Date(1e12 + s * 1000).toISOString();
      const run = {
        created_at: when(0), started_at: when(1), ended_at: when(1000),
        attempts: [], steps: [
          { op: "StepRun", state: "done", created_at: when(3),
            ended_at: when(3), attempts: [{ outcome: "ok",
              started_at: when(1), duration_us: 2e6 }] },
          { op: "Sleep", state: "done", created_at: when(3),
            ended_at: when(998), attempts: [] },
          { op: "StepFailed", state: "done", created_at: when(1000),
            ended_at: when(1000), error: {}, attempts: [
              { outcome: "retry", started_at: when(998), duration_us: 5e5 },
              { outcome: "failed", started_at: when(999),
                duration_us: 1e6 }] }] };
      const now = Date.parse(run.ended_at);
      const scales = [false, true].map((short) => {
        const scale = lines.scaleOf(run, now, short);
        return [0, 1, 3, 998, 999, 1000].map((s) =>
          scale.place(Date.parse(when(s))));
      });

      return { scales, waits: lines.isMostlyWaiting(run, now),
        kinds: run.steps.map((step) => lines.barsOf(step, now)
          .map(({ kind }) => kind).join()),
        states: run.steps.map((step) => lines.stateOf(step, run)),
        open: lines.stateOf({ state: "waiting", attempts: [] }, run),
        lengths: run.steps.map((step) => lines.lengthOf(step)) };
    });
    const [whole, short] = found.scales;

    is(whole.map((p) => p.toFixed(1)).join(), "0.0,0.1,0.3,99.8,99.9,100.0",
      "time as it was");
    ok(short.every((p, i) => i === 0 ? p === 0 : p > short[i - 1]),
      "time that is cut keeps its order", short.join());
    ok(short[2] - short[1] > 50 && short[3] - short[2] < 5
      && Math.abs(short[5] - 100) < 0.01,
    "work is wide then, and the sleep narrow", short.join());
    ok(found.waits, "that it mostly waited is seen");
    is(found.kinds.join(" "), "good rest rest,bad,bad",
      "attempts, sleeps and what is between them");
    is(found.states.join(), "done,done,failed", "how they ended");
    is(found.open, "cancelled", "nothing waits in a run that has ended");
    is(found.lengths.join(), "2000,995000,2000", "how long they took");
    await page.context().close();
  });

// ---- a long run

await scene("a run with as many steps as may be stays usable", async () => {
  const page = await visit(`#/runs/${await runOf("long")}`);

  await page.waitForSelector("text=Steps (999)");
  const rows = () => page.locator(".w-row").count();
  ok(await rows() < 100, "few of its rows are in the page", await rows());

  await page.evaluate(() => {
    document.querySelector(".w-rows.many").scrollTop = 1e6;
  });
  await page.waitForSelector(".w-row >> text=row 0999");
  ok(await rows() < 100, "at its end neither", await rows());

  await page.fill("[data-filter] input", "row 05");
  await page.waitForSelector(".w-row >> text=row 0500");
  await page.click(".w-row >> text=row 0512");
  await page.waitForSelector(".details h2 >> text=row 0512");
  ok(page.url().includes("?step="), "the step is in the address");

  const took = await page.evaluate(async () => {
    const began = performance.now();
    document.querySelector(".w-row button").click();
    await new Promise((next) => requestAnimationFrame(() =>
      setTimeout(next)));
    return performance.now() - began;
  });
  note(`a click on a row: ${Math.round(took)} ms`);
  await reads(page, "a long run");
  await picture(page, "run-long");
  is(page.trouble.join("\n"), "", "a long run: no error");
  await page.context().close();
});

// ---- the keyboard

await scene("the keyboard goes everywhere", async () => {
  const page = await visit("#/runs");
  const { keyboard } = page;
  const focus = (what) => page.waitForFunction((selector) =>
    document.activeElement?.matches(selector), what);

  await page.waitForSelector(".runs tbody");
  await keyboard.press("Tab");
  await focus(".skip");
  await keyboard.press("Enter");
  await focus("h1");

  await keyboard.press("ArrowDown");
  await focus("tr:nth-child(1) a[data-row]");
  await keyboard.press("j");
  await focus("tr:nth-child(2) a[data-row]");
  await keyboard.press("k");
  await keyboard.press("End");
  await focus("tr:last-child a[data-row]");
  await keyboard.press("Home");
  await keyboard.press("Enter");
  await page.waitForSelector(".w-row");
  await focus("h1");
  ok(true, "rows by arrows, a run by Enter, and its heading has the focus");

  await keyboard.press("ArrowDown");
  await keyboard.press("ArrowDown");
  await focus(".w-row button");
  await keyboard.press("Enter");
  await page.waitForSelector(".w-row button[aria-pressed=true]");

  await page.goBack();
  await page.waitForSelector(".runs tbody");
  await keyboard.press("/");
  await focus("[data-filter] input");
  await keyboard.type("shop-order");
  await page.waitForFunction(() => location.hash.includes("shop-order"));
  await keyboard.press("Escape");

  await keyboard.press("?");
  await page.waitForSelector("dialog[open] kbd");
  await reads(page, "the keys");
  await keyboard.press("Escape");
  await page.waitForSelector("dialog", { state: "detached" });

  await keyboard.press("g");
  await keyboard.press("f");
  await page.waitForFunction(() => location.hash === "#/functions");
  await focus("h1");
  ok(/Functions/.test(await page.title()), "the title follows");
  is(page.trouble.join("\n"), "", "the keyboard: no error");
  await page.context().close();
});

await scene("themes and clocks are kept", async () => {
  const page = await visit("#/runs");
  const background = () => page.evaluate(() =>
    getComputedStyle(document.body.parentElement).backgroundColor);
  const light = await background();

  await page.click("[aria-label='Theme: system']");
  await page.click("[aria-label='Theme: light']");
  await page.waitForSelector("[aria-label='Theme: dark']");
  const dark = await background();
  ok(light !== dark, "dark is another colour");
  await page.click("[aria-label='Times: local']");
  await page.reload();
  await page.waitForSelector("[aria-label='Times: UTC']");
  is(await background(), dark, "both are there after a reload");
  await page.context().close();
});

await browser.close();
process.exit(0);
