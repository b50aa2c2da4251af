import type { MergeEngine } from "@warp/core";
import { WarpError } from "@warp/core";
import type { Role } from "./fold.ts";
import { invalidArgument, invalidValue, refusal } from "./invalid.ts";
import { isPlainObject } from "./json.ts";

/** An engine for each field of `V`. */
export type FieldEngines<V extends object> = { readonly [Field in keyof V]-?: MergeEngine<V[Field]> };

export interface MergeFieldsOptions {
  /** The engine of every field that has none of its own. Default none: such a field is refused in what is written. */
  readonly otherFields?: MergeEngine;
}

type Fields = Readonly<Record<string, unknown>>;

const name = "merge-fields";

const requireFields = (role: Role, value: unknown): Fields => {
  if (isPlainObject(value)) return value;
  throw invalidValue(name, role, "a plain object", value);
};

const requireEngine = (what: string, engine: unknown): MergeEngine => {
  const { portVersion, merge } = (engine ?? {}) as Partial<MergeEngine>;
  if (portVersion === 1 && typeof merge === "function") return engine as MergeEngine;
  throw invalidArgument(`mergeFields: ${what}`, "a merge engine", engine);
};

const own = (fields: Fields, field: string): unknown => (Object.hasOwn(fields, field) ? fields[field] : undefined);

/** What `run` returns; an engine's refusal says which field it is about. */
const inField = (field: string, run: () => unknown): unknown => {
  try {
    return run();
  } catch (cause) {
    if (!WarpError.has(cause, "INVALID_VALUE")) throw cause;
    throw refusal(`${name}: field "${field}": ${cause.message}`, { cause });
  }
};

/**
 * An object whose fields are merged each by its own engine. A field that is not written (missing or `undefined`) stays
 * as it is, so a write may name some of them. Has each law that all of its engines have, and `combine` if all have.
 *
 * A stored field that has no engine stays as it is: an older node does not lose what a newer one added.
 *
 * @throws {WarpError} `INVALID_ARGUMENT` naming the field whose engine is none. Merging throws `INVALID_VALUE` for
 *   anything but a plain object, for a written field without an engine, and naming the field where its engine refuses.
 */
export const mergeFields = <V extends object>(
  fields: FieldEngines<V>,
  { otherFields }: MergeFieldsOptions = {},
): MergeEngine<V> => {
  if (!isPlainObject(fields)) throw invalidArgument("mergeFields: fields", "an object of merge engines", fields);
  const entries = Object.entries(fields).map(
    ([field, engine]) => [field, requireEngine(`field "${field}"`, engine)] as const,
  );
  const rest = otherFields === undefined ? undefined : requireEngine("otherFields", otherFields);
  const engines = new Map(entries);

  const update = (
    before: Fields,
    written: Fields,
    run: (engine: MergeEngine, was: unknown, now: unknown) => unknown,
  ): V => {
    const updates = Object.entries(written).filter(([, now]) => now !== undefined);
    const after = updates.map(([field, now]) => {
      const engine = engines.get(field) ?? rest;
      if (engine === undefined) throw refusal(`${name}: there is no engine for field "${field}"`);
      return [field, inField(field, () => run(engine, own(before, field), now))] as const;
    });
    // Spread and fromEntries define members: a field named "__proto__" stays a field.
    return { ...before, ...Object.fromEntries(after) } as V;
  };

  const merge = (current: V | undefined, incoming: V): V =>
    update(
      current === undefined ? {} : requireFields("the current value", current),
      requireFields("the incoming value", incoming),
      (engine, was, now) => engine.merge(was, now),
    );
  const combine = (earlier: V, later: V): V =>
    update(requireFields("the earlier value", earlier), requireFields("the later value", later), (engine, was, now) =>
      was === undefined ? now : engine.combine?.(was, now),
    );
  const combines = [...engines.values(), rest].every((engine) => engine === undefined || engine.combine !== undefined);
  return Object.freeze({ portVersion: 1, name, readsCurrent: true, merge, ...(combines && { combine }) });
};
