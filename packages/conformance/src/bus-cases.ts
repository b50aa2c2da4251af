import assert from "node:assert/strict";
import { type Bus, type BusListener, type CallOptions, type NodeId, systemRandom } from "@warp/core";
import { assertBytes } from "./assertions.ts";
import { hurried, settle, unhurried } from "./call-options.ts";
import { type CaseTable, type ConformanceCase, casesOf, type Need, type OpenSubject, type Subject } from "./case.ts";
import { bytesOf, range, textOf } from "./samples.ts";
import type { Time } from "./time.ts";

/** The buses of two nodes on one transport. */
export interface BusSubject extends Subject<Bus> {
  readonly other: Bus;
  /** Breaks the connection of `port` to its transport and restores it. Absent where a test cannot. */
  readonly interrupt?: (() => void | Promise<void>) | undefined;
}

const interrupting: Need<BusSubject> = { fact: "interrupt", holds: ({ interrupt }) => interrupt !== undefined };

/** A subscriber that remembers what it was told. */
class Recorder implements BusListener {
  readonly frames: Uint8Array[] = [];
  readonly gaps: string[] = [];

  onFrame(frame: Uint8Array): void {
    this.frames.push(frame);
  }

  onGap(reason: string): void {
    this.gaps.push(reason);
  }

  /** What came, each frame once: a transport may deliver twice. */
  get texts(): string[] {
    return [...new Set(this.frames.map(textOf))];
  }

  has(text: string): boolean {
    return this.frames.some((frame) => textOf(frame) === text);
  }
}

const subscribe = async (bus: Bus, node: string): Promise<Recorder> => {
  const recorder = new Recorder();
  await bus.subscribe(node, recorder);
  return recorder;
};

/** The nodes "a" on `bus` and "b" on `other`. */
const subscribeBoth = (bus: Bus, other: Bus): Promise<[Recorder, Recorder]> =>
  Promise.all([subscribe(bus, "a"), subscribe(other, "b")]);

const publishAll = async (bus: Bus, texts: readonly string[], to?: string): Promise<void> => {
  for (const text of texts) await bus.publish(bytesOf(text), to);
};

const untilHeard = (time: Time, recorder: Recorder, texts: readonly string[], what: string): Promise<void> =>
  time.until(`${what} hears ${texts.length === 1 ? texts[0] : `${texts.length} frames`}`, () => {
    if (recorder.frames.length < texts.length) return false;
    const heard = new Set(recorder.texts);
    return texts.every((text) => heard.has(text));
  });

const textsOf = (name: string, count: number): readonly string[] => range(count).map((index) => `${name} ${index}`);

const busSuite: CaseTable<BusSubject> = {
  "a bus declares its facts as plain values": (bus) => {
    assert.equal(bus.portVersion, 1);
    assert.ok(Number.isSafeInteger(bus.maxFrameBytes) && bus.maxFrameBytes > 0, "maxFrameBytes: a number of bytes");
  },
  "every node hears a broadcast, the sender too": async (bus, other, time) => {
    const [a, b] = await subscribeBoth(bus, other);
    await bus.publish(bytesOf("from a"));
    await other.publish(bytesOf("from b"));
    for (const [name, recorder] of Object.entries({ a, b }))
      await untilHeard(time, recorder, ["from a", "from b"], name);
  },
  "a frame published after subscribe resolved arrives": async (bus, other, time) => {
    for (const round of range(15)) {
      const recorder = new Recorder();
      const end = await bus.subscribe("a", recorder);
      await other.publish(bytesOf(`round ${round}`));
      await untilHeard(time, recorder, [`round ${round}`], "a");
      await end();
    }
  },
  "a node that never subscribed can publish": async (bus, other, time) => {
    const a = await subscribe(bus, "a");
    await other.publish(bytesOf("from a guest"));
    await untilHeard(time, a, ["from a guest"], "a");
  },
  "frames of one sender arrive in the order they were handed over": async (bus, other, time) => {
    const [a, b] = await subscribeBoth(bus, other);
    const texts = textsOf("frame", 200);
    await publishAll(bus, texts);
    await untilHeard(time, a, texts, "a");
    await untilHeard(time, b, texts, "b");
    assert.deepEqual(a.texts, texts);
    assert.deepEqual(b.texts, texts);
  },
  "frames that two nodes publish at once all arrive, each sender's in its order": async (bus, other, time) => {
    const [a, b] = await subscribeBoth(bus, other);
    const [fromA, fromB] = [textsOf("a", 100), textsOf("b", 100)];
    await Promise.all([publishAll(bus, fromA), publishAll(other, fromB)]);
    for (const [name, recorder] of Object.entries({ a, b })) {
      await untilHeard(time, recorder, [...fromA, ...fromB], name);
      assert.deepEqual(
        recorder.texts.filter((text) => text.startsWith("a")),
        fromA,
        `the frames of a at ${name}`,
      );
      assert.deepEqual(
        recorder.texts.filter((text) => text.startsWith("b")),
        fromB,
        `the frames of b at ${name}`,
      );
    }
  },
  "a call takes a signal and a time limit, also one with a fraction": async (bus, other, time) => {
    const a = new Recorder();
    const end = await bus.subscribe("a", a, unhurried());
    await other.publish(bytesOf("to all"), undefined, unhurried());
    await other.publish(bytesOf("to a"), "a", unhurried());
    await untilHeard(time, a, ["to all", "to a"], "a");
    await end();
  },
  "a publish that was aborted or ran out of time harms no later one": async (bus, other, time) => {
    const b = await subscribe(other, "b");
    for (const [index, options] of hurried.entries())
      await settle([() => bus.publish(bytesOf(`hurried ${index}`), undefined, options)]);
    await publishAll(bus, ["next", "last"]);
    await untilHeard(time, b, ["next", "last"], "b");
  },
  "frames published without waiting for each other all arrive": async (bus, other, time) => {
    const [a, b] = await subscribeBoth(bus, other);
    const texts = textsOf("burst", 500);
    await Promise.all(texts.map((text) => bus.publish(bytesOf(text))));
    await untilHeard(time, a, texts, "a");
    await untilHeard(time, b, texts, "b");
  },
  "a frame addressed to a node reaches it": async (bus, other, time) => {
    const [a, b] = await subscribeBoth(bus, other);
    await bus.publish(bytesOf("a to b"), "b");
    await other.publish(bytesOf("b to a"), "a");
    await bus.publish(bytesOf("a to a"), "a");
    await untilHeard(time, b, ["a to b"], "b");
    await untilHeard(time, a, ["b to a", "a to a"], "a");
  },
  "frames of one sender to one node arrive in the order they were handed over": async (bus, other, time) => {
    const [, b] = await subscribeBoth(bus, other);
    const texts = textsOf("frame", 100);
    await publishAll(bus, texts, "b");
    await untilHeard(time, b, texts, "b");
    assert.deepEqual(b.texts, texts);
  },
  "a node may have any name": async (bus, other, time) => {
    const names = ["b.c", "b c", "b>", "*", "b/ü", "日本", `${systemRandom.id()}@host:1`];
    for (const [index, name] of names.entries()) {
      const recorder = new Recorder();
      const end = await other.subscribe(name, recorder);
      await bus.publish(bytesOf(`to ${index}`), name);
      await bus.publish(bytesOf(`all ${index}`));
      await untilHeard(time, recorder, [`to ${index}`, `all ${index}`], JSON.stringify(name));
      await end();
    }
  },
  "a frame addressed to a node that nobody knows does no harm": async (bus, other, time) => {
    const [a, b] = await subscribeBoth(bus, other);
    await bus.publish(bytesOf("to nobody"), "nobody");
    await bus.publish(bytesOf("to all"));
    await untilHeard(time, a, ["to all"], "a");
    await untilHeard(time, b, ["to all"], "b");
  },
  "a frame of the largest size arrives whole": async (bus, other, time) => {
    const [a, b] = await subscribeBoth(bus, other);
    const frame = Uint8Array.from({ length: bus.maxFrameBytes }, (_, index) => (index * 31 + (index >> 8)) & 255);
    await bus.publish(frame);
    await time.until("both hear the largest frame", () => a.frames.length > 0 && b.frames.length > 0);
    assertBytes(a.frames[0], frame, "at the sender");
    assertBytes(b.frames[0], frame, "at the other node");
  },
  "a frame above the largest size is refused": async (bus, other, time) => {
    const [a, b] = await subscribeBoth(bus, other);
    const outcome = await bus.publish(new Uint8Array(bus.maxFrameBytes + 1)).then(
      () => "taken",
      () => "refused",
    );
    assert.equal(outcome, "refused");
    await bus.publish(bytesOf("next"));
    await untilHeard(time, a, ["next"], "a");
    await untilHeard(time, b, ["next"], "b");
    for (const { frames } of [a, b]) assert.ok(frames.every(({ length }) => length === 4));
  },
  "frames arrive byte for byte": async (bus, other, time) => {
    const [, b] = await subscribeBoth(bus, other);
    const frames = [
      Uint8Array.of(0),
      Uint8Array.from({ length: 256 }, (_, index) => index),
      Uint8Array.of(0xff, 0xfe, 0xc0, 0x80, 0xed, 0xa0, 0x80),
      bytesOf("+OK\r\nMSG a 1 0\r\n\r\n"),
    ];
    for (const [index, frame] of frames.entries()) {
      const before = b.frames.length;
      await bus.publish(frame);
      await time.until(`frame ${index} arrives`, () => b.frames.length > before);
      assertBytes(b.frames.at(-1), frame, `frame ${index}`);
    }
  },
  "the bytes of a frame are its listener's": async (bus, other, time) => {
    const changed: string[] = [];
    const changing: BusListener = {
      onFrame: (frame) => {
        changed.push(textOf(frame));
        frame.fill(0);
      },
      onGap: () => {},
    };
    await bus.subscribe("a", changing);
    await other.subscribe("b", changing);
    const frame = bytesOf("intact");
    await bus.publish(frame);
    await time.until("both nodes hear it", () => changed.length >= 2);
    assert.ok(
      changed.every((text) => text === "intact"),
      "one listener's change reached another",
    );
    assert.equal(textOf(frame), "intact", "a listener's change reached the publisher");
  },
  "the bytes of a frame are its publisher's again once it was taken": async (bus, other, time) => {
    const [a, b] = await subscribeBoth(bus, other);
    const frame = bytesOf("before");
    await bus.publish(frame);
    frame.set(bytesOf("after!"));
    await bus.publish(bytesOf("next"));
    for (const recorder of [a, b]) {
      await untilHeard(time, recorder, ["next"], "a node");
      assert.deepEqual(recorder.texts, ["before", "next"]);
    }
  },
  "after a subscription has ended its listener is told nothing, and the others still are": async (bus, other, time) => {
    const a = new Recorder();
    const end = await bus.subscribe("a", a);
    const b = await subscribe(other, "b");
    await other.publish(bytesOf("first"));
    await untilHeard(time, a, ["first"], "a");
    await end();
    const before = a.frames.length;
    await other.publish(bytesOf("to a"), "a");
    await bus.publish(bytesOf("second"));
    await other.publish(bytesOf("third"));
    await untilHeard(time, b, ["second", "third"], "b");
    await time.pass(30);
    assert.equal(a.frames.length, before, "a frame after the end");
    assert.deepEqual(a.gaps, []);
  },
  "a node can subscribe again after its subscription has ended": async (bus, other, time) => {
    const end = await bus.subscribe("a", new Recorder());
    await end();
    const again = await subscribe(bus, "a");
    await other.publish(bytesOf("to all"));
    await other.publish(bytesOf("to a"), "a");
    await untilHeard(time, again, ["to all", "to a"], "a");
  },
  "no gap is told where nothing went wrong": async (bus, other, time) => {
    const [a, b] = await subscribeBoth(bus, other);
    await publishAll(bus, textsOf("frame", 20));
    await publishAll(other, ["last"]);
    await untilHeard(time, a, ["last"], "a");
    await untilHeard(time, b, ["last"], "b");
    assert.deepEqual([a.gaps, b.gaps], [[], []]);
  },
  "a node whose connection was broken is told of the gap, and hears again": {
    needs: interrupting,
    check: async (bus, other, time, { interrupt }) => {
      const [a] = await subscribeBoth(bus, other);
      await interrupt?.();
      await time.until("a is told of the gap", () => a.gaps.length > 0);
      assert.equal(typeof a.gaps[0], "string");
      await time.until("frames arrive again", async () => {
        await other.publish(bytesOf("again"));
        return a.has("again");
      });
      await bus.publish(bytesOf("and out"));
      await untilHeard(time, a, ["and out"], "a");
    },
  },
};

/** A bus whose subscriptions can all be ended: a real one has connections and threads behind each. */
class EndingBus implements Bus {
  readonly portVersion: 1;
  readonly #bus: Bus;
  readonly #open = new Set<() => Promise<void>>();

  constructor(bus: Bus) {
    this.#bus = bus;
    this.portVersion = bus.portVersion;
  }

  get maxFrameBytes(): number {
    return this.#bus.maxFrameBytes;
  }

  publish(frame: Uint8Array, to?: NodeId, options?: CallOptions): Promise<void> {
    return this.#bus.publish(frame, to, options);
  }

  async subscribe(node: NodeId, listener: BusListener, options?: CallOptions): Promise<() => Promise<void>> {
    const end = await this.#bus.subscribe(node, listener, options);
    this.#open.add(end);
    return () => {
      this.#open.delete(end);
      return end();
    };
  }

  async endAll(): Promise<void> {
    await Promise.all([...this.#open].map((end) => end()));
  }
}

/** Cases leave their subscriptions to this: they end before the subject is closed. */
const ending =
  (open: OpenSubject<BusSubject>): OpenSubject<BusSubject> =>
  async () => {
    const subject = await open();
    const [port, other] = [new EndingBus(subject.port), new EndingBus(subject.other)];
    const close = async (): Promise<void> => {
      await Promise.all([port.endAll(), other.endAll()]).finally(() => subject.close?.());
    };
    return { ...subject, port, other, close };
  };

/**
 * The contract of `Bus`. Each subject is a transport of its own with two nodes on it; what a case subscribed is ended
 * before the subject is closed.
 */
export const busCases = (open: OpenSubject<BusSubject>): readonly ConformanceCase[] =>
  casesOf(ending(open), [busSuite]);
