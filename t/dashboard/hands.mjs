// What is done again and again: with the page, and with the server behind it.

import { options } from "./kit.mjs";

export const json = (value) => JSON.stringify(value, null, 2);

// ---- the server

export async function api(method, path, body) {
  const headers = { "Content-Type": "application/json" };

  if (options.key) {
    headers.Authorization = `Bearer ${options.key}`;
  }
  const answer = await fetch(`${options.server}/${path}`, { method, headers,
    body: body === undefined ? undefined : JSON.stringify(body) });

  return answer.json();
}

// Its id.
export async function send(name, data = {}) {
  const { ids } = await api("POST", `e/${options.event_key ?? "key"}`,
    { name, data });

  return ids[0];
}

// ---- the page

export const onPage = (page, title) =>
  page.locator("#main h1", { hasText: title }).waitFor();

export const clickButton = (page, name) =>
  page.locator("#main").getByRole("button", { name, exact: true }).click();

export const field = (page, label) =>
  page.locator("[data-filter]").getByLabel(label, { exact: true });

export const texts = (locator) => locator.allInnerTexts();

// A page that was loaded again has no mark.
export const mark = (page) => page.evaluate(() => {
  window.marked = true;
});

export const marked = (page) => page.evaluate(() => window.marked === true);
