// What is around every page: the menu, the router, the form that asks for the
// key, messages, and keys of the keyboard.

import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { get, hasKey, loadSession, onRefused, session, setKey }
  from "./api.js";
import { onConnection, reconnect, subscribe } from "./feed.js";
import { readRoute, sentenceOf, useTick } from "./hooks.js";
import { Button, Notice } from "./parts/basic.js";
import { Icon } from "./parts/icon.js";
import { clock } from "./parts/time.js";
import { Keys } from "./parts/keys.js";
import { Toasts } from "./parts/toast.js";

// The pages: what the first name of the address loads.  A page is a component
// with the names and the arguments of the address, and title(names).
const PAGES = [
  ["runs", "Runs", () => import("./pages/runs.js")],
  ["events", "Events", () => import("./pages/events.js")],
  ["functions", "Functions", () => import("./pages/functions.js")],
  ["apps", "Apps", () => import("./pages/apps.js")],
  ["webhooks", "Webhooks", () => import("./pages/webhooks.js")],
  ["queue", "Queue", () => import("./pages/queue.js")],
  ["bulk", "Jobs", () => import("./pages/bulk.js")],
  ["system", "System", () => import("./pages/system.js")],
];

const THEMES = ["system", "light", "dark"];

function chosenTheme() {
  return document.documentElement.dataset.theme ?? "system";
}

function chooseTheme(theme) {
  try {
    if (theme === "system") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem("durable.theme");
    } else {
      document.documentElement.dataset.theme = theme;
      localStorage.setItem("durable.theme", theme);
    }
  } catch {
    // without storage it is for this page
  }
}

// ---- the key

function KeyForm({ done }) {
  const [error, setError] = useState(hasKey()
    ? "The key was not accepted." : null);
  const [busy, setBusy] = useState(false);
  const field = useRef(null);

  useEffect(() => {
    document.title = "Signing key · nginx-durable";
    field.current.focus();
  }, []);

  const submit = async (event) => {
    event.preventDefault();
    setBusy(true);
    setKey(field.current.value.trim());
    try {
      await get("v1/apps");
      done();
    } catch (problem) {
      setKey(null);
      setBusy(false);
      setError(problem.status === 401 ? "The key was not accepted."
        : sentenceOf(problem));
      field.current.focus();
      field.current.select();
    }
  };

  return html`<main class="door" id="main">
    <form class="panel" onSubmit=${submit}>
      <h1>${html`<${Icon} name="key" />`} Signing key</h1>
      <p>This server runs in production: what it shows and does is for those
        who have its signing key. It is kept until this tab is closed.</p>
      <label for="key">Key</label>
      <input id="key" ref=${field} type="password" autocomplete="off"
        spellcheck=${false} required aria-invalid=${error ? "true" : null}
        aria-describedby=${error ? "key-error" : null} />
      ${error && html`<p class="bad" id="key-error" role="alert">${error}</p>`}
      <${Button} type="submit" kind="main" busy=${busy}>Open</${Button}>
    </form>
  </main>`;
}

// ---- the menu

function Menu({ current, connected }) {
  const [theme, setTheme] = useState(chosenTheme());
  const tick = useTick();

  const nextTheme = () => {
    const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    chooseTheme(next);
    setTheme(next);
  };
  const nextClock = () => {
    clock.toggle();
    tick();
  };
  useEffect(() => {
    document.querySelector("nav [aria-current]")?.scrollIntoView(
      { block: "nearest", inline: "center" });
  }, [current]);

  const leave = () => {
    setKey(null);
    location.reload();
  };

  return html`<header class="side">
    <a class="brand" href="#/runs"><${Icon} name="brand" />
      <span>durable</span></a>
    <nav aria-label="Pages"><ul>${PAGES.map(([name, title]) => html`
      <li key=${name}><a href=${`#/${name}`}
        aria-current=${name === current ? "page" : null}>
        <${Icon} name=${name} /><span>${title}</span></a></li>`)}
    </ul></nav>
    <div class="tools">
      <p class="state" role="status">
        <span class=${connected ? "dot on" : "dot"} aria-hidden="true"></span>
        <span>${connected ? "live" : "not live"}</span>
      </p>
      ${session.mode === "dev" && html`<span class="tag">dev</span>`}
      ${session.redacted && html`<span class="tag"
        title="Some values are hidden by the server">redacted</span>`}
      ${session.read_only && html`<span class="tag"
        title="Nothing can be changed from here">read only</span>`}
      <button class="tool" type="button" onClick=${nextTheme}
        title=${`Theme: ${theme}`} aria-label=${`Theme: ${theme}`}>
        <${Icon} name=${theme === "system" ? "auto" : theme} /></button>
      <button class="tool text" type="button" onClick=${nextClock}
        title="Which times are shown"
        aria-label=${clock.utc ? "Times: UTC" : "Times: local"}>
        ${clock.utc ? "UTC" : "local"}</button>
      ${hasKey() && html`<button class="tool" type="button" onClick=${leave}
        title="Forget the key" aria-label="Forget the key">
        <${Icon} name="leave" /></button>`}
    </div>
    <p class="about">${[session.version && `nginx-durable ${session.version}`,
      session.user].filter(Boolean).join(" · ")}</p>
  </header>`;
}

// ---- pages

function usePage(name) {
  const [loaded, setLoaded] = useState({});

  useEffect(() => {
    const page = PAGES.find(([known]) => known === name);

    if (!page || loaded.name === name) {
      return;
    }
    page[2]().then((module) => setLoaded({ name, Page: module.default }),
      (error) => {
        console.error(error);
        setLoaded({ name, error: "This part of the dashboard cannot be "
          + "loaded. Is the server there, and the dashboard complete?" });
      });
  }, [name]);

  if (name && !PAGES.some(([known]) => known === name)) {
    return { error: "There is no such page." };
  }
  return loaded.name === name ? loaded : {};
}

// A reader of the screen hears the new page, the keyboard starts at its top.
function useHeading(path, ready) {
  const before = useRef(null);

  useEffect(() => {
    if (!ready || before.current === path) {
      return;
    }
    const first = before.current === null;

    before.current = path;
    window.scrollTo(0, 0);
    if (!first) {
      document.querySelector("#main h1")?.focus({ preventScroll: true });
    }
  }, [path, ready]);
}

function Content({ route }) {
  const [name = "runs", ...names] = route.names;
  const { Page, error } = usePage(name);
  const path = route.names.join("/");

  useHeading(path, Page !== undefined);

  if (error) {
    return html`<h1 tabindex="-1">Not here</h1>
      <${Notice} kind="bad">${error}</${Notice}>`;
  }
  return Page && html`<${Page} key=${path} names=${names}
    args=${route.args} />`;
}

function useRoute() {
  const [route, setRoute] = useState(readRoute());

  useEffect(() => {
    const changed = () => setRoute(readRoute());

    if (location.hash === "" || location.hash === "#/") {
      history.replaceState(null, "", "#/runs");
      changed();
    }
    window.addEventListener("hashchange", changed);
    return () => window.removeEventListener("hashchange", changed);
  }, []);

  return route;
}

// trouble: why the session could not be read.
export function Frame({ trouble }) {
  const route = useRoute();
  const [locked, setLocked] = useState(session.key && !hasKey());
  const [connected, setConnected] = useState(false);
  const [problem, setProblem] = useState(trouble);
  const tick = useTick();

  useEffect(() => {
    onRefused(() => setLocked(true));
    const off = clock.watch(tick);
    const end = onConnection(setConnected);
    return () => {
      off();
      end();
    };
  }, []);
  // a page that asks for no news sees when the server is gone as well
  useEffect(() => locked || problem ? undefined
    : subscribe(["apps"], () => {}), [locked, problem]);

  if (problem) {
    const again = () => loadSession().then(() => {
      setProblem(null);
      setLocked(session.key && !hasKey());
    }, (error) => setProblem(error.message));

    return html`<main class="door" id="main"><div class="panel">
      <h1>No answer</h1><p>${problem}</p>
      <${Button} kind="main" onClick=${again}>Try again</${Button}>
    </div></main>`;
  }
  if (locked) {
    return html`<${KeyForm} done=${() => {
      setLocked(false);
      reconnect();
    }} />`;
  }

  return html`<a class="skip" href="#main" onClick=${(event) => {
    event.preventDefault();
    document.querySelector("#main h1")?.focus();
  }}>To the content</a>
    <div class="frame">
      <${Menu} current=${route.names[0] ?? "runs"} connected=${connected} />
      <main id="main"><${Content} route=${route} /></main>
    </div>
    <${Keys} />
    <${Toasts} />`;
}
