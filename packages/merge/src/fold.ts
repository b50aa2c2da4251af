import type { MergeEngine } from "@warp/core";

/** Which of the values an error speaks of. */
export type Role = "the current value" | "the incoming value" | "the earlier value" | "the later value";

/**
 * An engine whose result is one fold over the values in the order they came, so that what holds of `merge` holds of
 * `combine`.
 * @param check Returns the value, or throws `INVALID_VALUE` naming the role. It sees stored values too.
 * @param fold Given one or two checked values. Must bring a single value into the form that its results have.
 */
export const foldingEngine = <V>(
  name: string,
  check: (role: Role, value: unknown) => V,
  fold: (values: readonly V[]) => V,
): MergeEngine<V> & Required<Pick<MergeEngine<V>, "combine">> =>
  Object.freeze({
    portVersion: 1,
    name,
    readsCurrent: true,
    merge: (current: V | undefined, incoming: V): V => {
      const checked = check("the incoming value", incoming);
      return fold(current === undefined ? [checked] : [check("the current value", current), checked]);
    },
    combine: (earlier: V, later: V): V => fold([check("the earlier value", earlier), check("the later value", later)]),
  });
