// The story of a server, from an empty one on: everything a person does with
// the dashboard, in one browser.

import { ask, expecting, finish, is, ok, options, picture, scene, until,
  visit } from "./kit.mjs";
import { api, clickButton, field, json, marked, mark, onPage, send, texts }
  from "./hands.mjs";

const page = await visit("");

// Opens a page of the dashboard by its address, without loading it again.
const go = async (hash) => {
  await page.evaluate((to) => {
    location.hash = to;
  }, hash);
};

const heading = (text) => onPage(page, text);
const rows = (label) => page.locator(`table[aria-label="${label}"] tbody tr`);
const dialog = page.locator("dialog[open]");

await scene("an empty server says what to do next", async () => {
  await mark(page);

  for (const [hash, title, command] of [
    ["#/runs", "Runs", /curl .*\/e\//], ["#/events", "Events", /curl -X POST/],
    ["#/apps", "Apps", /INNGEST_DEV=/], ["#/bulk", "Jobs", /curl/],
  ]) {
    await go(hash);
    await heading(title);
    const text = await page.locator(".empty .command code").textContent();
    ok(command.test(text), `${title} has a command to copy`, text);
    await page.getByRole("button", { name: "Copy the command" }).waitFor();
  }
  await go("#/queue");
  await heading("Queue");
  await page.getByText("Nothing waits for a call").waitFor();
});

await scene("an app that registers appears by itself", async () => {
  await go("#/apps");
  await heading("Apps");
  await ask("sync");
  await page.locator("[data-app=shop]").waitFor();
  ok(/synced/.test(await page.locator("[data-app=shop]").innerText()),
    "it is synced");
});

await scene("an app is added by its URL", async () => {
  await clickButton(page, "Add an app");
  await dialog.getByLabel("URL of its endpoint").fill(options.depot);
  await dialog.getByRole("button", { name: "Add", exact: true }).click();
  await page.locator("[data-app=depot]").waitFor();

  const { data } = await api("GET", "v1/functions?app=depot");
  is(data[0]?.name, "Store a parcel", "its functions are registered");
});

await scene("what cannot be an app is refused with a sentence", async () => {
  await clickButton(page, "Add an app");
  await dialog.getByLabel("URL of its endpoint").fill("ftp://nowhere/");
  await expecting(/400|422/, async () => {
    await dialog.getByRole("button", { name: "Add", exact: true }).click();
    await dialog.locator(".note.bad").waitFor();
  });
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
});

await scene("an app is removed, after a question", async () => {
  const app = page.locator("[data-app=depot]");

  await app.getByRole("button", { name: "Remove depot" }).click();
  await dialog.getByRole("button", { name: "Remove the app" }).click();
  await app.waitFor({ state: "hidden" });
});

await scene("an event is sent with the shape of known ones", async () => {
  await go("#/events");
  await heading("Events");
  await clickButton(page, "Send an event");
  await dialog.getByRole("button", { name: /shop\/order/ }).click();
  const editor = dialog.getByLabel("Event, or a list of events");
  ok(/"shop\/order"/.test(await editor.inputValue()),
    "a known event fills the editor");

  await editor.fill("{\"name\": \"shop/order\", }");
  await dialog.getByText(/Line 1, column \d+/).waitFor();
  ok(await dialog.getByRole("button", { name: "Send", exact: true })
    .isDisabled(), "what is no JSON is not sent");

  await editor.fill(json({ name: "shop/order", data: { id: 7 } }));
  await editor.press("Control+Enter");
  await heading("shop/order");
});

await scene("its run is watched until it ends, live", async () => {
  await rows("Runs of the event").first().waitFor();
  await rows("Runs of the event").getByRole("link").first().click();
  await page.getByText("wait for the money").first().waitFor();
  ok(/waiting|event/i.test(await page.locator("#main").innerText()),
    "it says that it waits");
  await send("shop/paid", { id: 7 });
  await page.locator(".status", { hasText: "Completed" }).first().waitFor();
  ok(await page.getByText("ship", { exact: true }).first().isVisible(),
    "the step after it is there");
  ok(await marked(page), "the page was not loaded again");
});

await scene("a step is run again with another input", async () => {
  await send("shop/refund", { amount: 500 });
  await go("#/runs?function=shop-refund&status=Failed");
  await heading("Runs");
  await rows("Runs").getByRole("link").first().click();
  await heading("refund");
  await page.getByText("500 is more than the till has").first().waitFor();
  await page.locator("#main").getByText("pay back", { exact: true }).first()
    .click();
  await clickButton(page, "Rerun from here");
  await dialog.getByLabel("with another input of the step").check();
  await dialog.getByRole("textbox").fill("[{\"amount\": ");
  ok(await dialog.getByRole("button", { name: "Run again" }).isDisabled(),
    "an input that is no JSON is not taken");
  await dialog.getByRole("textbox").fill(json([{ amount: 5 }]));
  const before = page.url();
  await dialog.getByRole("button", { name: "Run again" }).click();
  await page.waitForURL((url) => url.href !== before);
  await page.locator(".status", { hasText: "Completed" }).first().waitFor();
  const run = page.url().match(/runs\/(\w+)/)[1];
  const { data } = await api("GET", `v1/runs/${run}`);
  is(json(data.output), json({ paid: 5 }), "it paid what was asked for");
});

await scene("a run is cancelled, after a question", async () => {
  const event = await send("shop/nap");
  const [run] = await until("a run", async () =>
    (await api("GET", `v1/events/${event}/runs`)).data.filter((r) => r));
  await go(`#/runs/${run.run_id}`);
  await heading("nap");
  await clickButton(page, "Cancel");
  await dialog.getByRole("button", { name: "Cancel the run" }).click();
  await page.locator(".status", { hasText: "Cancelled" }).first().waitFor();
  ok(await page.locator("#main").getByRole("button", { name: "Cancel",
    exact: true }).count() === 0, "it cannot be cancelled twice");
});

await scene("all that failed is started anew, with progress", async () => {
  await ask("break");
  await Promise.all(Array.from({ length: 40 }, (_, n) =>
    send("shop/fragile", { n })));
  await until("all have failed", async () => (await api("GET",
    "v1/runs?function=shop-fragile&status=Failed&limit=51")).data.length
    === 40);
  await ask("repair");
  await go("#/runs?function=shop-fragile&status=Failed");
  await heading("Runs");
  await until("they are shown", async () => await rows("Runs").count() === 40);
  await clickButton(page, "Replay …");
  await dialog.getByRole("button", { name: "Replay them" }).click();
  await page.waitForURL(/#\/bulk\/\w+/);
  await page.locator("#main .status", { hasText: /done/i }).first().waitFor();
  const told = await page.locator("#main").innerText();
  ok(/\b40 [a-z ]+, of 40 that match/.test(told), "the job says how many",
    told);
  await until("they have ended", async () => (await api("GET",
    "v1/runs?function=shop-fragile&status=Completed&limit=51")).data.length
    === 40);
});

await scene("an event is replayed", async () => {
  await go("#/events");
  await heading("Events");
  await rows("Events").getByRole("link", { name: "shop/order" }).first()
    .click();
  await heading("shop/order");
  const before = page.url();
  await clickButton(page, "Replay");
  await page.waitForURL((url) => url.href !== before
    && /#\/events\/\w+/.test(url.href));
  await rows("Runs of the event").first().waitFor();
});

await scene("a function is invoked, paused and resumed", async () => {
  await go("#/functions/shop-quick");
  await heading("quick");
  await clickButton(page, "Pause");
  await dialog.getByRole("button", { name: "Pause" }).click();
  await page.getByText("This function is paused").waitFor();
  await send("shop/quick", { name: "Skip" });
  await page.locator("#main .status", { hasText: "Skipped" }).first()
    .waitFor();
  await clickButton(page, "Resume");
  await page.getByText("This function is paused")
    .waitFor({ state: "hidden" });

  await clickButton(page, "Invoke");
  await dialog.getByRole("textbox").fill(json({ data: { name: "Ann" } }));
  await dialog.getByRole("button", { name: "Invoke" }).click();
  await page.waitForURL(/#\/runs\/\w+/);
  await page.locator(".status", { hasText: "Completed" }).first().waitFor();
  await page.getByText("\"Ann\"").first().waitFor();
});

await scene("the queue says who waits for which limit", async () => {
  for (const user of ["ann", "ann", "bob"]) {
    await send("shop/limited", { user });
  }
  await send("shop/single", {});
  await send("shop/single", {});
  await go("#/queue");
  await heading("Queue");
  await rows("Functions whose limits hold runs")
    .filter({ hasText: "shop-single" }).waitFor();
  await rows("Keys that wait most").first().waitFor();
});

await scene("deliveries that failed are sent again", async () => {
  await ask("target", 500);
  for (let n = 1; n <= 8; n++) {
    await ask("hook", { path: "/hooks/stripe", body: `{"n":${n}}`,
      id: `evt_${n}` });
  }
  await go("#/webhooks");
  await heading("Webhooks");
  await rows("Routes").getByRole("link", { name: "stripe" }).click();
  await heading("stripe");
  const list = rows("Deliveries");
  await until("eight failed", async () =>
    await list.filter({ hasText: "Failed" }).count() === 8);
  ok(/500/.test(await list.first().innerText()), "with the last answer");

  await list.first().getByRole("button", { name: /show the answers/ })
    .click();
  await dialog.getByText("500").first().waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();

  await ask("target", 200);
  await list.first().getByRole("button", { name: /^Redeliver/ }).click();
  await list.filter({ hasText: "Completed" }).first().waitFor();

  await clickButton(page, "Redeliver failed");
  await dialog.getByRole("button", { name: "Redeliver", exact: true })
    .click();
  await page.locator(".redelivery", { hasText: "done" }).waitFor();
  await until("all were sent again", async () =>
    await list.filter({ hasText: "Completed" }).count() === 8);
  ok(/7 sent again/.test(await page.locator(".redelivery").first()
    .innerText()), "the job says how many");
  ok(await marked(page), "without loading the page");
});

await scene("back, forward and links into the dashboard", async () => {
  await go("#/runs?status=Completed");
  await heading("Runs");
  await page.getByRole("button", { name: "Completed", pressed: true })
    .waitFor();
  await rows("Runs").first().waitFor();
  await go("#/events?name=shop%2F*");
  await heading("Events");
  await until("the filter", async () =>
    await field(page, "Name").inputValue() === "shop/*");
  await rows("Events").getByRole("link").first().click();
  await page.waitForURL(/#\/events\/\w+/);
  await page.goBack();
  await heading("Events");
  is(await field(page, "Name").inputValue(), "shop/*", "back: the filter");
  await page.goBack();
  await heading("Runs");
  await page.goForward();
  await heading("Events");

  const other = await visit(`#/functions/shop-refund?window=6h`);
  await onPage(other, "refund");
  is(await other.getByLabel("Of the last").inputValue(), "6h",
    "a link has its window");
  await other.goto(`${options.url}#/nothing`);
  await onPage(other, "Not here");
  await expecting(/404/, async () => {
    await other.goto(`${options.url}#/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV`);
    await other.locator("[role=alert]").waitFor();
  });
  await other.close();
});

await scene("a filter that is wrong is told at its field", async () => {
  await go("#/events");
  await heading("Events");
  await expecting(/400/, async () => {
    await field(page, "CEL").fill("event.data.id ==");
    await page.locator(".field .note.bad").waitFor();
  });
  await field(page, "CEL").fill("event.data.id == 7");
  await rows("Events").filter({ hasText: "shop/order" }).first().waitFor();
  await until("only those", async () => (await texts(rows("Events"))).every(
    (text) => /shop\/(order|paid)/.test(text)));
});

await scene("with the keyboard alone", async () => {
  const press = (key) => page.keyboard.press(key);

  await go("#/runs");
  await heading("Runs");
  await rows("Runs").first().waitFor();
  await page.locator("#main h1").focus();
  await press("?");
  await dialog.getByText("next and previous row").waitFor();
  await press("Escape");
  await dialog.waitFor({ state: "hidden" });
  await press("g");
  await press("e");
  await heading("Events");
  await rows("Events").nth(1).waitFor();
  is(await page.evaluate(() => document.activeElement.tagName), "H1",
    "a page begins at its heading");
  await press("ArrowDown");
  await press("ArrowDown");
  const at = await page.evaluate(() =>
    document.activeElement.getAttribute("href"));
  await press("Enter");
  await page.waitForURL((url) => url.hash === at);
  await page.goBack();
  await heading("Events");
  await press("/");
  is(await page.evaluate(() => document.activeElement.tagName), "INPUT",
    "/ goes to the filter");
  await press("Escape");
  await press("g");
  await press("s");
  await heading("System");
});

await scene("on a phone, in the dark, nothing is wider", async () => {
  const phone = await visit("#/runs", { width: 400, height: 800, dark: true });
  const event = (await api("GET", "v1/events?limit=1")).data[0];
  const run = (await api("GET", "v1/runs?limit=1")).data[0];

  for (const hash of ["#/runs", "#/events", "#/functions", "#/apps",
    "#/webhooks", "#/webhooks/stripe", "#/queue", "#/system", "#/bulk",
    "#/functions/shop-quick", `#/events/${event.internal_id}`,
    `#/runs/${run.run_id}`]) {
    await phone.goto(options.url + hash);
    await phone.locator("#main h1").waitFor();
    await until(`${hash} fits`, () => phone.evaluate(() =>
      document.documentElement.scrollWidth <= innerWidth), 3)
      .then(() => ok(true, `${hash} fits`), (e) => ok(false, e.message));
  }
  const [r] = await phone.evaluate(() =>
    getComputedStyle(document.documentElement).backgroundColor.match(/\d+/g)
      .map(Number));
  ok(r < 60, "the ground is dark");
  await phone.close();
});

await finish();
