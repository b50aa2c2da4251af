import {
  MemorySharedCache,
  MemorySharedCacheData,
  type Random,
  type SharedCache,
  type SharedPut,
  type SharedSlot,
  systemRandom,
} from "@warp/core";
import { type SharedCacheSubject, sharedCacheCases } from "../../src/index.ts";
import { ManualClock } from "../manual-clock.ts";
import { type Mutant, turn } from "./mutant.ts";

/** What the two instances of a subject share. */
interface Tier {
  readonly clock: ManualClock;
  readonly data: MemorySharedCacheData;
  readonly notes: Map<string, unknown>;
}

type Change = (base: MemorySharedCache, tier: Tier) => Partial<SharedCache>;

const delegate = (base: MemorySharedCache): SharedCache => ({
  portVersion: 1,
  read: (keys, reserveMs) => base.read(keys, reserveMs),
  put: (puts) => base.put(puts),
  drop: (keys) => base.drop(keys),
  epoch: (replace) => base.epoch(replace),
  onRollback: (listener) => base.onRollback(listener),
});

const open = (change: Change, random: Random): SharedCacheSubject => {
  const tier: Tier = { clock: new ManualClock(), data: new MemorySharedCacheData(), notes: new Map() };
  const bases = [0, 1].map(() => new MemorySharedCache({ ...tier, random }));
  const [port, other] = bases.map((base) => ({ ...delegate(base), ...change(base, tier) })) as [
    SharedCache,
    SharedCache,
  ];
  return {
    port,
    other,
    patienceMs: 1_000,
    advance: (ms) => tier.clock.advance(ms),
    forget: (key) => void tier.data.slots.delete(key),
    rollBack: () => {
      bases[0]?.disconnect();
      bases[0]?.reconnect();
    },
  };
};

const mutant = (
  defect: string,
  caughtBy: readonly string[],
  change: Change,
  random: Random = systemRandom,
): Mutant => ({ defect, caughtBy, cases: sharedCacheCases(() => open(change, random)) });

const putting = (base: MemorySharedCache, map: (put: SharedPut) => SharedPut): Partial<SharedCache> => ({
  put: (puts) => base.put(puts.map(map)),
});

const showing = (
  base: MemorySharedCache,
  map: (slot: SharedSlot, key: string) => SharedSlot,
): Partial<SharedCache> => ({
  read: async (keys, reserveMs) =>
    (await base.read(keys, reserveMs)).map((slot, index) => map(slot, keys[index] as string)),
});

const renaming = (base: MemorySharedCache, rename: (key: string) => string): Partial<SharedCache> => ({
  read: (keys, reserveMs) => base.read(keys.map(rename), reserveMs),
  put: (puts) => base.put(puts.map((put) => ({ ...put, key: rename(put.key) }))),
  drop: (keys) => base.drop(keys.map(rename)),
});

const tooMany = (list: readonly unknown[]): void => {
  if (list.length > 500) throw new Error("request too large");
};

const slotMutants: readonly Mutant[] = [
  mutant("declares another port version", ["the port version is 1"], () => ({ portVersion: 2 as unknown as 1 })),
  mutant("gives an empty slot no token", ["an empty slot has a token, no bytes and no time left"], (base) =>
    showing(base, (slot) => (slot.bytes === undefined ? { ...slot, token: "" } : slot)),
  ),
  mutant("reports time left in an empty slot", ["an empty slot has a token, no bytes and no time left"], (base) =>
    showing(base, (slot) => (slot.bytes === undefined ? { ...slot, expiresInMs: 1_000 } : slot)),
  ),
  mutant(
    "gives each reader of an empty slot a token of its own",
    ["a token left in an empty slot is found there by later readers"],
    (base, { data }) => ({
      read: (keys, reserveMs) => {
        for (const key of keys) if (data.slots.get(key)?.bytes === undefined) data.slots.delete(key);
        return base.read(keys, reserveMs);
      },
    }),
  ),
  mutant(
    "looks whether a token stands, then leaves one",
    ["readers that come at once to an empty slot get one token"],
    (base, { data }) => ({
      read: async (keys, reserveMs) => {
        const missing = keys.filter((key) => !data.slots.has(key));
        await turn();
        for (const key of missing) data.slots.delete(key);
        return base.read(keys, reserveMs);
      },
    }),
  ),
  mutant(
    "puts whatever token is presented",
    [
      "a put with a token that does not stand changes nothing",
      "of fillers that hold one token the first lands and the others do not",
    ],
    (base) => putting(base, (put) => ({ ...put, token: undefined })),
  ),
  mutant(
    "refuses every put with a token",
    ["a put with the token that stands lands, and every instance reads it"],
    (base) => putting(base, (put) => (put.token === undefined ? put : { ...put, token: "none" })),
  ),
  mutant(
    "takes any token for an empty slot that nobody has read",
    [
      "a put on a slot that the tier forgot fails, since its token stands no more",
      "a drop voids the token of an empty slot, so that a filler it overtook puts nothing",
    ],
    (base, { data }) => putting(base, (put) => (data.slots.has(put.key) ? put : { ...put, token: undefined })),
  ),
  mutant(
    "takes the token of another slot",
    ["a put with a token that does not stand changes nothing"],
    (base, { data }) =>
      putting(base, (put) =>
        [...data.slots.values()].some(({ token }) => token === put.token) ? { ...put, token: undefined } : put,
      ),
  ),
  mutant("a put keeps the token", ["a put that landed makes a new token"], (base, { data }) => ({
    put: async (puts) => {
      const before = puts.map(({ key }) => data.slots.get(key)?.token);
      const landed = await base.put(puts);
      for (const [index, { key }] of puts.entries()) {
        const slot = data.slots.get(key);
        if (slot !== undefined) data.slots.set(key, { ...slot, token: before[index] ?? slot.token });
      }
      return landed;
    },
  })),
  mutant(
    "an unconditional put keeps the token",
    ["a put without a token lands whatever stands, and voids the token that stood"],
    (base, { data }) => ({
      put: async (puts) => {
        const before = puts.map(({ key }) => data.slots.get(key)?.token);
        const landed = await base.put(puts);
        for (const [index, { key, token }] of puts.entries()) {
          const slot = data.slots.get(key);
          if (slot !== undefined && token === undefined)
            data.slots.set(key, { ...slot, token: before[index] ?? slot.token });
        }
        return landed;
      },
    }),
  ),
  mutant(
    "a refused put takes the token away",
    ["a put that was refused leaves the token that stands"],
    (base, { data }) => ({
      put: async (puts) => {
        const landed = await base.put(puts);
        for (const [index, { key }] of puts.entries()) if (landed[index] === false) data.slots.delete(key);
        return landed;
      },
    }),
  ),
  mutant(
    "looks at the token, then puts",
    ["of fillers that hold one token the first lands and the others do not"],
    (base, { data }) => ({
      put: async (puts) => {
        const stands = puts.map(({ key, token }) => token === undefined || data.slots.get(key)?.token === token);
        if (stands.includes(false)) return base.put(puts);
        await turn();
        return base.put(puts.map((put) => ({ ...put, token: undefined })));
      },
    }),
  ),
  mutant("fills empty slots only", ["a put with the token of a full slot replaces what it holds"], (base, { data }) =>
    putting(base, (put) => (data.slots.get(put.key)?.bytes === undefined ? put : { ...put, token: "none" })),
  ),
  mutant(
    "an unconditional put yields to a token that stands",
    ["a put without a token lands whatever stands, and voids the token that stood"],
    (base, { data }) =>
      putting(base, (put) => {
        const reserved = data.slots.has(put.key) && data.slots.get(put.key)?.bytes === undefined;
        return put.token === undefined && reserved ? { ...put, token: "none" } : put;
      }),
  ),
  mutant("the first writer wins", ["of two writers without tokens the last to reach the tier wins"], (base, { data }) =>
    putting(base, (put) =>
      put.token === undefined && data.slots.get(put.key)?.bytes !== undefined ? { ...put, token: "none" } : put,
    ),
  ),
  mutant(
    "a drop leaves the token of an empty slot",
    [
      "a drop voids the token of an empty slot, so that a filler it overtook puts nothing",
      "after a drop a filler that reads anew lands, and one that read before does not",
      "two writers and two fillers leave a value that was loaded after the last write",
    ],
    (base, { data }) => ({
      drop: (keys) => base.drop(keys.filter((key) => data.slots.get(key)?.bytes !== undefined)),
    }),
  ),
  mutant(
    "a drop empties a slot and leaves its token",
    ["a drop removes what a slot holds and voids its token"],
    (_base, { data }) => ({
      drop: async (keys) => {
        for (const key of keys) {
          const slot = data.slots.get(key);
          if (slot !== undefined) data.slots.set(key, { ...slot, bytes: undefined });
        }
      },
    }),
  ),
  mutant("drops one key of a call", ["a drop names any number of keys, and empty slots too"], (base) => ({
    drop: (keys) => base.drop(keys.slice(0, 1)),
  })),
  mutant("a drop clears the tier", ["a drop names any number of keys, and empty slots too"], (_base, { data }) => ({
    drop: async () => data.slots.clear(),
  })),
  mutant(
    "a drop of an empty slot rejects",
    ["a drop names any number of keys, and empty slots too"],
    (base, { data }) => ({
      drop: async (keys) => {
        if (keys.some((key) => !data.slots.has(key))) throw new Error("no such key");
        return base.drop(keys);
      },
    }),
  ),
  mutant(
    "counts its tokens anew every now and then",
    ["tokens are random: no two slots or states share one"],
    () => ({}),
    {
      next: () => 0.5,
      id: (() => {
        let count = 0;
        return () => `t${count++ % 700}`;
      })(),
    },
  ),
  mutant("leaves out empty slots", ["a read answers in the order of its keys, with gaps and repetitions"], (base) => ({
    read: async (keys, reserveMs) => (await base.read(keys, reserveMs)).filter(({ bytes }) => bytes !== undefined),
  })),
  mutant(
    "answers a repeated key once",
    ["a read answers in the order of its keys, with gaps and repetitions"],
    (base) => ({
      read: (keys, reserveMs) => base.read([...new Set(keys)], reserveMs),
    }),
  ),
  mutant(
    "answers in the order of the keys' names",
    ["a read answers in the order of its keys, with gaps and repetitions"],
    (base) => ({
      read: (keys, reserveMs) => base.read([...keys].sort(), reserveMs),
    }),
  ),
  mutant("puts all of a call or none", ["each put of a call is answered for itself"], (base, { data }) => ({
    put: async (puts) => {
      const stands = puts.every(({ key, token }) => token === undefined || data.slots.get(key)?.token === token);
      return stands ? base.put(puts) : puts.map(() => false);
    },
  })),
  mutant("answers a call of puts as a whole", ["each put of a call is answered for itself"], (base) => ({
    put: async (puts) => {
      const landed = await base.put(puts);
      return landed.map(() => landed.every(Boolean));
    },
  })),
  mutant("rejects an empty call", ["a call on no keys answers with an empty list"], (base) => ({
    read: async (keys, reserveMs) => {
      if (keys.length === 0) throw new Error("wrong number of arguments");
      return base.read(keys, reserveMs);
    },
  })),
  mutant("takes at most 500 keys in a call", ["a call takes a thousand keys"], (base) => ({
    read: async (keys, reserveMs) => {
      tooMany(keys);
      return base.read(keys, reserveMs);
    },
  })),
  mutant("drops at most 500 keys in a call", ["a drop names any number of keys, and empty slots too"], (base) => ({
    drop: (keys) => base.drop(keys.slice(0, 500)),
  })),
  mutant("keeps text instead of bytes", ["bytes come back intact, from none to a mebibyte"], (base) =>
    putting(base, (put) => ({ ...put, bytes: new TextEncoder().encode(new TextDecoder().decode(put.bytes)) })),
  ),
  mutant("takes no bytes for an empty slot", ["bytes come back intact, from none to a mebibyte"], (base) =>
    showing(base, (slot) => (slot.bytes?.length === 0 ? { ...slot, bytes: undefined } : slot)),
  ),
  mutant("folds the case of keys", ["every legal key is taken, and none stands for another"], (base) =>
    renaming(base, (key) => key.toLowerCase()),
  ),
  mutant("cuts keys at 255 characters", ["every legal key is taken, and none stands for another"], (base) =>
    renaming(base, (key) => key.slice(0, 255)),
  ),
  mutant(
    "keeps the caller's array",
    ["changing the caller's bytes after a put changes nothing held"],
    (base, { notes }) => ({
      put: async (puts) => {
        const landed = await base.put(puts);
        for (const [index, { key, bytes }] of puts.entries()) if (landed[index] === true) notes.set(key, bytes);
        return landed;
      },
      ...showing(base, (slot, key) => ({ ...slot, bytes: slot.bytes && (notes.get(key) as Uint8Array) })),
    }),
  ),
  mutant("hands out its own array", ["changing bytes that were read changes nothing held"], (base, { data }) =>
    showing(base, (slot, key) => ({ ...slot, bytes: slot.bytes && data.slots.get(key)?.bytes })),
  ),
  mutant(
    "each instance has a tier of its own",
    [
      "a put with the token that stands lands, and every instance reads it",
      "a token left in an empty slot is found there by later readers",
    ],
    () => {
      const own = new MemorySharedCache();
      return { read: own.read.bind(own), put: own.put.bind(own), drop: own.drop.bind(own) };
    },
  ),
];

const optionMutants: readonly Mutant[] = [
  mutant(
    "takes a signal for an abort",
    ["a call takes a signal and a time limit, also one with a fraction"],
    (base) => ({
      drop: async (keys, options) => {
        if (options?.signal !== undefined) throw new Error("aborted");
        return base.drop(keys);
      },
    }),
  ),
  mutant(
    "closes its connection when a call is aborted",
    ["a call that was aborted or ran out of time harms no later one"],
    (base) => ({
      read: async (keys, reserveMs, options) => {
        if (options?.signal?.aborted === true) base.disconnect();
        return base.read(keys, reserveMs);
      },
    }),
  ),
];

const timeMutants: readonly Mutant[] = [
  mutant(
    "reports the time to live instead of the time left",
    ["the time left counts down from the time to live"],
    (base, { notes }) => ({
      put: (puts) => {
        for (const { key, ttlMs } of puts) notes.set(key, ttlMs);
        return base.put(puts);
      },
      ...showing(base, (slot, key) => ({
        ...slot,
        expiresInMs: slot.bytes === undefined ? 0 : (notes.get(key) as number),
      })),
    }),
  ),
  mutant("reports the time left in seconds", ["a slot is held for its time to live, years too"], (base) =>
    showing(base, (slot) => ({ ...slot, expiresInMs: slot.expiresInMs / 1_000 })),
  ),
  mutant(
    "rounds times to live up to seconds",
    ["a slot whose time is over is empty, and its token does not stand"],
    (base) => putting(base, (put) => ({ ...put, ttlMs: Math.ceil(put.ttlMs / 1_000) * 1_000 })),
  ),
  mutant("keeps times to live in 32 bits", ["a slot is held for its time to live, years too"], (base) =>
    putting(base, (put) => ({ ...put, ttlMs: Number.isFinite(put.ttlMs) ? put.ttlMs % 2 ** 31 : put.ttlMs })),
  ),
  mutant("keeps nothing longer than 30 days", ["a slot is held for its time to live, years too"], (base) =>
    putting(base, (put) => ({ ...put, ttlMs: Math.min(put.ttlMs, 30 * 86_400_000) })),
  ),
  mutant(
    "an expired slot keeps its token",
    ["a slot that expired unread takes no put with its token"],
    (base, { data }) =>
      putting(base, (put) => (data.slots.get(put.key)?.token === put.token ? { ...put, token: undefined } : put)),
  ),
  mutant(
    "an overwrite keeps the time that was left",
    ["a put begins a new life, shorter or longer"],
    (base, { data, clock }) =>
      putting(base, (put) => {
        const slot = data.slots.get(put.key);
        return slot?.bytes === undefined ? put : { ...put, ttlMs: slot.expiresAt - clock.monotonic() };
      }),
  ),
  mutant(
    "an endless put keeps the time that was left",
    ["a put begins a new life, shorter or longer"],
    (base, { data, clock }) =>
      putting(base, (put) => {
        const slot = data.slots.get(put.key);
        if (slot?.bytes === undefined || put.ttlMs !== Number.POSITIVE_INFINITY) return put;
        return { ...put, ttlMs: slot.expiresAt - clock.monotonic() };
      }),
  ),
  mutant(
    "reports an endless life as a number",
    ["an infinite time to live never ends, and is reported as Infinity"],
    (base) => showing(base, (slot) => ({ ...slot, expiresInMs: Math.min(slot.expiresInMs, Number.MAX_SAFE_INTEGER) })),
  ),
  mutant(
    "takes an endless life for a day",
    ["an infinite time to live never ends, and is reported as Infinity"],
    (base) => putting(base, (put) => ({ ...put, ttlMs: Number.isFinite(put.ttlMs) ? put.ttlMs : 86_400_000 })),
  ),
  mutant("refuses fractions of a millisecond", ["a time to live may have a fraction"], (base) => ({
    put: async (puts) => {
      if (puts.some(({ ttlMs }) => ttlMs % 1 > 0)) throw new Error("value is not an integer or out of range");
      return base.put(puts);
    },
  })),
  mutant("leaves tokens for ever", ["a token left in an empty slot stands no longer than was asked"], (base) => ({
    read: (keys) => base.read(keys, Number.POSITIVE_INFINITY),
  })),
  mutant("leaves tokens for a second", ["a token left in an empty slot stands for as long as was asked"], (base) => ({
    read: (keys) => base.read(keys, 1_000),
  })),
  mutant(
    "a reader's reserve becomes the life of a full slot",
    ["a reader of a full slot does not shorten its life by its reserve"],
    (base, { data, clock }) => ({
      read: async (keys, reserveMs) => {
        const slots = await base.read(keys, reserveMs);
        for (const key of keys) {
          const slot = data.slots.get(key);
          if (slot !== undefined) slot.expiresAt = clock.monotonic() + reserveMs;
        }
        return slots;
      },
    }),
  ),
];

const epochMutants: readonly Mutant[] = [
  mutant("begins with an epoch", ["the tier has no epoch until one is set"], (base) => ({
    epoch: async (replace) => (await base.epoch(replace)) ?? "e0",
  })),
  mutant(
    "replaces whatever epoch stands",
    ["an epoch is set where the one expected stands, and else left"],
    (base, { data }) => ({
      epoch: (replace) => base.epoch(replace && { ...replace, expected: data.epoch }),
    }),
  ),
  mutant(
    "sets an epoch only where one stands",
    ["an epoch is set where the one expected stands, and else left"],
    (base) => ({
      epoch: async (replace) => (replace?.expected === undefined ? base.epoch() : base.epoch(replace)),
    }),
  ),
  mutant(
    "answers with the epoch that was offered",
    ["an epoch is set where the one expected stands, and else left"],
    (base) => ({
      epoch: async (replace) => {
        const standing = await base.epoch(replace);
        return replace?.next ?? standing;
      },
    }),
  ),
  mutant(
    "looks at the epoch, then replaces it",
    ["of nodes that replace one epoch at once one succeeds, and all learn which stands"],
    (_base, { data }) => ({
      epoch: async (replace) => {
        const stands = replace !== undefined && data.epoch === replace.expected;
        await turn();
        if (!stands) return data.epoch;
        data.epoch = replace.next;
        return replace.next;
      },
    }),
  ),
  mutant(
    "keeps the epoch in a slot that a key can name",
    ["the epoch never expires and is no slot that a key could name"],
    (base, { data }) => {
      const read = (): string | undefined => {
        const bytes = data.slots.get("\u0000warp:epoch")?.bytes;
        return bytes && new TextDecoder().decode(bytes);
      };
      return {
        epoch: async (replace) => {
          if (replace !== undefined && read() === replace.expected)
            await base.put([
              { key: "\u0000warp:epoch", bytes: new TextEncoder().encode(replace.next), ttlMs: 1e15, token: undefined },
            ]);
          return read();
        },
      };
    },
  ),
  mutant(
    "forgets the epoch after a day",
    ["the epoch never expires and is no slot that a key could name"],
    (base, { clock }) => ({
      epoch: async (replace) => {
        const epoch = await base.epoch(replace);
        return clock.monotonic() > 86_400_000 ? undefined : epoch;
      },
    }),
  ),
  mutant(
    "reports a rollback at every drop",
    ["traffic is no rollback, and a listener can be taken off twice"],
    (base) => {
      const listeners = new Set<() => void>();
      return {
        drop: async (keys) => {
          await base.drop(keys);
          for (const listener of listeners) listener();
        },
        onRollback: (listener) => {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      };
    },
  ),
  mutant("reports no rollback", ["every listener hears of a possible rollback until it is taken off"], () => ({
    onRollback: () => () => {},
  })),
  mutant(
    "tells the last listener only",
    ["every listener hears of a possible rollback until it is taken off"],
    (base) => {
      let last = (): void => {};
      return {
        onRollback: (listener) => {
          last();
          last = base.onRollback(listener);
          return last;
        },
      };
    },
  ),
  mutant(
    "goes on telling a listener that was taken off",
    ["every listener hears of a possible rollback until it is taken off"],
    (base) => ({
      onRollback: (listener) => {
        base.onRollback(listener);
        return () => {};
      },
    }),
  ),
];

export const sharedCacheMutants: readonly Mutant[] = [
  ...slotMutants,
  ...optionMutants,
  ...timeMutants,
  ...epochMutants,
];
