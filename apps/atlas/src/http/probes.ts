import type { Service } from "../bootstrap.ts";
import type { App } from "./type-provider.ts";

/**
 * What a node cannot do its work without. A cache that is down is no outage: Warp goes to the store. Taking every node
 * out of service for it would be one.
 */
const required: ReadonlySet<string> = new Set(["store", "bus"]);

/** Asked every few seconds: of no interest to the log as long as nothing is wrong. */
const quiet = { logLevel: "warn" } as const;

export const addProbes = (app: App, { node, metrics }: Service): void => {
  app.get("/live", quiet, async () => ({ live: true }));

  app.get("/ready", quiet, async (_request, reply) => {
    const status = node.status();
    const inState = (state: string): string[] =>
      Object.entries(status.ports)
        .filter(([, held]) => held === state)
        .map(([port]) => port);
    const down = inState("down");
    const ready = status.state === "open" && !down.some((port) => required.has(port));
    reply.code(ready ? 200 : 503);
    return { ready, down, degraded: inState("degraded"), status };
  });

  app.get("/metrics", quiet, async (_request, reply) => {
    const { contentType, text } = await metrics();
    reply.type(contentType);
    return text;
  });
};
