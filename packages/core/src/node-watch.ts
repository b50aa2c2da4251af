import type { BackgroundErrors } from "./mechanisms/background-errors.ts";
import type { Cancel } from "./values/clock.ts";
import { invalid } from "./values/invalid.ts";

/** Who joined a cluster, and who left. */
export interface NodesChange {
  /** This node first. */
  readonly nodes: readonly string[];
  readonly joined: readonly string[];
  readonly left: readonly string[];
}

/** Told of each change, once. */
export type NodesListener = (change: NodesChange) => void;

/** Tells listeners when the members of a cluster change. */
export class NodeWatch {
  readonly #errors: BackgroundErrors;
  readonly #nodes: () => readonly string[];
  readonly #requireOpen: () => void;
  readonly #listeners: Set<{ readonly tell: NodesListener }> = new Set();
  #known: readonly string[] = [];

  constructor(nodes: () => readonly string[], errors: BackgroundErrors, requireOpen: () => void) {
    this.#nodes = nodes;
    this.#errors = errors;
    this.#requireOpen = requireOpen;
  }

  /** @returns Ends it. @throws {WarpError} `INVALID_ARGUMENT`, `CLOSED`. */
  add(tell: NodesListener): Cancel {
    this.#requireOpen();
    if (typeof tell !== "function") throw invalid("listener", "a function", tell);
    if (this.#listeners.size === 0) this.#known = this.#nodes();
    const listener = { tell };
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** The members may have changed. */
  look(): void {
    if (this.#listeners.size === 0) return;
    const nodes = this.#nodes();
    const joined = nodes.filter((node) => !this.#known.includes(node));
    const left = this.#known.filter((node) => !nodes.includes(node));
    this.#known = nodes;
    if (joined.length === 0 && left.length === 0) return;
    for (const { tell } of [...this.#listeners]) {
      try {
        tell({ nodes, joined, left });
      } catch (error) {
        this.#errors.add(error, { operation: "onNodesChanged" });
      }
    }
  }

  end(): void {
    this.#listeners.clear();
  }
}
