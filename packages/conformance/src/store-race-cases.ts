import assert from "node:assert/strict";
import { conflictsOf, type Revision, type Store } from "@warp/core";
import { assertBytes } from "./assertions.ts";
import type { CaseTable } from "./case.ts";
import { bytesOf, range, textOf } from "./samples.ts";
import { checkOf, deleteOf, newOperation, put, putAll, putOf, readRecord, remove, winnersOf } from "./store-steps.ts";
import { atomicBatch, type StoreSubject } from "./store-subject.ts";

/** Twenty commits on one expectation, half of them from each instance: one may land. */
const assertOneWinner = async (
  store: Store,
  other: Store,
  expected: Revision | null,
  deleting: boolean,
): Promise<void> => {
  const commits = range(20).map((index) => {
    const mutation =
      deleting && index % 3 === 0 ? deleteOf("k", { expected }) : putOf("k", `from ${index}`, { expected });
    return (index % 2 === 0 ? store : other).commit(newOperation(), [mutation]);
  });
  const winners = await winnersOf(commits);
  assert.equal(winners.length, 1, `${winners.length} of 20 commits on one expectation landed`);
  const winner = (await commits[winners[0] as number])?.[0];
  assert.equal((await readRecord(store, "k")).revision, winner?.revision, "the record is the winner's");
};

const numberIn = (value: Uint8Array | undefined): number => Number(textOf(value as Uint8Array));

/** Runs `attempt` until it does not end in a conflict. */
const retryConflicts = async (attempt: () => Promise<unknown>): Promise<void> => {
  for (const _ of range(500)) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (conflictsOf(error) === undefined) throw error;
    }
  }
  assert.fail("500 attempts in a row lost to another writer");
};

const transfer = (store: Store, amount: number, from: string, to: string): Promise<void> =>
  retryConflicts(async () => {
    const [a, b] = await Promise.all([readRecord(store, from), readRecord(store, to)]);
    await store.commit(newOperation(), [
      putOf(from, String(numberIn(a.value) - amount), { expected: a.revision }),
      putOf(to, String(numberIn(b.value) + amount), { expected: b.revision }),
    ]);
  });

const accounts = ["acc:0", "acc:1", "acc:2"];

const totalOf = async (store: Store): Promise<number> => {
  let total = 0;
  for (const record of await store.getMany(accounts)) {
    assert.ok(record !== undefined && record !== "unchanged");
    total += numberIn(record.value);
  }
  return total;
};

const transfers = (store: Store, other: Store, count: number): Promise<unknown> =>
  Promise.all(
    range(count).map((index) => {
      const from = accounts[index % 3] as string;
      const to = accounts[(index + 1 + (index % 2)) % 3] as string;
      // Amounts of their own, so that no two transfers cancel each other before a reader's eyes.
      return transfer(index % 2 === 0 ? store : other, 2 ** (index % 8), from, to);
    }),
  );

/** What holds when several writers meet. */
export const storeRaceCases: CaseTable<StoreSubject> = {
  "of many commits at once on no record exactly one lands": async (store, other) => {
    await assertOneWinner(store, other, null, false);
  },
  "of many commits at once on one revision exactly one lands": async (store, other) => {
    const { revision } = await put(store, "k", "x");
    await assertOneWinner(store, other, revision, true);
  },
  "of many commits at once on one tombstone exactly one lands": async (store, other) => {
    await put(store, "k", "x");
    const { revision } = await remove(store, "k");
    await assertOneWinner(store, other, revision, false);
  },
  "of many commits at once on one expired value exactly one lands": async (store, other, time) => {
    const { revision } = await put(store, "k", "x", { ttlMs: 20 });
    await time.pass(20);
    await time.until("the expiry", async () => (await readRecord(store, "k")).value === undefined);
    await assertOneWinner(store, other, revision, true);
  },
  "no increment is lost between writers that read, then commit on what they read": async (store, other) => {
    await put(store, "n", "0");
    const increment = (instance: Store): Promise<void> =>
      retryConflicts(async () => {
        const { value, revision } = await readRecord(instance, "n");
        await put(instance, "n", String(numberIn(value) + 1), { expected: revision });
      });
    await Promise.all(
      range(6).map(async (index) => {
        for (const _ of range(4)) await increment(index % 2 === 0 ? store : other);
      }),
    );
    assertBytes((await readRecord(store, "n")).value, bytesOf("24"), "the counter");
  },
  "commits that overlap in opposite orders all end, and none is half done": {
    needs: atomicBatch,
    check: async (store, other) => {
      await putAll(store, accounts, "100");
      await transfers(store, other, 18);
      assert.equal(await totalOf(store), 300);
      assert.equal(await totalOf(other), 300);
    },
  },
  "getMany sees one state of the store, not half a commit": {
    needs: atomicBatch,
    check: async (store, other) => {
      await putAll(store, accounts, "100");
      const writing = { done: false };
      const writers = transfers(store, other, 18).finally(() => {
        writing.done = true;
      });
      // However long they take: on some stores that is a matter of how many of them meet.
      const reading = async (): Promise<void> => {
        while (!writing.done) assert.equal(await totalOf(other), 300, "a reader saw half a commit");
      };
      const reader = reading();
      // Both end before the subject closes, whichever fails.
      await Promise.allSettled([writers, reader]);
      await Promise.all([writers, reader]);
    },
  },
  "of two commits that each check what the other writes at most one lands": {
    needs: atomicBatch,
    check: async (store, other) => {
      for (const round of range(8)) {
        const [x, y] = [await put(store, `x${round}`, "0"), await put(store, `y${round}`, "0")];
        const winners = await winnersOf([
          store.commit(newOperation(), [
            checkOf(`x${round}`, x.revision),
            putOf(`y${round}`, "1", { expected: y.revision }),
          ]),
          other.commit(newOperation(), [
            putOf(`x${round}`, "1", { expected: x.revision }),
            checkOf(`y${round}`, y.revision),
          ]),
        ]);
        assert.ok(winners.length <= 1, "each wrote what the other had relied on");
      }
    },
  },
  "of two commits that each check that the other's key is absent at most one lands": {
    needs: atomicBatch,
    check: async (store, other) => {
      for (const round of range(8)) {
        const [x, y] = [`x${round}`, `y${round}`];
        const winners = await winnersOf([
          store.commit(newOperation(), [checkOf(x, undefined), putOf(y, "1")]),
          other.commit(newOperation(), [putOf(x, "1"), checkOf(y, undefined)]),
        ]);
        assert.ok(winners.length <= 1, "each created what the other had relied on being absent");
      }
    },
  },
};
