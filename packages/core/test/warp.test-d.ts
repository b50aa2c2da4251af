import type { Duration, Loader, Transaction } from "../src/index.ts";
import { Warp } from "../src/index.ts";

interface Config {
  readonly theme: "dark" | "light";
}

interface User {
  readonly name: string;
}

type Catalog = {
  config: Config;
  [user: `user:${string}`]: User;
};

/** Compiles only if both are the same type. */
const same = <A, B>(_: [A, B] extends [B, A] ? true : never): void => undefined;

declare const warp: Warp<Catalog>;
declare const loader: Loader<User>;

const config = warp.get("config");
same<typeof config, Promise<Config>>(true);
const user = warp.get("user:7");
same<typeof user, Promise<User>>(true);
const found = warp.find("user:7");
same<typeof found, Promise<User | undefined>>(true);
const peeked = warp.peek("config");
same<typeof peeked, Config | undefined>(true);
const loaded = warp.getOrSet("user:7", loader, { persist: "none", refresh: true });
same<typeof loaded, Promise<User | undefined>>(true);
const many = warp.getMany(["user:1", "user:2"]);
same<typeof many, Promise<Map<"user:1" | "user:2", User>>>(true);
const stored = warp.set("config", { theme: "dark" }, { hardTimeout: "250ms" });
same<typeof stored, Promise<Config>>(true);
const then = warp.getAt("user:7", new Date());
same<typeof then, Promise<User>>(true);
const gone = warp.delete("user:7");
same<typeof gone, Promise<boolean>>(true);
const result = warp.transaction(async (txn) => (await txn.get("user:1"))?.name ?? "nobody");
same<typeof result, Promise<string>>(true);
const transaction: Transaction<Catalog> = warp.txn();
transaction.set("user:1", { name: "Ada" }).compareAndSwap("config", undefined, { theme: "light" }).delete("user:2");

void warp.setMany([["user:1", { name: "Ada" }]]);
void warp.getOrSetMany(["user:1"], ({ keys }) => new Map(keys.map((key) => [key, { name: key }])));

// @ts-expect-error no such key
void warp.get("confg");
// @ts-expect-error no such key
void warp.set("city:1", { name: "Ulm" });
// @ts-expect-error no such key
void warp.delete("users:1");
// @ts-expect-error no such key
void warp.getMany(["user:1", "city:1"]);
// @ts-expect-error the value of another key
void warp.set("config", { name: "Ada" });
// @ts-expect-error no such theme
void warp.set("config", { theme: "blue" });
// @ts-expect-error undefined is no value
void warp.set("config", undefined);
// @ts-expect-error a loader of something else
void warp.getOrSet("config", loader);
// @ts-expect-error the value of another key
void warp.setMany([["user:1", { theme: "dark" }]]);
// @ts-expect-error the value of another key
transaction.set("user:1", { theme: "dark" });
// @ts-expect-error no such key
transaction.delete("city:1");
// @ts-expect-error the value of another key
transaction.compareAndSwap("config", { name: "Ada" }, undefined);
// @ts-expect-error what is read is typed
void warp.get("user:7").then(({ theme }) => theme);

warp.register("user:*", { ttl: "5m", failSafe: { for: "1h", suspects: true }, storeTtl: 1_000, jitter: 0.1 });
warp.register("config", { ttl: Number.POSITIVE_INFINITY, mode: "strong-local" });
const durations: readonly Duration[] = [0, 250, "250ms", "1.5s", "5m", "1h", "7d"];
void durations;
// @ts-expect-error no unit
const bare: Duration = "5";
// @ts-expect-error no such unit
const weeks: Duration = "2w";
// @ts-expect-error no number
const soon: Duration = "soon";
void [bare, weeks, soon];
// @ts-expect-error a ttl is required
warp.register("user:*", {});
// @ts-expect-error no such unit
warp.register("user:*", { ttl: "5 minutes" });
// @ts-expect-error no such mode
warp.register("user:*", { ttl: "5m", mode: "strong" });
// @ts-expect-error no such option
warp.register("user:*", { ttl: "5m", tll: "5m" });
// @ts-expect-error no such option
void warp.set("config", { theme: "dark" }, { timeout: "1s" });
// @ts-expect-error reading keeps nothing
void warp.get("config", { persist: "none" });
// @ts-expect-error no such policy
new Warp({ onCacheError: "ignore" });
// @ts-expect-error no such option
new Warp({ localcache: false });
// @ts-expect-error no unit
new Warp({ deadlines: { store: "2" } });

// Without types of its own a node takes any key and any value.
declare const any: Warp;
const anything = any.get("whatever");
same<typeof anything, Promise<unknown>>(true);
void any.set("whatever", { x: 1 });
