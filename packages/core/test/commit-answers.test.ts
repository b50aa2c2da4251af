import { describe, expect, it } from "@jest/globals";
import {
  type CallOptions,
  type CommitAnswer,
  MemoryStore,
  type Mutation,
  newOperationId,
  type OperationId,
  type StoredRecord,
  type Warp,
} from "../src/index.ts";
import { Cluster } from "./support/cluster.ts";
import { failOnUnhandledRejections } from "./support/outcomes.ts";

failOnUnhandledRejections();

class NotingStore extends MemoryStore {
  readonly asked: (CommitAnswer | undefined)[] = [];

  override commit(
    operation: OperationId,
    mutations: readonly Mutation[],
    options?: CallOptions,
    answer?: CommitAnswer,
  ): Promise<readonly (StoredRecord | undefined)[]> {
    this.asked.push(answer);
    return super.commit(operation, mutations, options, answer);
  }
}

describe("what a commit is asked for", () => {
  const open = async (): Promise<{ cluster: Cluster; warp: Warp; asked: (CommitAnswer | undefined)[] }> => {
    const cluster = new Cluster();
    const store = new NotingStore({ clock: cluster.clock, data: cluster.data });
    return { cluster, warp: await cluster.member("a", { store }), asked: store.asked };
  };

  it("is nothing where the writer knows what it left, but the store's time once a second", async () => {
    const { cluster, warp, asked } = await open();
    const writes = async (created: string): Promise<void> => {
      await cluster.run(warp.set("n:1", 1));
      await cluster.run(warp.delete("n:1"));
      await cluster.run(warp.transaction(async (transaction) => void transaction.set("n:2", 1)));
      await cluster.run(warp.getOrSet(created, () => 7));
    };
    await writes("n:3");
    expect(asked).toEqual(["records", "none", "none", "none"]);
    // Past what a new node asks the store in its first second.
    await cluster.clock.advance(3_000);
    asked.length = 0;
    await writes("n:4");
    expect(asked).toEqual(["records", "none", "none", "none"]);
  });

  it("is the record where the call names its operation, since that may have left another value", async () => {
    const { cluster, warp, asked } = await open();
    await cluster.run(warp.set("n:1", 1));
    await expect(cluster.run(warp.set("n:1", 2, { op: newOperationId() }))).resolves.toBe(3);
    expect(asked).toEqual(["records", "records"]);
  });
});
