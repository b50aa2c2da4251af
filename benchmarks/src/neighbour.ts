// The other process of the question "propagation": one node, told what to do by messages. Arguments: subject, meeting.
import { connect } from "nats";
import type { Closing } from "./child.ts";
import { type DistributedNode, distributed, type Meeting } from "./subjects/distributed.ts";

export type Order =
  | { readonly kind: "hold"; readonly keys: readonly string[] }
  /** Until the key is not held, or has the value; answered with the time by the machine's monotonic clock. */
  | { readonly kind: "await-drop"; readonly key: string }
  | { readonly kind: "await-value"; readonly key: string; readonly n: number }
  | { readonly kind: "read"; readonly keys: readonly string[] }
  | { readonly kind: "read-on"; readonly keys: readonly string[] }
  | { readonly kind: "stop-reading" }
  | { readonly kind: "write"; readonly keys: readonly string[]; readonly n: number }
  | { readonly kind: "echo"; readonly nats: string }
  /** Errors that nobody handled: each would have ended the process. */
  | { readonly kind: "count-unhandled" };

const patienceMs = 5_000;
/** Some peers do not answer for minutes once their bus was cut. What is not done by then is answered with null. */
const orderMs = 15_000;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const inParts = async (keys: readonly string[], work: (key: string) => Promise<unknown>): Promise<void> => {
  for (let at = 0; at < keys.length; at += 100) await Promise.all(keys.slice(at, at + 100).map(work));
};

/** Nanoseconds since the machine started: the same in all its processes. */
const nowNs = (): number => Number(process.hrtime.bigint());

const awaited = async (holds: () => Promise<boolean> | boolean): Promise<number> => {
  for (const began = nowNs(); await holds(); await nextTurn())
    if (nowNs() - began > patienceMs * 1e6) return Number.NaN;
  return nowNs();
};

let unhandled = 0;
let reading = false;
const readOn = async (node: DistributedNode, keys: readonly string[]): Promise<void> => {
  reading = true;
  while (reading) {
    await inParts(keys, (key) => node.get(key));
    await nextTurn();
  }
};

const obey = async (node: DistributedNode, order: Order | Closing): Promise<unknown> => {
  switch (order.kind) {
    case "hold":
      return inParts(order.keys, (key) => node.get(key));
    case "await-drop":
      return awaited(() => node.holds?.(order.key) === true);
    case "await-value":
      return awaited(async () => (await node.get(order.key))?.n !== order.n);
    case "read":
      return Promise.all(order.keys.map(async (key) => (await node.get(key))?.n ?? null));
    case "read-on":
      void readOn(node, order.keys);
      return undefined;
    case "stop-reading":
      reading = false;
      return undefined;
    case "write":
      return inParts(order.keys, (key) => node.set(key, { n: order.n }));
    case "echo": {
      const connection = await connect({ servers: order.nats });
      connection.subscribe("echo", { callback: (_, message) => void message.respond(message.data) });
      return connection.flush();
    }
    case "count-unhandled":
      return unhandled;
    case "close":
      await node.close();
      process.exit(0);
  }
};

const [, , name = "", meeting = ""] = process.argv;
const node = await distributed[name]?.open(JSON.parse(meeting) as Meeting);
if (node === undefined) throw new Error(`no such subject: ${name}`);
// Some peers leave errors behind that would end their process when their bus is cut.
for (const event of ["unhandledRejection", "uncaughtException"]) process.on(event, () => unhandled++);
process.on("message", (order: Order | Closing) => {
  const limit = new Promise((resolve) => setTimeout(resolve, orderMs, null).unref());
  void Promise.race([obey(node, order), limit]).then((answer) => process.send?.({ answer }));
});
process.send?.({ answer: "ready" });
