import assert from "node:assert/strict";

/** How a case lets time go by: by the subject's own clock where it hands one over, else by waiting. */
export interface Time {
  /** Whether the subject's clock is the case's to move, so that instants can be hit exactly. */
  readonly exact: boolean;
  /** Returns once `ms` have gone by. */
  pass(ms: number): Promise<void>;
  /** Returns once `condition` holds. @throws {AssertionError} saying `what`, if it does not within the patience. */
  until(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
}

interface TimeSource {
  readonly advance?: ((ms: number) => void | Promise<void>) | undefined;
  readonly patienceMs?: number | undefined;
}

const pollMs = 3;

const turn = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A clock handed over is moved at most this often while waiting: what a case waits for is due long before. */
const mostSteps = 1_000;

export const timeOf = ({ advance, patienceMs = 10_000 }: TimeSource): Time => {
  const until: Time["until"] = async (what, condition) => {
    const startedAt = performance.now();
    for (let steps = 0; ; steps += 1) {
      if (await condition()) return;
      const late = performance.now() - startedAt >= patienceMs || (advance !== undefined && steps >= mostSteps);
      if (late) assert.fail(`did not come about: ${what}`);
      await advance?.(pollMs);
      await turn(advance === undefined ? pollMs : 0);
    }
  };
  const pass: Time["pass"] = async (ms) => {
    if (advance !== undefined) return await advance(ms);
    const end = performance.now() + ms;
    while (performance.now() < end) await turn(Math.min(pollMs, ms));
  };
  return { exact: advance !== undefined, pass, until };
};
