import { isDeepStrictEqual } from "node:util";
import { codeOf, type Node } from "./bootstrap.ts";
import { viewsKey } from "./data.ts";
import type { Ledger } from "./ledger.ts";
import type { Operation } from "./plan.ts";

type OfKind<Kind> = Extract<Operation, { readonly kind: Kind }>;

/** The middle of yesterday's life: the loader wrote a day ago, everybody else writes now. */
const halfADayMs = 43_200_000;

/** Does what users do, and writes down what they are told. */
export class Operations {
  readonly #nodes: readonly Node[];
  readonly #ledger: Ledger;

  constructor(nodes: readonly Node[], ledger: Ledger) {
    this.#nodes = nodes;
    this.#ledger = ledger;
  }

  async run(operation: Operation): Promise<void> {
    const from = performance.now();
    try {
      await this.#perform(operation);
    } catch (error) {
      this.#ledger.failed(operation.kind, codeOf(error));
      return;
    }
    this.#ledger.succeeded(operation.kind, performance.now() - from);
  }

  async #perform(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case "read":
        await this.#node(operation).get(this.#ledger.touch(operation.city));
        return;
      case "read many":
        await this.#node(operation).getMany(operation.cities.map((city) => this.#ledger.touch(city)));
        return;
      case "update":
        await this.#node(operation).set(this.#ledger.touch(operation.city), { temperature: operation.temperature });
        return;
      case "view":
        return await this.#view(operation);
      case "move":
        return await this.#move(operation);
      case "yesterday":
        return await this.#lookBack(operation);
    }
  }

  #node({ node }: { readonly node: number }): Node {
    return this.#nodes[node] as Node;
  }

  async #view({ city }: OfKind<"view">): Promise<void> {
    const results = await Promise.allSettled(this.#nodes.map((node) => node.set(viewsKey(city), 1)));
    const failures = results.filter((result) => result.status === "rejected").map(({ reason }) => reason as unknown);
    for (let confirmed = failures.length; confirmed < results.length; confirmed++)
      this.#ledger.counted(city, "resolved");
    for (const failure of failures)
      this.#ledger.counted(city, codeOf(failure) === "OUTCOME_UNKNOWN" ? "unknown" : "failed");
    if (failures.length > 0) throw failures[0];
  }

  async #move(operation: OfKind<"move">): Promise<void> {
    const [from, to] = [this.#ledger.touch(operation.from), this.#ledger.touch(operation.to)];
    await this.#node(operation).transaction(async (transaction) => {
      const [{ population: left = 0 } = {}, { population: settled = 0 } = {}] = await Promise.all([
        transaction.get(from),
        transaction.get(to),
      ]);
      const people = Math.min(operation.people, left);
      transaction.set(from, { population: left - people });
      transaction.set(to, { population: settled + people });
    });
  }

  async #lookBack({ node, city }: OfKind<"yesterday">): Promise<void> {
    const was = await this.#node({ node }).getAt(this.#ledger.touch(city), Date.now() - halfADayMs);
    if (!isDeepStrictEqual(was, city)) this.#ledger.wrongYesterdays++;
  }
}
