// A list by cursor that is read on at its end and stays up to date at its
// top.  Rows are kept by their id: one that changes changes in place.  New
// ones come in at the top while it is looked at; who has scrolled is told how
// many there are.

import { html, useCallback, useEffect, useReducer, useRef }
  from "../../vendor/preact.js";
import { sentenceOf } from "../hooks.js";
import { Button } from "./basic.js";
import { Time, count } from "./time.js";

const EMPTY_PAGES = 5;          // that are read on by themselves
const REST = 20;                // times what a request took
const LEAST = 1000;
const KEEP = 2000;              // rows of a page that is left open

function start() {
  return { rows: [], cursor: null, done: false, busy: false, error: null,
    status: 0, fresh: [], looked: 0, oldest: null, version: 0, rest: 0,
    timer: 0, again: false, abort: new AbortController() };
}

// Rows do not move under a pointer that is about to choose one.
const HOLD = 2000;
let pointed = -HOLD;

document.addEventListener("pointermove", ({ target }) => {
  if (target.closest?.("table.rows")) {
    pointed = performance.now();
  }
}, { passive: true });

const held = () => performance.now() - pointed < HOLD;
const atTop = () => window.scrollY < 160 && !held();

function merge(list, page, id) {
  const known = new Map(list.rows.map((row) => [id(row), row]));
  const first = page.data.map((row) => {
    const old = known.get(id(row));
    known.delete(id(row));
    return old && JSON.stringify(old) === JSON.stringify(row) ? old : row;
  });
  const last = page.data.length ? id(page.data.at(-1)) : "";
  const cut = page.metadata.cursor;

  // more has come than a page holds: the rows before are far away
  if (cut && page.data.length && known.size === list.rows.length) {
    return null;
  }
  // what the page reaches over and no longer has is gone, the rest stays
  return [...first, ...[...known.values()].filter(
    (row) => cut && (last === "" || id(row) < (cut < last ? cut : last)))];
}

// usePages((cursor, signal) => get(..), (row) => row.id, deps) -> { rows,
// done, error, status, fresh, showFresh, refresh, again, change, Foot }.
export function usePages(fetchPage, id, deps) {
  const [, draw] = useReducer((n) => n + 1, 0);
  const keep = useRef(null);
  const fetcher = useRef(null);

  fetcher.current = fetchPage;
  keep.current ??= start();

  const fail = useCallback((list, error) => {
    if (keep.current === list && error.name !== "AbortError") {
      list.error = sentenceOf(error);
      list.status = error.status ?? 0;
      list.done = true;
    }
  }, []);

  // Reads on behind the cursor; through empty pages by itself for a while.
  const more = useCallback(async () => {
    const list = keep.current;

    if (list.busy || (list.done && !list.error)) {
      return;
    }
    list.busy = true;
    list.error = null;
    draw();
    try {
      for (let i = 0, found = 0; i < EMPTY_PAGES && found < 20; i++) {
        const page = await fetcher.current(list.cursor, list.abort.signal);

        if (keep.current !== list) {
          return;
        }
        const known = new Set(list.rows.map(id));
        const rows = page.data.filter((row) => !known.has(id(row)));

        found += rows.length;
        list.rows = [...list.rows, ...rows];
        list.cursor = page.metadata.cursor ?? null;
        list.looked += page.metadata.scanned?.rows ?? page.data.length;
        list.oldest = page.metadata.scanned?.oldest ?? list.oldest;
        list.done = list.cursor === null;
        if (list.done) {
          break;
        }
        draw();
      }
    } catch (error) {
      fail(list, error);
    }
    list.busy = false;
    if (keep.current === list) {
      if (list.again) {
        plan(list);
      }
      draw();
    }
  }, []);

  const look = useCallback(async (list) => {
    const began = performance.now();

    list.again = false;
    list.looking = true;
    try {
      const page = await fetcher.current(null, list.abort.signal);

      if (keep.current === list) {
        list.error = null;
        take(list, page);
        draw();
      }
    } catch (error) {
      if (list.rows.length === 0) {
        fail(list, error);
        draw();
      }
    }
    list.looking = false;
    list.rest = performance.now() + Math.min(10000,
      Math.max(LEAST, (performance.now() - began) * REST));
    if (list.again && keep.current === list) {
      plan(list);
    }
  }, []);

  const take = useCallback((list, page) => {
    const known = new Set(list.rows.map(id));
    const news = page.data.filter((row) => !known.has(id(row)));

    if (atTop() || list.rows.length === 0) {
      const rows = list.rows.length ? merge(list, page, id) : null;

      if (rows === null) {
        list.cursor = page.metadata.cursor ?? null;
        list.done = list.cursor === null;
      } else if (rows.length > KEEP) {
        list.cursor = id(rows[KEEP - 1]);
        list.done = false;
      }
      list.rows = (rows ?? page.data).slice(0, KEEP);
      list.fresh = [];
      return;
    }
    if (held()) {
      list.again = true;
    }
    const rows = new Map(page.data.map((row) => [id(row), row]));

    list.rows = list.rows.map((row) => rows.get(id(row)) ?? row);
    list.fresh = news.filter((row) => id(row) > id(list.rows[0])).map(id);
  }, []);

  const plan = useCallback((list) => {
    clearTimeout(list.timer);
    list.timer = setTimeout(() => {
      if (keep.current === list) {
        look(list);
      }
    }, Math.max(0, list.rest - performance.now()));
  }, []);

  // Something has changed: the first page is read again, soon.
  const refresh = useCallback(() => {
    const list = keep.current;

    if (list.looking || list.busy) {
      list.again = true;
    } else {
      plan(list);
    }
  }, []);

  const showFresh = useCallback(() => {
    window.scrollTo({ top: 0 });
    pointed = -HOLD;
    keep.current.rest = 0;
    plan(keep.current);
  }, []);

  const change = useCallback((each) => {
    const list = keep.current;
    const rows = list.rows.map(each);

    if (rows.some((row, i) => row !== list.rows[i])) {
      list.rows = rows;
      draw();
    }
  }, []);

  useEffect(() => {
    keep.current.abort.abort();
    clearTimeout(keep.current.timer);

    const before = keep.current.rows;

    // the old rows stay until the new ones are there
    keep.current = start();
    keep.current.stale = before;
    more();
    return () => {
      keep.current.abort.abort();
      clearTimeout(keep.current.timer);
    };
  }, deps);

  const list = keep.current;
  const stale = list.rows.length === 0 && list.busy && list.stale;

  return { rows: stale || list.rows, done: list.done, error: list.error,
    status: list.status, fresh: list.fresh.length, showFresh, refresh, change,
    again: more, Foot: Foot_(list, more) };
}

// What is below the rows; reads on when it comes into view.
function Foot_(list, more) {
  const memo = useRef(null);
  const now = useRef(null);

  now.current = { list, more };
  memo.current ??= ({ what }) => html`<${Foot} ...${now.current}
    what=${what} />`;
  return memo.current;
}

function Foot({ list, more, what }) {
  const end = useRef(null);
  const open = !list.done && !list.busy && !list.error;
  const found = list.rows.length;

  useEffect(() => {
    if (!open || found === 0 || !end.current) {
      return undefined;
    }
    const observer = new IntersectionObserver((entries) => {
      if (entries.some((entry) => entry.isIntersecting)
          && window.scrollY > 0) {
        more();
      }
    }, { rootMargin: "400px" });

    observer.observe(end.current);
    return () => observer.disconnect();
  }, [open, found]);

  if (list.error && found === 0) {
    return null;
  }
  const looked = !list.done && list.looked > found && html`<span>Looked at ${
    count(list.looked)} ${what}${list.oldest && html`, back to <${Time}
    at=${list.oldest} />`}.</span>`;

  return html`<div class="foot" ref=${end} aria-busy=${list.busy
    ? "true" : null}>
    ${list.busy ? html`<span role="status">Reading …</span>` : null}
    ${!list.busy && looked}
    ${open && html`<${Button} onClick=${more}>${looked ? "Go on"
      : "More"}</${Button}>`}
    ${list.done && found > 0 && !list.busy && html`<span>No more ${what
    }.</span>`}
  </div>`;
}
