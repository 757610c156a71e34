// What comes from outside is text on every page, whatever it says.

import { ask, expecting, finish, is, ok, options, scene, until, visit }
  from "./kit.mjs";
import { api, onPage, send } from "./hands.mjs";

const MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>";
const TEXTS = [MARKUP, "\"><svg/onload=alert(3)>", "javascript:alert(4)",
  "{{constructor.constructor('alert(5)')()}}", "${alert(6)}", "\u202eدخول",
  "😀".repeat(40), "wide".repeat(2000), "]]><!--", "__proto__"];

const page = await visit("");

const event = { name: MARKUP, data: Object.fromEntries(TEXTS.map((text) =>
  [text, { [text]: [text] }])), user: { [MARKUP]: MARKUP }, id: MARKUP };

// Whatever is in the page was put there by the dashboard.
const foreign = () => page.evaluate(() => {
  const known = new Set(["http://www.w3.org/1999/xhtml",
    "http://www.w3.org/2000/svg"]);

  return [...document.querySelectorAll("#app *")].filter((element) =>
    ["IMG", "SCRIPT", "IFRAME", "OBJECT", "EMBED", "STYLE"]
      .includes(element.tagName.toUpperCase())
    || !known.has(element.namespaceURI)
    || [...element.attributes].some(({ name, value }) =>
      name.startsWith("on") || /^\s*javascript:/i.test(value)))
    .map((element) => element.outerHTML.slice(0, 200));
});

async function looks(hash, title) {
  await page.goto(options.url + hash);
  await onPage(page, title);
  await until(`${hash} has its text`, () => page.evaluate(() =>
    document.querySelector("#main").innerText.length > 40));
  // every part that can be opened
  for (const closed of await page.locator(
    "#main [aria-expanded=false]").all()) {
    await closed.click({ timeout: 2000 }).catch(() => 0);
  }
  const found = await foreign();
  is(found.length, 0, `${hash.slice(0, 30)}: all of it is text`);
  ok(found.length === 0, "nothing of it became an element",
    found.join("\n"));
}

await scene("hostile events, names, errors and answers", async () => {
  const id = (await api("POST", "e/key", event)).ids[0];
  const hostile = await send("shop/hostile", event.data);

  await send("shop/quick", { name: MARKUP });
  await ask("hook", { path: "/hooks/stripe", body: MARKUP, id: MARKUP });
  for (const text of TEXTS) {
    await api("POST", "e/key", { name: text.slice(0, 200), data: { text } });
  }
  const run = await until("the run has ended", async () =>
    (await api("GET", `v1/events/${hostile}/runs`)).data
      .find((r) => r.status === "Failed"));

  await looks("#/events", "Events");
  ok((await page.locator("#main").innerText()).includes("<img src=x"),
    "the markup is there to be read");
  await looks(`#/events/${id}`, "<img src=x");
  await looks("#/runs", "Runs");
  await looks(`#/runs/${run.run_id}`, "<img src=x");
  ok((await page.locator("#main").innerText()).includes("<script>"),
    "so is that of the error");
  await looks("#/functions", "Functions");
  await looks("#/functions/shop-hostile", "<img src=x");
  await looks("#/apps", "Apps");
  await looks("#/webhooks/stripe", "stripe");
  await looks("#/queue", "Queue");
});

await scene("hostile addresses", async () => {
  const address = encodeURIComponent(MARKUP);

  for (const hash of [`#/${address}`, `#/webhooks/${address}`, "#/%ff%00",
    "#/runs?status=%3Cscript%3E&q=%22%3E", "#//////", "#/__proto__",
    "#/events?name=%3Cimg%20src%3Dx%3E"]) {
    await expecting(/40[04]/, async () => {
      await page.goto(options.url + hash);
      await page.locator("#main h1").waitFor();
      await page.locator("#main .notice, #main table, #main .empty, "
        + "#main .note.bad").first()
        .waitFor();
    });
    is((await foreign()).length, 0, `${hash}: all of it is text`);
  }
});

await finish();
