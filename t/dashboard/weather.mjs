// Reloads, kills, storms of events and a large store: the page stays itself.

import { ask, expecting, finish, is, ok, options, scene, until, visit, note }
  from "./kit.mjs";
import { api, mark, marked, onPage, send } from "./hands.mjs";

const page = await visit("#/events");
const rows = page.locator("table[aria-label=Events] tbody tr");

const named = (name) => rows.filter({ hasText: name }).first().waitFor();

await onPage(page, "Events");
await mark(page);

await scene("events come in over a reload of nginx", async () => {
  await send("weather/before");
  await named("weather/before");
  await expecting(/ERR_|50\d/, async () => {
    await ask("hup");
    await until("the server", async () => {
      try {
        return await send("weather/after-hup");
      } catch {
        return false;
      }
    });
    await named("weather/after-hup");
  });
});

await scene("and over a kill -9 of the leader", async () => {
  await expecting(/ERR_|50\d/, async () => {
    await ask("kill_leader");
    await until("the server", async () => {
      try {
        return await send("weather/after-kill");
      } catch {
        return false;
      }
    }, 30);
    await named("weather/after-kill");
  });
  ok(await marked(page), "the page was not loaded again");
});

// ---- 500 events a second

// From the click to the frame in which the other page stands.
const clickTo = (name, title) => page.evaluate(({ name, title }) =>
  new Promise((done) => {
    const link = [...document.querySelectorAll("nav a")]
      .find((a) => a.textContent.trim() === name);
    const began = performance.now();
    const look = () => {
      if (document.querySelector("#main h1")?.textContent === title) {
        done(performance.now() - began);
      } else {
        requestAnimationFrame(look);
      }
    };

    link.click();
    requestAnimationFrame(look);
  }), { name, title });

await scene("500 events a second do not make it flicker", async () => {
  const storm = ask("storm", { rate: 500, seconds: 12 });

  await named("load/one");
  // every row gets a mark; one that is still listed must still be the same
  const kept = await page.evaluate(async () => {
    const find = () => document.querySelector("table[aria-label=Events]");
    const body = () => find().tBodies[0];
    const table = find();
    let [same, other, gone] = [0, 0, 0];

    for (let i = 0; i < 12; i++) {
      const before = new Map([...body().rows].map((row) =>
        [row.dataset.id, row]));

      await new Promise((next) => setTimeout(next, 400));
      for (const row of body().rows) {
        if (before.has(row.dataset.id)) {
          before.get(row.dataset.id) === row ? same++ : other++;
        }
      }
      if (body().rows.length === 0) {
        gone++;
      }
    }
    return { same, other, gone,
      table: table === find() };
  });

  note(JSON.stringify(kept));
  is(kept.other, 0, "a row that stays is the same element");
  ok(kept.same > 0, "rows do stay");
  is(kept.gone, 0, "the list is never empty");
  ok(kept.table, "the table stays");

  const times = [];
  for (let i = 0; i < 4; i++) {
    times.push(await clickTo("Runs", "Runs"), await clickTo("Events",
      "Events"));
  }
  ok(times.length === 8, "clicks are answered meanwhile");
  note(`clicks: ${times.map(Math.round).join(", ")} ms`);

  const { sent } = await storm;
  note(`${sent} events of ${500 * 12} were sent`);
});

await scene("who has scrolled down is told what is new", async () => {
  await page.setViewportSize({ width: 1280, height: 500 });
  await rows.nth(30).scrollIntoViewIfNeeded();
  await page.mouse.wheel(0, 400);
  const before = await until("it has scrolled", () => page.evaluate(
    async () => {
      const y = scrollY;
      await new Promise((next) => setTimeout(next, 300));
      return y === scrollY && y > 200 && y;
    }));
  await send("weather/new");
  await page.getByRole("button", { name: /^\d+.* new$/ }).waitFor();
  ok(Math.abs(await page.evaluate(() => scrollY) - before) < 40,
    "the page does not jump");
  await page.getByRole("button", { name: /^\d+.* new$/ }).click();
  await named("weather/new");
});

// ---- a large store

await scene(`${options.many} runs in the store`, async () => {
  await ask("load", options.many);
  await until("they have ended", async () => (await api("GET",
    "v1/queue")).data.ready === 0, 180);

  for (const [hash, wanted] of [["#/runs", /load/],
    ["#/runs?function=load&status=Completed", /load/],
    ["#/runs?status=Failed", null], ["#/events?name=load%2F*", /load/],
    [`#/events?q=${encodeURIComponent("event.data.n == 5")}`, null]]) {
    const began = Date.now();
    await page.goto(`${options.url}${hash}`);
    await page.locator("#main h1").waitFor();
    await (wanted ? page.locator("table tbody tr").first().waitFor()
      : page.locator(".foot, .empty, table tbody tr").first().waitFor());
    note(`${hash}: ${Date.now() - began} ms`);
    ok(true, `${hash} is there`);
  }
  await page.goto(`${options.url}#/runs`);
  const list = page.locator("table[aria-label=Runs] tbody tr");
  await list.nth(40).waitFor();
  await page.mouse.wheel(0, 20000);
  await list.nth(90).waitFor();
  ok(true, "it is read on at its end");
});

await finish();
