import { type ChangeFeed, type ChangeListener, MemoryStore, MemoryStoreData } from "@warp/core";
import { type ChangeFeedSubject, changeFeedCases } from "../../src/index.ts";
import type { Mutant } from "./mutant.ts";
import { turn } from "./mutant.ts";

type Change = (base: MemoryStore, notes: Map<string, unknown>) => ChangeFeed["watch"];

const open = (change: Change): ChangeFeedSubject => {
  const data = new MemoryStoreData();
  const notes = new Map<string, unknown>();
  const state = { lost: false };
  const pause = (): Promise<void> | undefined => (state.lost ? Promise.reject(new Error("lost")) : undefined);
  const [store, second] = [new MemoryStore({ data, pause }), new MemoryStore({ data, pause })];
  const set = (keys: readonly string[]): void => {
    for (const key of keys) store.changeOutside(key, Uint8Array.of(1));
  };
  return {
    port: { portVersion: 1, watch: change(store, notes) },
    other: { portVersion: 1, watch: change(second, notes) },
    patienceMs: 200,
    change: set,
    interrupt: () => {
      state.lost = true;
      set(["lost"]);
      state.lost = false;
    },
  };
};

const mutant = (defect: string, caughtBy: readonly string[], change: Change): Mutant => ({
  defect,
  caughtBy,
  cases: changeFeedCases(() => open(change)),
});

const telling =
  (change: (listener: ChangeListener) => Partial<ChangeListener>): Change =>
  (base) =>
  (listener) =>
    base.watch({ onChange: (keys) => listener.onChange(keys), onGap: () => listener.onGap(), ...change(listener) });

export const changeFeedMutants: readonly Mutant[] = [
  mutant(
    "watch resolves before it is live",
    ["every change after watch resolved is told"],
    (base) => async (listener) => {
      const late = turn().then(() => base.watch(listener));
      return async () => (await late)();
    },
  ),
  mutant(
    "tells the first watcher only",
    ["every watcher is told, on every instance"],
    (base, notes) => async (listener) => {
      if (notes.has("watched")) return async () => {};
      notes.set("watched", true);
      const end = await base.watch(listener);
      return async () => {
        notes.delete("watched");
        await end();
      };
    },
  ),
  mutant(
    "tells of the first hundred keys",
    ["a change of many keys is told of every one, and each under its own name"],
    telling((listener) => {
      let told = 0;
      return {
        onChange: (keys) => {
          told += keys.length;
          if (told <= 100) listener.onChange(keys);
        },
      };
    }),
  ),
  mutant(
    "names trimmed keys",
    ["a change of many keys is told of every one, and each under its own name"],
    telling((listener) => ({ onChange: (keys) => listener.onChange(keys.map((key) => key.trim())) })),
  ),
  mutant(
    "tells of a key once",
    ["a key that changes again is told again"],
    telling((listener) => {
      const told = new Set<string>();
      return {
        onChange: (keys) => {
          const news = keys.filter((key) => !told.has(key));
          for (const key of news) told.add(key);
          if (news.length > 0) listener.onChange(news);
        },
      };
    }),
  ),
  mutant(
    "tells of a gap with every change",
    ["no gap is told where nothing went wrong"],
    telling((listener) => ({
      onChange: (keys) => {
        listener.onChange(keys);
        listener.onGap();
      },
    })),
  ),
  mutant(
    "a watch never ends",
    ["after its watch has ended a listener is told nothing, and the others still are"],
    (base) => async (listener) => {
      await base.watch(listener);
      return async () => {};
    },
  ),
  mutant(
    "the end of one watch ends all",
    ["after its watch has ended a listener is told nothing, and the others still are"],
    (base, notes) => async (listener) => {
      const ends = (notes.get("ends") as (() => Promise<void>)[] | undefined) ?? [];
      notes.set("ends", ends);
      ends.push(await base.watch(listener));
      return async () => {
        for (const end of ends) await end();
      };
    },
  ),
  mutant(
    "loses changes in silence",
    ["a watcher whose connection was broken is told of the gap, and of later changes"],
    telling(() => ({ onGap: () => {} })),
  ),
];
