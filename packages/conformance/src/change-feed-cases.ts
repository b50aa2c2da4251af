import assert from "node:assert/strict";
import type { ChangeFeed, ChangeListener } from "@warp/core";
import { type CaseTable, type ConformanceCase, casesOf, type Need, type OpenSubject, type Subject } from "./case.ts";
import { oddKeys, range } from "./samples.ts";

/** A store that tells of changes made by others than Warp. */
export interface ChangeFeedSubject extends Subject<ChangeFeed> {
  /** Changes the value of each key the way others than Warp do it (psql, say). */
  readonly change: (keys: readonly string[]) => void | Promise<void>;
  /** Breaks the connection that the feed of `port` listens on, and restores it. Absent where a test cannot. */
  readonly interrupt?: (() => void | Promise<void>) | undefined;
}

const interrupting: Need<ChangeFeedSubject> = { fact: "interrupt", holds: ({ interrupt }) => interrupt !== undefined };

/** A watcher that remembers what it was told. */
class Recorder implements ChangeListener {
  readonly keys: Set<string> = new Set();
  calls = 0;
  gaps = 0;

  onChange(keys: readonly string[]): void {
    this.calls += 1;
    for (const key of keys) this.keys.add(key);
  }

  onGap(): void {
    this.gaps += 1;
  }

  hasAll(keys: readonly string[]): boolean {
    return keys.every((key) => this.keys.has(key));
  }
}

const changeFeedSuite: CaseTable<ChangeFeedSubject> = {
  "every change after watch resolved is told": async (feed, _other, time, { change }) => {
    for (const round of range(8)) {
      const recorder = new Recorder();
      const end = await feed.watch(recorder);
      await change([`k${round}`]);
      await time.until(`k${round} is told`, () => recorder.hasAll([`k${round}`]));
      await end();
    }
  },
  "every watcher is told, on every instance": async (feed, other, time, { change }) => {
    const recorders = [new Recorder(), new Recorder(), new Recorder()];
    const feeds = [feed, feed, other];
    for (const [index, recorder] of recorders.entries()) await feeds[index]?.watch(recorder);
    await change(["k"]);
    await time.until("all three are told", () => recorders.every((recorder) => recorder.hasAll(["k"])));
  },
  "a change of many keys is told of every one, and each under its own name": async (feed, _other, time, { change }) => {
    const recorder = new Recorder();
    await feed.watch(recorder);
    const keys = [...oddKeys, ...range(500).map((index) => `many:${index}`)];
    await change(keys);
    await time.until("every key is told", () => recorder.hasAll(keys));
    assert.equal(recorder.keys.size, keys.length, "a key that nobody changed");
  },
  "a key that changes again is told again": async (feed, _other, time, { change }) => {
    const recorder = new Recorder();
    await feed.watch(recorder);
    for (const _ of range(4)) {
      const before = recorder.calls;
      await change(["k"]);
      await time.until("the next change is told", () => recorder.calls > before);
    }
  },
  "no gap is told where nothing went wrong": async (feed, _other, time, { change }) => {
    const recorder = new Recorder();
    await feed.watch(recorder);
    await change(["a"]);
    await change(["b"]);
    await time.until("both are told", () => recorder.hasAll(["a", "b"]));
    assert.equal(recorder.gaps, 0);
  },
  "after its watch has ended a listener is told nothing, and the others still are": async (
    feed,
    _other,
    time,
    { change },
  ) => {
    const [ended, kept] = [new Recorder(), new Recorder()];
    const end = await feed.watch(ended);
    await feed.watch(kept);
    await change(["before"]);
    await time.until("both are told", () => ended.hasAll(["before"]) && kept.hasAll(["before"]));
    await end();
    await change(["after"]);
    await time.until("the one that is left is told", () => kept.hasAll(["after"]));
    await time.pass(30);
    assert.ok(!ended.keys.has("after"), "a change after the end");
    assert.equal(ended.gaps, 0);
  },
  "a watcher whose connection was broken is told of the gap, and of later changes": {
    needs: interrupting,
    check: async (feed, _other, time, { change, interrupt }) => {
      const recorder = new Recorder();
      await feed.watch(recorder);
      await interrupt?.();
      await time.until("the gap is told", () => recorder.gaps > 0);
      await time.until("changes are told again", async () => {
        await change(["later"]);
        return recorder.hasAll(["later"]);
      });
    },
  },
};

/** The contract of `ChangeFeed`. */
export const changeFeedCases = (open: OpenSubject<ChangeFeedSubject>): readonly ConformanceCase[] =>
  casesOf(open, [changeFeedSuite]);
