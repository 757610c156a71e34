// Who comes in and who does not: keys, passwords, and pages that only show.

import { ask, expecting, finish, is, ok, options, scene, visit }
  from "./kit.mjs";
import { api, onPage, send } from "./hands.mjs";

const door = { url: options.server };

const keyOf = (page) => page.locator("input[type=password]");

await scene("a wrong key is refused, the right one opens", async () => {
  await expecting(/401/, async () => {
    const page = await visit("#/events");
    const key = keyOf(page);

    await key.fill("signkey-prod-0000");
    await page.getByRole("button", { name: "Open" }).click();
    await page.getByText("The key was not accepted.").waitFor();
    ok(await page.locator("table").count() === 0, "nothing is shown");

    await key.fill(options.key);
    await key.press("Enter");
    await onPage(page, "Events");
    await page.reload();
    await onPage(page, "Events");
    ok(true, "it is kept for the tab");
    await page.getByText("live", { exact: true }).waitFor();
    is(await page.evaluate(() => localStorage.length), 0,
      "and nowhere else");

    const other = await visit("#/events");
    await keyOf(other).waitFor();
    await other.close();

    // It goes away while somebody works with it.
    await page.evaluate(() => sessionStorage.setItem("durable.key", "gone"));
    await page.reload();
    await keyOf(page).waitFor();
    await keyOf(page).fill(options.key);
    await page.getByRole("button", { name: "Open" }).click();
    await onPage(page, "Events");
    await page.close();
  });
});

await scene("a key that is changed on the server is asked for again",
  async () => {
    const page = await visit("#/events");
    await keyOf(page).fill(options.key);
    await page.getByRole("button", { name: "Open" }).click();
    await onPage(page, "Events");

    await expecting(/401|50\d|ERR_/, async () => {
      await ask("other_key");
      await page.evaluate(() => {
        location.hash = "#/functions";
      });
      await keyOf(page).waitFor();
      await ask("first_key");
      await keyOf(page).fill(options.key);
      await page.getByRole("button", { name: "Open" }).click();
      await onPage(page, "Functions");
    });
    await page.close();
  });

await scene("a wrong password sees nothing", async () => {
  await expecting(/401/, async () => {
    const page = await visit("/guarded/", { ...door,
      credentials: { username: "ann", password: "wrong" } });
    ok(await page.locator("#main").count() === 0, "no page");
    ok(/401/.test(await page.content()), "but the 401 of nginx");
    await page.close();
  });
});

await scene("the right password opens, without a key", async () => {
  const page = await visit("/guarded/#/system", { ...door,
    credentials: { username: "ann", password: "right" } });

  await onPage(page, "System");
  ok(/ann/.test(await page.locator("header").innerText()),
    "it says who is here");
  await page.close();
});

await scene("read only there is nothing to press", async () => {
  const event = await send("shop/order", { id: 1 });
  const page = await visit("/shown/#/events", { ...door,
    credentials: { username: "ann", password: "right" } });
  const actions
    = /send|replay|cancel|rerun|pause|invoke|sync|add|remove|redeliver/i;

  for (const [hash, title] of [["#/events", "Events"], ["#/runs", "Runs"],
    [`#/events/${event}`, "shop/order"], ["#/apps", "Apps"],
    ["#/functions/shop-quick", "quick"], ["#/webhooks/stripe", "stripe"]]) {
    await page.goto(`${options.server}/shown/${hash}`);
    await onPage(page, title);
    const names = await page.locator("#main button:not(.chip)")
      .allInnerTexts();
    ok(!names.some((name) => actions.test(name)), `${hash} has no action`,
      names.join(", "));
  }
  const status = await expecting(/403/, () => page.evaluate(async () =>
    (await fetch("api/e/dashboard", { method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{\"name\":\"x\",\"data\":{}}" })).status));
  is(status, 403, "and the server refuses what is asked for anyway");
  await page.close();
});

await scene("another site can neither act nor look", async () => {
  await expecting(/./, async () => {
    const page = await visit("/elsewhere", door);
    const said = await page.evaluate(async (url) => {
      const act = await fetch(`${url}api/e/dashboard`, { method: "POST",
        mode: "no-cors", body: "{\"name\":\"evil/act\",\"data\":{}}" })
        .then(() => "sent", () => "failed");
      const look = await fetch(`${url}api/v1/events`)
        .then((r) => r.text(), () => "blocked");
      return { act, look };
    }, options.url.replace("127.0.0.1", "localhost"));

    is(said.look, "blocked", "its scripts do not see the answer");
    const { data } = await api("GET", "v1/events?name=evil/act");
    is(data.length, 0, "what it sent was not taken");
    await page.close();
  });
});

await finish();
