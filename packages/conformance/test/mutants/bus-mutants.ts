import { type Bus, type BusListener, MemoryBus, MemoryNetwork } from "@warp/core";
import { type BusSubject, busCases } from "../../src/index.ts";
import { ManualClock } from "../manual-clock.ts";
import type { Mutant } from "./mutant.ts";

/** What the two buses of a subject share. */
interface Wire {
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly notes: Map<string, unknown>;
}

type Change = (base: MemoryBus, wire: Wire) => Partial<Bus>;

const open = (change: Change): BusSubject => {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, latencyMs: 1 });
  const wire: Wire = { clock, network, notes: new Map() };
  const make = (): Bus => {
    const base = new MemoryBus(network);
    const delegate: Bus = {
      portVersion: 1,
      maxFrameBytes: base.maxFrameBytes,
      publish: (frame, to) => base.publish(frame, to),
      subscribe: (node, listener) => base.subscribe(node, listener),
    };
    return { ...delegate, ...change(base, wire) };
  };
  return {
    port: make(),
    other: make(),
    patienceMs: 300,
    advance: (ms) => clock.advance(ms),
    interrupt: () => {
      network.disconnect("a");
      network.reconnect("a");
    },
  };
};

const mutant = (defect: string, caughtBy: readonly string[], change: Change): Mutant => ({
  defect,
  caughtBy,
  cases: busCases(() => open(change)),
});

const hearing = (base: MemoryBus, change: (listener: BusListener) => Partial<BusListener>): Partial<Bus> => ({
  subscribe: (node, listener) => {
    const own: BusListener = { onFrame: (frame) => listener.onFrame(frame), onGap: (why) => listener.onGap(why) };
    return base.subscribe(node, { ...own, ...change(listener) });
  },
});

const textOf = (frame: Uint8Array): string => Buffer.from(frame).toString("latin1");

/** A bus that hands one array to every listener: the publisher's own, or one copy of it. */
const sharing = ({ clock, notes }: Wire, arrayOf: (frame: Uint8Array) => Uint8Array): Partial<Bus> => {
  const listeners = (notes.get("listeners") as Set<BusListener> | undefined) ?? new Set<BusListener>();
  notes.set("listeners", listeners);
  return {
    publish: async (frame) => {
      const array = arrayOf(frame);
      for (const listener of [...listeners]) clock.schedule(1, () => listener.onFrame(array));
    },
    subscribe: async (_node, listener) => {
      listeners.add(listener);
      return async () => void listeners.delete(listener);
    },
  };
};

const counting = (): (() => number) => {
  let count = 0;
  return () => (count += 1);
};

export const busMutants: readonly Mutant[] = [
  mutant(
    "takes a signal for an abort",
    ["a call takes a signal and a time limit, also one with a fraction"],
    (base) => ({
      publish: async (frame, to, options) => {
        if (options?.signal !== undefined) throw new Error("aborted");
        return base.publish(frame, to);
      },
    }),
  ),
  mutant(
    "publishes nothing after a call that was aborted",
    ["a publish that was aborted or ran out of time harms no later one"],
    (base) => {
      let aborted = false;
      return {
        publish: async (frame, to, options) => {
          aborted ||= options?.signal?.aborted === true;
          if (!aborted) await base.publish(frame, to);
        },
      };
    },
  ),
  mutant("names no largest frame", ["a bus declares its facts as plain values"], () => ({
    maxFrameBytes: Number.POSITIVE_INFINITY,
  })),
  mutant("a sender does not hear itself", ["every node hears a broadcast, the sender too"], (base) => {
    const sent = new Set<string>();
    return {
      publish: (frame, to) => {
        sent.add(textOf(frame));
        return base.publish(frame, to);
      },
      ...hearing(base, (listener) => ({
        onFrame: (frame) => {
          if (!sent.has(textOf(frame))) listener.onFrame(frame);
        },
      })),
    };
  }),
  mutant("only the sender hears", ["every node hears a broadcast, the sender too"], (base) => {
    const sent = new Set<string>();
    return {
      publish: (frame, to) => {
        sent.add(textOf(frame));
        return base.publish(frame, to);
      },
      ...hearing(base, (listener) => ({
        onFrame: (frame) => {
          if (sent.has(textOf(frame))) listener.onFrame(frame);
        },
      })),
    };
  }),
  mutant(
    "subscribe resolves before the subscription is live",
    ["a frame published after subscribe resolved arrives"],
    (base, { clock }) => ({
      subscribe: async (node, listener) => {
        const late = new Promise<() => Promise<void>>((resolve) => {
          clock.schedule(2, () => resolve(base.subscribe(node, listener)));
        });
        return async () => (await late)();
      },
    }),
  ),
  mutant("cannot publish before it has subscribed", ["a node that never subscribed can publish"], (base) => {
    let subscribed = false;
    return {
      publish: async (frame, to) => {
        if (!subscribed) throw new Error("not connected");
        return base.publish(frame, to);
      },
      subscribe: (node, listener) => {
        subscribed = true;
        return base.subscribe(node, listener);
      },
    };
  }),
  mutant(
    "a long frame overtakes a short one",
    ["frames of one sender arrive in the order they were handed over"],
    (base, { clock }) => {
      const next = counting();
      return {
        publish: async (frame, to) => {
          if (next() % 3 > 0) return base.publish(frame, to);
          clock.schedule(5, () => void base.publish(frame, to));
        },
      };
    },
  ),
  mutant(
    "frames to one node overtake each other",
    ["frames of one sender to one node arrive in the order they were handed over"],
    (base, { clock }) => {
      const next = counting();
      return {
        publish: async (frame, to) => {
          if (to === undefined || next() % 3 > 0) return base.publish(frame, to);
          clock.schedule(5, () => void base.publish(frame, to));
        },
      };
    },
  ),
  mutant(
    "loses a frame now and then",
    [
      "frames that two nodes publish at once all arrive, each sender's in its order",
      "frames of one sender arrive in the order they were handed over",
    ],
    (base) => {
      const next = counting();
      return { publish: async (frame, to) => (next() % 20 === 19 ? undefined : base.publish(frame, to)) };
    },
  ),
  mutant(
    "loses what is published while another frame is under way",
    ["frames published without waiting for each other all arrive"],
    (base) => {
      let busy = false;
      return {
        publish: async (frame, to) => {
          if (busy) return;
          busy = true;
          await base.publish(frame, to).finally(() => {
            busy = false;
          });
        },
      };
    },
  ),
  mutant(
    "loses what two nodes publish at once",
    ["frames that two nodes publish at once all arrive, each sender's in its order"],
    (base, { notes }) => ({
      publish: async (frame, to) => {
        const busy = notes.has("busy");
        notes.set("busy", true);
        await Promise.resolve();
        notes.delete("busy");
        if (!busy) await base.publish(frame, to);
      },
    }),
  ),
  mutant("sends addressed frames nowhere", ["a frame addressed to a node reaches it"], (base) => ({
    publish: async (frame, to) => (to === undefined ? base.publish(frame) : undefined),
  })),
  mutant(
    "rejects a frame to a node that it does not know",
    ["a frame addressed to a node that nobody knows does no harm"],
    (base, { notes }) => ({
      publish: async (frame, to) => {
        if (to !== undefined && !notes.has(to)) throw new Error("no responders");
        return base.publish(frame, to);
      },
      subscribe: (node, listener) => {
        notes.set(node, true);
        return base.subscribe(node, listener);
      },
    }),
  ),
  mutant("reads signs in a node's name", ["a node may have any name"], (base) => ({
    publish: (frame, to) => base.publish(frame, to?.split(/[.\s]/u)[0]),
  })),
  mutant("refuses a node's name with a blank", ["a node may have any name"], (base) => ({
    subscribe: async (node, listener) => {
      if (/\s/u.test(node)) throw new Error("invalid subject");
      return base.subscribe(node, listener);
    },
  })),
  mutant("cuts frames at 32 KiB", ["a frame of the largest size arrives whole"], (base) => ({
    publish: (frame, to) => base.publish(frame.slice(0, 32_768), to),
  })),
  mutant("cuts frames that are too large", ["a frame above the largest size is refused"], (base) => ({
    publish: (frame, to) => base.publish(frame.slice(0, base.maxFrameBytes), to),
  })),
  mutant("sends text instead of bytes", ["frames arrive byte for byte"], (base) => ({
    publish: (frame, to) => base.publish(new TextEncoder().encode(new TextDecoder().decode(frame)), to),
  })),
  mutant("ends a frame at a line break", ["frames arrive byte for byte"], (base) => ({
    publish: (frame, to) => {
      const end = frame.indexOf(13);
      return base.publish(end < 0 ? frame : frame.slice(0, end), to);
    },
  })),
  mutant(
    "hands the publisher's array to the listeners",
    ["the bytes of a frame are its publisher's again once it was taken", "the bytes of a frame are its listener's"],
    (_base, wire) => sharing(wire, (frame) => frame),
  ),
  mutant("hands one copy to all listeners", ["the bytes of a frame are its listener's"], (_base, wire) =>
    sharing(wire, (frame) => new Uint8Array(frame)),
  ),
  mutant(
    "a subscription never ends",
    ["after a subscription has ended its listener is told nothing, and the others still are"],
    (base) => ({
      subscribe: async (node, listener) => {
        await base.subscribe(node, listener);
        return async () => {};
      },
    }),
  ),
  mutant(
    "the end of one subscription ends all",
    ["after a subscription has ended its listener is told nothing, and the others still are"],
    (base, { notes }) => ({
      subscribe: async (node, listener) => {
        const ends = (notes.get("ends") as (() => Promise<void>)[] | undefined) ?? [];
        notes.set("ends", ends);
        ends.push(await base.subscribe(node, listener));
        return async () => {
          for (const end of ends) await end();
        };
      },
    }),
  ),
  mutant(
    "tells of a gap when a subscription ends",
    ["after a subscription has ended its listener is told nothing, and the others still are"],
    (base) => ({
      subscribe: async (node, listener) => {
        const end = await base.subscribe(node, listener);
        return async () => {
          await end();
          listener.onGap("ended");
        };
      },
    }),
  ),
  mutant(
    "subscribes a name once",
    ["a node can subscribe again after its subscription has ended"],
    (base, { notes }) => ({
      subscribe: async (node, listener) => {
        if (notes.has(node)) return async () => {};
        notes.set(node, true);
        return base.subscribe(node, listener);
      },
    }),
  ),
  mutant("tells of a gap at the start", ["no gap is told where nothing went wrong"], (base) => ({
    subscribe: async (node, listener) => {
      const end = await base.subscribe(node, listener);
      listener.onGap("connected");
      return end;
    },
  })),
  mutant("reconnects in silence", ["a node whose connection was broken is told of the gap, and hears again"], (base) =>
    hearing(base, () => ({ onGap: () => {} })),
  ),
  mutant(
    "stays deaf after a reconnect",
    ["a node whose connection was broken is told of the gap, and hears again"],
    (base) => {
      let deaf = false;
      return hearing(base, (listener) => ({
        onGap: (reason) => {
          deaf = true;
          listener.onGap(reason);
        },
        onFrame: (frame) => {
          if (!deaf) listener.onFrame(frame);
        },
      }));
    },
  ),
];
