// Requests of the REST API below api/, next to this page: the envelope, the
// sentences of errors, and the key, which is kept for the session of the tab.

const KEY = "durable.key";
const keep = { key: null };

export const session = {
  mode: "production", read_only: false, key: false, user: null, version: "",
  redacted: false,
};

// Who wants to know that a key is asked for.
let refused = () => {};

export class ApiError extends Error {
  constructor(message, status, body) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

try {
  keep.key = sessionStorage.getItem(KEY);
} catch {
  // without storage the key lives as long as the page
}

export function setKey(key) {
  keep.key = key || null;

  try {
    if (key) {
      sessionStorage.setItem(KEY, key);
    } else {
      sessionStorage.removeItem(KEY);
    }
  } catch {
    // see above
  }
}

export function hasKey() {
  return keep.key !== null;
}

export function onRefused(handler) {
  refused = handler;
}

export function authorization() {
  return keep.key ? { Authorization: `Bearer ${keep.key}` } : {};
}

// Told by whoever is answered with 401, the feed as well.
export function refuse() {
  if (session.key) {
    refused();
  }
}

// Numbers that a double cannot hold stay as they were written.
function exactly(key, value, context) {
  if (typeof value === "number" && context?.source
      && /^-?\d{16,}$/.test(context.source)
      && BigInt(context.source) !== BigInt(value)) {
    return JSON.rawJSON(context.source);
  }
  return value;
}

export function parse(text) {
  if (JSON.rawJSON && /\d{16,}/.test(text)) {
    return JSON.parse(text, exactly);
  }
  return JSON.parse(text);
}

function query(params) {
  const q = new URLSearchParams();

  for (const [name, value] of Object.entries(params ?? {})) {
    if (value !== undefined && value !== null && value !== "") {
      q.set(name, value);
    }
  }
  const text = q.toString();
  return text ? `?${text}` : "";
}

// Who protects the dashboard asks for something, a login perhaps.
const AWAY = "Something before the server has answered. Reload the page, to "
  + "sign in again perhaps.";

function sentence(status, body) {
  if (body && typeof body.error === "string") {
    return body.error;
  }
  if (status === 401 || status === 403) {
    return AWAY;
  }
  if (status === 502 || status === 503 || status === 504) {
    return "The server is not ready.";
  }
  return `The server answered HTTP ${status}.`;
}

async function answerOf(response) {
  const text = await response.text();
  const type = response.headers.get("Content-Type") ?? "";

  if (!type.includes("json")) {
    if (response.ok && text !== "") {
      throw new ApiError(AWAY, response.status);
    }
    return null;
  }
  try {
    return parse(text);
  } catch {
    throw new ApiError("The answer of the server is cut off.",
      response.status);
  }
}

// request("POST", "v1/events/01../replay", { body, signal, params })
// -> { data, metadata }; what has no envelope is the data.
export async function request(method, path, options = {}) {
  const { body, signal, params } = options;
  const headers = { Accept: "application/json", ...authorization() };
  let response;

  if (method !== "GET") {
    headers["Content-Type"] = "application/json";
  }

  try {
    response = await fetch(`api/${path}${query(params)}`, {
      method, headers, signal, credentials: "same-origin",
      body: method === "GET" || method === "DELETE" ? undefined
        : typeof body === "string" ? body : JSON.stringify(body ?? {}),
    });
  } catch (error) {
    if (error.name === "AbortError") {
      throw error;
    }
    throw new ApiError("The server cannot be reached.", 0);
  }

  const answer = await answerOf(response);

  if (response.status === 401) {
    refuse();
  }
  if (!response.ok) {
    throw new ApiError(sentence(response.status, answer), response.status,
      answer);
  }
  if (answer && typeof answer === "object" && "data" in answer
      && (path === "session" || "metadata" in answer
          || Object.keys(answer).length === 1)) {
    return { data: answer.data, metadata: answer.metadata ?? {} };
  }
  return { data: answer, metadata: {} };
}

export const get = (path, params, signal) =>
  request("GET", path, { params, signal });
export const post = (path, body, options) =>
  request("POST", path, { ...options, body });
export const del = (path, options) => request("DELETE", path, options);

export async function loadSession() {
  const { data } = await get("session");

  Object.assign(session, data);
  return session;
}

export const part = encodeURIComponent;
