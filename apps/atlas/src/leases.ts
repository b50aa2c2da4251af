import { setTimeout as pause } from "node:timers/promises";
import type { Node } from "./bootstrap.ts";
import { type City, type CityKey, cityKey, largestByCountry } from "./data.ts";
import type { Draw } from "./draw.ts";
import { traffic } from "./traffic.ts";

type Lease = Awaited<ReturnType<Node["grantLease"]>>;

/** What revoking the leases did to the copies of the attached keys. */
export interface Revocation {
  readonly leases: number;
  readonly keys: number;
  /** Copies in the nodes' caches just before. */
  readonly copies: number;
  /** Copies from before that were still there once the nodes had told each other. */
  readonly left: number;
}

const citiesPerLease = 4;
const concurrency = 16;

/** A lease for each country, with its largest cities attached to it. Everything is asked of a node drawn anew. */
export class CountryLeases {
  readonly #nodes: readonly Node[];
  readonly #draw: Draw;
  readonly #leases: Lease[] = [];
  readonly #keys: CityKey[] = [];
  #copies = 0;
  #revokedAt = 0;

  constructor(nodes: readonly Node[], draw: Draw) {
    this.#nodes = nodes;
    this.#draw = draw;
  }

  async grant(cities: readonly City[]): Promise<void> {
    await traffic([...largestByCountry(cities, citiesPerLease).values()], { concurrency }, async (largest) => {
      const lease = await this.#node().grantLease({ ttl: "10m" });
      this.#leases.push(lease);
      for (const city of largest) {
        await this.#node().attachKey(lease, cityKey(city));
        this.#keys.push(cityKey(city));
      }
    });
  }

  async revoke(): Promise<void> {
    this.#copies = await this.#read();
    this.#revokedAt = performance.now();
    await traffic(this.#leases, { concurrency }, async (lease) => {
      await this.#node().revokeLease(lease);
    });
  }

  /** To be asked once the nodes have told each other. */
  async revocation(): Promise<Revocation> {
    const left = (await this.#born()).filter((at) => at < this.#revokedAt).length;
    return { leases: this.#leases.length, keys: this.#keys.length, copies: this.#copies, left };
  }

  /** Reads all keys, until there are copies to drop: a shared tier keeps none before its nodes have agreed on an epoch. */
  async #read(): Promise<number> {
    for (let patience = 50; ; patience -= 1) {
      await traffic(this.#nodes, { concurrency }, async (node) => {
        await node.getMany(this.#keys);
      });
      const copies = (await this.#born()).length;
      if (copies > 0 || patience === 0) return copies;
      await pause(200);
    }
  }

  /** When each copy that a node holds of an attached key came to be. */
  async #born(): Promise<readonly number[]> {
    const born: number[] = [];
    const copies = this.#nodes.flatMap((node) => this.#keys.map((key) => ({ node, key })));
    await traffic(copies, { concurrency }, async ({ node, key }) => {
      const { ageMs } = await node.inspect(key);
      // Warp counts ages in whole milliseconds, rounded up.
      if (ageMs !== undefined) born.push(performance.now() - ageMs + 1);
    });
    return born;
  }

  #node(): Node {
    return this.#nodes[this.#draw.integer(0, this.#nodes.length - 1)] as Node;
  }
}
