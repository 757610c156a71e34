// Uploads one document, in words only: sends the event that starts a run.
//
//   INNGEST_DEV=http://127.0.0.1:8288 node send.mjs [name]

import { inngest } from "./pipeline.mjs";

const name = process.argv[2] ?? "contract.pdf";

const { ids } = await inngest.send({
  name: "document.uploaded",
  data: { name },
});

console.log(`sent document.uploaded (${name}) as event ${ids[0]}`);
