import { WarpError } from "../errors.ts";
import type { Registration } from "../mechanisms/registration.ts";
import type { CommitRun } from "./commit.ts";
import { type Consents, type Context, newOperation } from "./context.ts";
import { dropElsewhere } from "./shared-changes.ts";
import { dropLocal } from "./tiers.ts";

/** What stands around the commit of a write: for strong keys the others' consent before it, for all the news after it. */
export interface Agreement {
  /** Awaited before each attempt to commit; `undefined` where no key needs it. @throws {WarpError} If it must not be sent. */
  readonly ready: (() => Promise<void>) | undefined;
  /** The commit has landed: drops `keys` in the shared tier and on the other nodes. @param apply Changes the local tier. */
  conclude(keys: readonly string[], apply: () => void): Promise<void>;
  /** Nothing was to be committed after all. */
  withdraw(): void;
}

/** The strong keys among `keys`. */
const strongOf = (keys: ReadonlyMap<string, Registration>): ReadonlyMap<string, Registration> => {
  let count = 0;
  for (const { isStrong } of keys.values()) if (isStrong) count++;
  if (count === keys.size) return keys;
  return count === 0 ? noKeys : new Map([...keys].filter(([, registration]) => registration.isStrong));
};

const noKeys: ReadonlyMap<string, Registration> = new Map();

/**
 * One strong write, from the fence to its end. Its keys are fenced here from the beginning, and on every node that
 * acknowledges: whatever a load brings meanwhile fills nothing.
 */
class StrongAgreement implements Agreement {
  readonly #context: Context;
  readonly #side: Consents;
  readonly #run: CommitRun;
  readonly #operation: string;
  readonly #registrations: ReadonlyMap<string, Registration>;
  /** In sorted order. */
  readonly #keys: readonly string[];
  #consent: Promise<void>;
  /** On the monotonic clock: from then on fences may end before a commit that is sent now is answered. */
  #staleFrom = 0;

  constructor(context: Context, side: Consents, run: CommitRun, keys: ReadonlyMap<string, Registration>) {
    this.#context = context;
    this.#side = side;
    this.#run = run;
    this.#registrations = keys;
    this.#keys = [...keys.keys()].sort();
    this.#operation = newOperation(context);
    this.#fence();
    for (const key of this.#keys) dropLocal(context, key);
    this.#consent = this.#announce();
  }

  readonly ready = async (): Promise<void> => {
    if (this.#context.clock.monotonic() >= this.#staleFrom) {
      this.#fence();
      this.#consent = this.#announce();
    }
    await this.#consent;
  };

  async conclude(keys: readonly string[], apply: () => void): Promise<void> {
    const strong = keys.filter((key) => this.#registrations.has(key));
    const others = keys.filter((key) => !this.#registrations.has(key));
    await dropElsewhere(
      this.#context,
      keys,
      () => {
        // In one step: the writer's own copy is a fill too, and its own fence is no reason against it.
        this.#lift();
        apply();
      },
      (sharedDropped) => {
        this.#side.committed(this.#operation, strong, sharedDropped);
        if (others.length > 0) this.#context.bus?.announce(others, sharedDropped);
      },
    );
    this.#context.meters.strong.committed++;
  }

  /** Where it is not known what becomes of the commit, the fences stand until they end by themselves. */
  abandon(error: unknown): void {
    if (WarpError.has(error, "OUTCOME_UNKNOWN")) return;
    this.withdraw();
    this.#context.meters.strong.aborted++;
  }

  withdraw(): void {
    this.#lift();
    this.#side.aborted(this.#operation);
  }

  #announce(): Promise<void> {
    const consent = this.#side.prepare({
      operation: this.#operation,
      keys: this.#keys,
      rules: [...this.#registrations.values()].map(({ quorum }) => quorum),
      call: this.#run.operation,
      key: this.#run.key,
      isWanted: () => !this.#run.cancelled,
    });
    // It is looked at when the commit is ready to be sent.
    consent.catch(() => undefined);
    return consent;
  }

  #fence(): void {
    this.#staleFrom = this.#context.clock.monotonic() + this.#side.fenceMs / 2;
    this.#context.fences.raise(this.#operation, this.#keys, this.#side.fenceMs);
  }

  #lift(): void {
    // Nobody announces it to this node any more: its own frames it does not obey.
    this.#context.fences.lift(this.#operation);
  }
}

/**
 * Runs a write of `keys`, with the consent of their quorums where any of them is strong. Whatever `work` guesses from the
 * local tier it must have guessed before: a strong write lets go of its own copies first.
 */
export const agreed = async <T>(
  context: Context,
  run: CommitRun,
  keys: ReadonlyMap<string, Registration>,
  work: (agreement: Agreement) => Promise<T>,
): Promise<T> => {
  const strong = strongOf(keys);
  if (strong.size === 0 || context.strong === undefined)
    return await work({
      ready: undefined,
      conclude: (some, apply) => dropElsewhere(context, some, apply),
      withdraw: () => undefined,
    });
  const agreement = new StrongAgreement(context, context.strong, run, strong);
  try {
    return await work(agreement);
  } catch (error) {
    agreement.abandon(error);
    throw error;
  }
};
