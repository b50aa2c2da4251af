import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import { type City, type CityKey, cityKey, type ViewsKey, viewsKey } from "./data.ts";
import type { Kind } from "./plan.ts";

/** Increments of one counter: those that were confirmed, and those of which nobody knows. */
export interface Count {
  readonly resolved: number;
  readonly unknown: number;
}

/** What became of the operations of one kind. */
export interface Tally {
  /** Of those that succeeded, in nanoseconds. */
  readonly times: RecordableHistogram;
  /** Error codes, and how often each came. */
  readonly failures: Map<string, number>;
}

/** What the callers know: written down next to Warp, so that Warp can be checked against it. */
export class Ledger {
  readonly tallies: Map<Kind, Tally> = new Map();
  readonly counts: Map<ViewsKey, Count> = new Map();
  readonly cities: Set<CityKey> = new Set();
  /** Answers about yesterday that were not what was loaded then. */
  wrongYesterdays = 0;

  touch(city: City): CityKey {
    const key = cityKey(city);
    this.cities.add(key);
    return key;
  }

  /** @param outcome `failed`: it certainly did not take place. */
  counted(city: City, outcome: "resolved" | "unknown" | "failed"): void {
    const key = viewsKey(city);
    const { resolved, unknown } = this.counts.get(key) ?? { resolved: 0, unknown: 0 };
    this.counts.set(key, {
      resolved: resolved + (outcome === "resolved" ? 1 : 0),
      unknown: unknown + (outcome === "unknown" ? 1 : 0),
    });
  }

  succeeded(kind: Kind, ms: number): void {
    this.#tally(kind).times.record(Math.max(1, Math.round(ms * 1e6)));
  }

  failed(kind: Kind, code: string): void {
    const { failures } = this.#tally(kind);
    failures.set(code, (failures.get(code) ?? 0) + 1);
  }

  #tally(kind: Kind): Tally {
    const tally = this.tallies.get(kind) ?? { times: createHistogram(), failures: new Map() };
    this.tallies.set(kind, tally);
    return tally;
  }
}
