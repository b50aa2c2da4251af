import { describe, expect, it } from "@jest/globals";
import { newOperationId, type StoredRecord, WarpError } from "../src/index.ts";
import { Cluster, gate, never, watched } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

/** Loses the reply of the next `times` commits: each lands, and nobody hears of it. */
const losingReplies = (times: number) => {
  let left = times;
  return async (method: string): Promise<void> => {
    if (method === "commit" && left-- > 0) throw new Error("connection reset");
  };
};

const operations = (record: StoredRecord | undefined): number => record?.operations.length ?? 0;

describe("a commit whose reply is lost", () => {
  it("is found in the store by its operation, and counts once", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    await cluster.run(a.set("n:1", 5));
    store.faults.after = losingReplies(1);
    await expect(cluster.run(a.set("n:1", 1))).resolves.toBe(6);
    expect(operations(cluster.data.current("n:1"))).toBe(2);
    expect(store.calls.filter((method) => method === "commit")).toHaveLength(2);
  });

  it("counts once however often the reply is lost, and whatever other nodes do meanwhile", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a, b] = [await cluster.member("a", { store: store.port }), await cluster.member("b")];
    let lost = 0;
    store.faults.after = async (method) => {
      if (method !== "commit" || lost++ % 2 === 0) return;
      throw new Error("connection reset");
    };
    const writes = Array.from({ length: 14 }, (_, index) => (index % 2 === 0 ? a : b).set("n:1", 1));
    await cluster.run(Promise.all(writes));
    expect(cluster.stored("n:1")).toBe(14);
    expect(lost).toBeGreaterThan(5);
  });

  it("is found though another node wrote on top of it", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a, b] = [await cluster.member("a", { store: store.port }), await cluster.member("b")];
    const { opened, open } = gate();
    store.faults.after = async (method) => {
      if (method !== "commit") return;
      await opened;
      throw new Error("connection reset");
    };
    const write = a.set("n:1", 1);
    await cluster.settle();
    await cluster.run(b.set("n:1", 10));
    open();
    await expect(cluster.run(write)).resolves.toBe(1);
    expect(cluster.stored("n:1")).toBe(11);
    expect(a.peek("n:1")).toBeUndefined();
  });
});

describe("a commit whose request is lost", () => {
  it("is sent again as the same attempt while the store still holds what it expects", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    const sent: unknown[] = [];
    let lost = 0;
    store.faults.before = async (method, [operation]) => {
      if (method !== "commit") return;
      sent.push(operation);
      if (lost++ < 2) throw new Error("connection refused");
    };
    await expect(cluster.run(a.set("n:1", 1))).resolves.toBe(1);
    expect(sent).toHaveLength(3);
    expect(new Set(sent).size).toBe(1);
  });

  it("is begun anew, as another operation, once somebody else has written", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a, b] = [await cluster.member("a", { store: store.port }), await cluster.member("b")];
    const sent: unknown[] = [];
    const { opened, open } = gate();
    store.faults.before = async (method, [operation]) => {
      if (method !== "commit") return;
      sent.push(operation);
      if (sent.length > 1) return;
      await opened;
      throw new Error("connection reset");
    };
    const write = a.set("n:1", 1);
    await cluster.settle();
    await cluster.run(b.set("n:1", 10));
    open();
    await expect(cluster.run(write)).resolves.toBe(11);
    expect(new Set(sent).size).toBe(2);
    expect(cluster.stored("n:1")).toBe(11);
  });
});

describe("an outcome that cannot be found out any more", () => {
  it("is OUTCOME_UNKNOWN once so many writes came since that the record has forgotten", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a, b] = [await cluster.member("a", { store: store.port }), await cluster.member("b")];
    const { opened, open } = gate();
    store.faults.after = async (method) => {
      if (method !== "commit") return;
      await opened;
      throw new Error("connection reset");
    };
    const write = cluster.failure(a.set("n:1", 1000));
    await cluster.settle();
    for (let count = 0; count < 16; count++) await cluster.run(b.set("n:1", 1));
    open();
    const error = await write;
    expect(error).toMatchObject({ code: "OUTCOME_UNKNOWN", key: "n:1", operation: "set", port: "store" });
    expect((error.cause as WarpError).cause).toEqual(new Error("connection reset"));
    // It had landed: whoever sends it again on his own account counts it twice, which is why Warp did not.
    expect(cluster.stored("n:1")).toBe(1016);
    store.faults.after = undefined;
    await expect(cluster.run(a.get("n:1"))).resolves.toBe(1016);
  });

  it("is OUTCOME_UNKNOWN after the caller's deadline, settled behind its back, and dropped now and again", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const bus = watched(cluster.bus());
    const a = await cluster.member("a", { store: store.port, bus: bus.port });
    const b = await cluster.member("b");
    await cluster.run(a.set("k:1", "old"));
    await cluster.run(b.get("k:1"));
    await cluster.settle();
    let answers = false;
    const { opened, open } = gate();
    store.faults.before = (method) => {
      if (method === "commit") return opened;
      return answers ? undefined : never;
    };
    const error = await cluster.failure(a.set("k:1", "new", { hardTimeout: "1s" }));
    expect(error.code).toBe("OUTCOME_UNKNOWN");
    expect((error.cause as WarpError).code).toBe("DEADLINE_EXCEEDED");
    // The store's own deadline makes it an unsettled key: nobody may serve what it may have replaced.
    await cluster.clock.advance(1_500);
    expect(a.peek("k:1")).toBeUndefined();
    expect(b.peek("k:1")).toBeUndefined();
    answers = true;
    await expect(cluster.run(b.get("k:1"))).resolves.toBe("old");
    open();
    await cluster.clock.advance(20_000);
    expect(cluster.stored("k:1")).toBe("new");
    expect(b.peek("k:1")).toBeUndefined();
    await expect(cluster.run(b.get("k:1"))).resolves.toBe("new");
  });

  it("that lands after the caller's deadline but within the store's is told to everybody", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a, b] = [await cluster.member("a", { store: store.port }), await cluster.member("b")];
    await cluster.run(a.set("k:1", "old"));
    await cluster.settle();
    const { opened, open } = gate();
    store.faults.after = (method) => (method === "commit" ? opened : undefined);
    expect((await cluster.failure(a.set("k:1", "new", { hardTimeout: 50 }))).code).toBe("OUTCOME_UNKNOWN");
    // A reader that asked before the commit took place would hold this.
    expect(cluster.stored("k:1")).toBe("new");
    open();
    await cluster.clock.advance(100);
    await expect(cluster.run(b.get("k:1"))).resolves.toBe("new");
    await expect(cluster.run(a.get("k:1"))).resolves.toBe("new");
  });

  it("is given up once the store can no longer take it, and is not retried after its caller left", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store({ landsWithinMs: 5_000 }));
    const a = await cluster.member("a", { store: store.port });
    store.faults.before = async (method) => {
      if (method === "commit") throw new Error("connection refused");
    };
    const error = await cluster.failure(a.set("n:1", 1, { hardTimeout: "3s" }));
    expect(error.code).toBe("OUTCOME_UNKNOWN");
    const sent = store.calls.filter((method) => method === "commit").length;
    store.faults.before = undefined;
    await cluster.clock.advance(20_000);
    expect(store.calls.filter((method) => method === "commit")).toHaveLength(sent);
    expect(cluster.data.current("n:1")).toBeUndefined();
    await cluster.run(a.close());
  });

  it("does not hide the drop behind a failing shared tier", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const shared = watched(cluster.sharedCache());
    const a = await cluster.member("a", { store: store.port, sharedCache: shared.port, onCacheError: "reject" });
    await cluster.clock.advance(5_000);
    await cluster.run(a.set("n:1", 5));
    store.faults.after = losingReplies(1);
    shared.faults.before = async (method) => {
      if (method === "drop") throw new Error("no route");
    };
    // The tier's error surfaces, but only once the store's outcome is known.
    const error = await cluster.failure(a.set("n:1", 1));
    expect(error).toMatchObject({ code: "UNAVAILABLE", port: "shared-cache" });
    expect(cluster.stored("n:1")).toBe(6);
    expect(operations(cluster.data.current("n:1"))).toBe(2);
  });
});

describe("a call that names its operation", () => {
  it("takes effect once however often it is repeated, on whichever node", async () => {
    const cluster = new Cluster();
    const [a, b] = [await cluster.member("a"), await cluster.member("b")];
    const op = newOperationId();
    await expect(cluster.run(a.set("n:1", 5, { op }))).resolves.toBe(5);
    await cluster.run(b.set("n:1", 10));
    await expect(cluster.run(a.set("n:1", 5, { op }))).resolves.toBe(15);
    await expect(cluster.run(b.set("n:1", 5, { op }))).resolves.toBe(15);
    expect(cluster.stored("n:1")).toBe(15);
  });

  it("can be repeated after OUTCOME_UNKNOWN, also while the first is still under way", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a, b] = [await cluster.member("a", { store: store.port }), await cluster.member("b")];
    const op = newOperationId();
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    expect((await cluster.failure(a.set("n:1", 1, { op, hardTimeout: 100 }))).code).toBe("OUTCOME_UNKNOWN");
    await expect(cluster.run(b.set("n:1", 1, { op }))).resolves.toBe(1);
    open();
    await cluster.clock.advance(10_000);
    expect(cluster.stored("n:1")).toBe(1);
    await expect(cluster.run(a.set("n:1", 1, { op }))).resolves.toBe(1);
  });

  it("resolves and keeps what the store holds where a repetition on another node landed first", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a, b] = [await cluster.member("a", { store: store.port }), await cluster.member("b")];
    const op = newOperationId();
    const { opened, open } = gate();
    store.faults.before = (method) => (method === "commit" ? opened : undefined);
    const slow = a.set("n:1", 1, { op });
    await cluster.settle();
    await cluster.run(b.set("n:1", 10));
    await expect(cluster.run(b.set("n:1", 1, { op }))).resolves.toBe(11);
    open();
    await expect(cluster.run(slow)).resolves.toBe(11);
    await expect(cluster.run(a.get("n:1"))).resolves.toBe(11);
    expect(cluster.stored("n:1")).toBe(11);
  });

  it("to delete does not delete what was written since", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const [a, b] = [await cluster.member("a", { store: store.port }), await cluster.member("b")];
    await cluster.run(a.set("k:1", "old"));
    const op = newOperationId();
    await expect(cluster.run(a.delete("k:1", { op }))).resolves.toBe(true);
    await cluster.run(b.set("k:1", "new"));
    await cluster.settle();
    await cluster.run(a.get("k:1"));
    await expect(cluster.run(a.delete("k:1", { op }))).resolves.toBe(true);
    expect(cluster.stored("k:1")).toBe("new");
  });
});

describe("an adapter's own error", () => {
  it("means that nothing has changed, and is neither settled nor retried", async () => {
    const cluster = new Cluster();
    const store = watched(cluster.store());
    const a = await cluster.member("a", { store: store.port });
    store.calls.length = 0;
    const cause = new Error("25006");
    const refusal = new WarpError("UNAVAILABLE", "read-only replica", { port: "store", cause });
    store.faults.before = async (method) => {
      if (method === "commit") throw refusal;
    };
    expect(await cluster.failure(a.set("k:1", 1))).toMatchObject({
      ...{ code: "UNAVAILABLE", message: "read-only replica", cause, port: "store" },
      // The adapter knows neither.
      ...{ key: "k:1", operation: "set" },
    });
    await cluster.clock.advance(10_000);
    expect(store.calls.filter((method) => method === "commit")).toHaveLength(1);
  });

  it("that comes because the call was aborted at its deadline says nothing about the outcome", async () => {
    const cluster = new Cluster();
    const target = cluster.store();
    const store = watched(target);
    const a = await cluster.member("a", { store: store.port });
    let first = true;
    store.faults.after = (method, parameters) => {
      if (method !== "commit" || !first) return undefined;
      first = false;
      const { signal } = parameters[2] as { signal: AbortSignal };
      return new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new WarpError("UNAVAILABLE", "cancelled", { port: "store" })));
      });
    };
    await expect(cluster.run(a.set("n:1", 1, { hardTimeout: "30s" }))).resolves.toBe(1);
    expect(cluster.stored("n:1")).toBe(1);
  });
});
