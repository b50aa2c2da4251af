import { setTimeout as pause } from "node:timers/promises";
import type { PgQueryable } from "../src/index.ts";

/** Resolves once `condition` holds. */
export const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`did not come about: ${what}`);
    await pause(2);
  }
};

/** Server processes that wait for a lock in a statement on `table`. */
export const lockWaiters = async (client: PgQueryable, table: string): Promise<readonly number[]> => {
  const rows = await client.query(
    "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%' || $1::text || '%'",
    [table],
  );
  return rows.map(({ pid }) => Number(pid));
};

export const untilWaiting = (client: PgQueryable, table: string, count = 1): Promise<void> =>
  until(`${count} waiting for a lock`, async () => (await lockWaiters(client, table)).length >= count);

/** What `promise` rejects with. */
export const rejectionOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
