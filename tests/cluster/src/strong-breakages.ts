import { Fences } from "../../../packages/core/src/mechanisms/fences.ts";
import { Questions } from "../../../packages/core/src/mechanisms/questions.ts";
import { StoreAccess } from "../../../packages/core/src/mechanisms/store-access.ts";
import { replace, together } from "./breakages.ts";

export const unfenced = (): (() => void) => replace(Fences.prototype, "has", () => () => false);

/** The order in which revisions would come back. */
export const twoRevisions = (): (() => void) => {
  const ids = ["revision-one-of-two-000", "revision-two-of-two-000"];
  let next = 0;
  return replace(
    StoreAccess.prototype,
    "commit",
    (original) =>
      function (this: StoreAccess, _, ...call) {
        return original.call(this, ids[next++ % 2] as string, ...call);
      },
  );
};

export const lateReaders = (): (() => void) => {
  const asked = new WeakMap<object, Map<string, Promise<unknown>>>();
  return replace(
    Questions.prototype,
    "ask",
    (original) =>
      function (this: Questions<unknown, unknown, unknown>, key) {
        const open = asked.get(this) ?? new Map<string, Promise<unknown>>();
        asked.set(this, open);
        const known = open.get(key);
        if (known !== undefined) return known;
        const answer = original.call(this, key);
        open.set(key, answer);
        const end = (): boolean => open.delete(key);
        answer.then(end, end);
        return answer;
      },
  );
};

/** Whoever holds a copy is told that it stands. */
export const copiesUnasked: () => () => void = together(
  () =>
    replace(
      StoreAccess.prototype,
      "readOne",
      (original) =>
        async function (this: StoreAccess, key, unless) {
          const found = await original.call(this, key, unless);
          return unless === undefined ? found : "unchanged";
        },
    ),
  () =>
    replace(
      StoreAccess.prototype,
      "readEach",
      (original) =>
        async function (this: StoreAccess, keys, unless) {
          const found = await original.call(this, keys, unless);
          return found.map((one, index) => (unless[index] === undefined ? one : "unchanged"));
        },
    ),
);

export const keyByKey = (): (() => void) =>
  replace(
    StoreAccess.prototype,
    "readNow",
    (original) =>
      async function (this: StoreAccess, keys, unless) {
        const found: Awaited<ReturnType<typeof original>>[number][] = [];
        for (const [index, key] of keys.entries()) found.push(...(await original.call(this, [key], [unless[index]])));
        return found;
      },
  );

type Found = Awaited<ReturnType<StoreAccess["readNow"]>>[number];

const merelyGone = (found: Found): Found =>
  typeof found === "object" && found.value === undefined ? { ...found, expiresAt: undefined } : found;

/** Who finds a value expired tells so, and leaves it at that. */
export const unburied: () => () => void = together(
  ...(["get", "readOne"] as const).map(
    (name) => () =>
      replace(
        StoreAccess.prototype,
        name,
        (original) =>
          async function (this: StoreAccess, ...call: [string, string | undefined]) {
            return merelyGone(await original.apply(this, call));
          },
      ),
  ),
  ...(["readNow", "readEach"] as const).map(
    (name) => () =>
      replace(
        StoreAccess.prototype,
        name,
        (original) =>
          async function (this: StoreAccess, ...call) {
            return (await original.apply(this, call)).map(merelyGone);
          },
      ),
  ),
);

export const isLock = (key: string): boolean => key.includes("lock:");

/** Locks go to whoever asks, whoever has them. */
export const takeHeld = (): (() => void) => {
  return replace(
    StoreAccess.prototype,
    "getInternal",
    (original) =>
      async function (this: StoreAccess, key, ...rest) {
        const record = await original.call(this, key, ...rest);
        return isLock(key) && record !== undefined ? { ...record, value: undefined } : record;
      },
  );
};
