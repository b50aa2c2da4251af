/**
 * Where a simulation gets hold of a call: awaited before its effect (`"request"`) and after it (`"reply"`). Time that
 * passes here is latency; a rejection is that half of the call lost, and the call rejects with it.
 */
export type Pause = (stage: "request" | "reply") => Promise<void> | undefined;

/** Runs `effect` in one synchronous step between the two halves of a call. Never settles synchronously. */
export const inStages = async <T>(pause: Pause | undefined, effect: () => T): Promise<T> => {
  await pause?.("request");
  try {
    return effect();
  } finally {
    // A refusal travels back like an answer does, and is lost like one.
    await pause?.("reply");
  }
};

/** A copy, whatever kind of view `bytes` is: `Buffer.slice` would share its memory. */
export const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes);
