// What every script in a browser has: the browser, pages that remember what
// went wrong in them, and the way to the test that started it.

import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

export const options = JSON.parse(process.env.BROWSER);

const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

export const note = (text) => say({ note: String(text) });

// ---- the test

const asked = new Map();
let asks = 0;

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const { id, value, error } = JSON.parse(line);
  const { done, failed } = asked.get(id);
  asked.delete(id);
  error ? failed(new Error(error)) : done(value);
});

// Has the test do something where the server is.
export const ask = (name, value = null) => new Promise((done, failed) => {
  const id = ++asks;
  asked.set(id, { done, failed });
  say({ ask: name, with: value, id });
});

export function ok(value, title, detail) {
  say({ ok: Boolean(value), title, detail });
  return Boolean(value);
}

export const is = (value, wanted, title) =>
  ok(value === wanted, title,
    `is ${JSON.stringify(value)}, not ${JSON.stringify(wanted)}`);

// Until the code gives a true value, which is returned.
export async function until(what, code, seconds = 20) {
  const end = Date.now() + 1000 * seconds;

  for (;;) {
    const value = await code();
    if (value) {
      return value;
    }
    if (Date.now() > end) {
      throw new Error(`${what}: not within ${seconds} s`);
    }
    await new Promise((next) => setTimeout(next, 50));
  }
}

// ---- the browser

export const browser = await chromium.launch({
  executablePath: options.chromium,
  args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});

const pages = [];
let allowed = [];

// What is an error elsewhere and is meant here: a pattern, until the code has
// run.
export async function expecting(pattern, code) {
  allowed.push(pattern);
  try {
    return await code();
  } finally {
    allowed = allowed.filter((p) => p !== pattern);
  }
}

function trouble(page, text) {
  if (!allowed.some((pattern) => pattern.test(text))) {
    page.trouble.push(text);
  }
}

function watch(page) {
  page.trouble = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      trouble(page, `${message.type()}: ${message.text()} `
        + message.location().url);
    }
  });
  page.on("pageerror", (error) => trouble(page, `thrown: ${error.stack}`));
  page.on("crash", () => trouble(page, "the page crashed"));
  page.on("dialog", (dialog) => {
    trouble(page, `a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  pages.push(page);
  return page;
}

// A new page in a context of its own.  width, dark, credentials as those of
// playwright; key is what the tab keeps as the signing key.
export async function visit(path, { width = 1280, height = 800, dark = false,
  credentials, url = options.url } = {}) {
  const context = await browser.newContext({
    viewport: { width, height },
    colorScheme: dark ? "dark" : "light",
    httpCredentials: credentials,
    reducedMotion: "reduce",
  });
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (e) =>
      console.error(`CSP: ${e.violatedDirective} ${e.blockedURI}`));
  });
  const page = watch(await context.newPage());
  page.setDefaultTimeout(20000);
  await page.goto(url + path);
  return page;
}

export const picture = (page, name, more = {}) =>
  page.screenshot({ path: `${options.pictures}/${name}.png`, ...more });

// ---- a script is a list of scenes; one that fails leaves a picture

let scenes = 0;

export async function scene(title, code) {
  const number = ++scenes;
  const start = Date.now();

  if (options.only && !title.match(options.only)) {
    return;
  }

  try {
    await code();
    ok(true, title);
  } catch (error) {
    ok(false, title, error.stack);
    for (const page of pages.filter((p) => !p.isClosed())) {
      await picture(page, `failed-${number}-${pages.indexOf(page)}`)
        .catch(() => 0);
    }
  }
  note(`${title}: ${Date.now() - start} ms`);
}

// The end of every script.
export async function finish() {
  const all = pages.flatMap((page) => page.trouble);

  ok(all.length === 0,
    "no error, no dialog and no violated policy in any page",
    all.slice(0, 20).join("\n"));
  await browser.close();
  input.close();
}
