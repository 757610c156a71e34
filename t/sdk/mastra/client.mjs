// The client, and Mastra's own functions made for it.

import { init } from "@mastra/inngest";
import { Inngest } from "inngest";

export const inngest = new Inngest({ id: "sdk" });

export const { createWorkflow, createStep } = init(inngest);
