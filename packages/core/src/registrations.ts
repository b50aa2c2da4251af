import { WarpError } from "./errors.ts";
import { Registration, type RegistrationPolicy } from "./mechanisms/registration.ts";
import { waitFor } from "./mechanisms/wait.ts";
import type { WarpOptions } from "./options.ts";
import { type Context, requireOpen } from "./paths/context.ts";
import type { Codec } from "./ports/codec.ts";
import type { MergeEngine } from "./ports/merge-engine.ts";
import {
  type DynamicTtlOptions,
  dynamicPolicy,
  fixedPolicy,
  type QuorumOptions,
  quorumRule,
  type RegisterOptions,
  requireSupport,
} from "./register-options.ts";
import type { Registry } from "./registry.ts";
import { overlaps, requirePattern } from "./values/pattern.ts";
import { jsonCodec } from "./wire/json-codec.ts";

/** What is registered on a node, from its beginning to its end. */
export class Registrations {
  readonly #context: Context;
  readonly #registry: Registry;
  readonly #fallback: { readonly codec: Codec; readonly merge: MergeEngine | undefined };
  readonly #bus: { readonly deaf: boolean } | undefined;

  constructor(
    context: Context,
    registry: Registry,
    { codec = jsonCodec, merge }: Pick<WarpOptions, "codec" | "merge">,
    bus: { readonly deaf: boolean } | undefined,
  ) {
    this.#context = context;
    this.#registry = registry;
    this.#fallback = { codec, merge };
    this.#bus = bus;
  }

  registerFixed(pattern: string, options: RegisterOptions): boolean {
    requireOpen(this.#context, "register");
    return this.#register(fixedPolicy(pattern, options, this.#fallback));
  }

  registerDynamic(pattern: string, options: DynamicTtlOptions): boolean {
    requireOpen(this.#context, "registerDynamicTtl");
    return this.#register(dynamicPolicy(pattern, options, this.#fallback));
  }

  setQuorum(pattern: string, quorum: number | QuorumOptions): boolean {
    requireOpen(this.#context, "setQuorum");
    requirePattern(pattern);
    const rule = quorumRule(quorum);
    const registration = this.#registry.find(pattern);
    if (registration === undefined) return false;
    if (!registration.isStrong)
      throw new WarpError("UNSUPPORTED", `"${pattern}" is not strong-distributed: no quorum is asked for its writes`);
    registration.quorum = rule;
    return true;
  }

  /** @returns `false` if the pattern is taken. @throws {WarpError} `UNSUPPORTED`. */
  #register(policy: RegistrationPolicy): boolean {
    if (this.#registry.has(policy.pattern)) return false;
    requireSupport(policy, this.#context, this.#bus !== undefined);
    const { meters, clock } = this.#context;
    const registration = new Registration(policy, (pattern, hits) => meters.forPattern(pattern, hits));
    this.#raiseOverlapping(policy.pattern, clock.now());
    this.#registry.add(registration);
    if (this.#bus?.deaf === true && registration.isDistributed && this.#context.settings.whileDeaf === "bypass")
      registration.suspend();
    return true;
  }

  /** @returns `false` if the pattern is unknown. @throws {WarpError} `DEADLINE_EXCEEDED`: it is still registered. */
  async unregister(pattern: string): Promise<boolean> {
    requireOpen(this.#context, "unregister");
    const registration = this.#registry.find(pattern);
    if (registration === undefined) return false;
    const { local, dirty, clock, meters, settings, versions } = this.#context;
    if (!registration.isDistributed && dirty !== undefined && dirty.depth > 0) {
      const details = { operation: "unregister", port: "store" } as const;
      await waitFor(clock, dirty.flushAll(registration), { timeoutMs: 2 * settings.storeDeadlineMs, details });
      if (this.#registry.find(pattern) !== registration) return false;
    }
    this.#registry.remove(registration);
    this.#raiseOverlapping(pattern, clock.now());
    registration.end();
    if (local !== undefined) {
      for (const [key, entry] of local.entries()) if (entry.registration === registration) local.delete(key);
    }
    versions?.forget(registration);
    meters.release(registration.meters, registration.readHits);
    return true;
  }

  #raiseOverlapping(pattern: string, at: number): void {
    for (const other of this.#registry.all()) if (overlaps(other.policy.pattern, pattern)) other.raise(at);
  }
}
