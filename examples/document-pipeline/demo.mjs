// What `make run` does once the server and the app run: registers the app,
// sends one document, and waits for the end of its run.
//
//   node demo.mjs SERVER_URL APP_URL

import { readFile } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";

const [server, app] = process.argv.slice(2);

async function until(what, seconds, attempt) {
  const end = Date.now() + seconds * 1000;
  let last = "nothing answers";

  while (Date.now() < end) {
    try {
      const value = await attempt();
      if (value !== undefined) {
        return value;
      }
    } catch (error) {
      last = error.cause?.message ?? error.message;
    }
    await pause(100);
  }

  throw new Error(`${what} within ${seconds} s: ${last}`);
}

async function json(url, options) {
  const response = await fetch(url, {
    ...options,
    signal: AbortSignal.timeout(5000),
  });
  const body = await response.json();

  if (!response.ok) {
    throw new Error(body.error ?? body.message ?? `HTTP ${response.status}`);
  }

  return body;
}

async function main() {
  await until("The server did not answer", 20, () => json(`${server}/health`));
  await until("The app was not registered", 30, () =>
    json(app, { method: "PUT" }),
  );

  const { ids } = await json(`${server}/e/dev`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      name: "document.uploaded",
      data: { name: "contract.pdf" },
    }),
  });

  const run = await until("The run did not end", 60, async () => {
    const { data } = await json(`${server}/v1/events/${ids[0]}/runs`);

    return data.find((r) => r.status !== "Running" && r.status !== "Queued");
  });

  if (run.status !== "Completed") {
    throw new Error(`The run ended as ${run.status}.`);
  }

  const next = await readFile(new URL("next-steps.txt", import.meta.url));

  console.log(`\nThe run has completed: ${JSON.stringify(run.output.id)}\n`);
  console.log(String(next).replaceAll("SERVER", server));
}

main().catch((error) => {
  console.error(`demo: ${error.message}`);
  process.exit(1);
});
