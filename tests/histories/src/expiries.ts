import type { Operation, Step, Value } from "./operation.ts";

const written = (step: Step): Value | undefined =>
  step.kind === "write" || step.kind === "swap" || step.kind === "create" ? step.value : undefined;

/**
 * What a store may do to values that expire, as operations of a history: remove each that was written, once, at some moment
 * once its life is over, or never. Every value is to be written by one call only.
 * @param lifeMs How long the values of a key live at least, in milliseconds of the history's clock; `undefined`: for ever.
 */
export const expiriesOf = (
  operations: readonly Operation[],
  lifeMs: (key: string) => number | undefined,
): readonly Operation[] => {
  let id = Math.max(0, ...operations.map((operation) => operation.id));
  return operations
    .filter(({ status }) => status !== "failed")
    .flatMap(({ start, steps: made }) =>
      made.flatMap((step): Operation[] => {
        const expected = written(step);
        const life = lifeMs(step.key);
        if (expected === undefined || expected === null || life === undefined) return [];
        const steps: Step[] = [{ kind: "swap", key: step.key, expected, value: null }];
        return [
          { id: ++id, process: "store", call: "expiry", steps, status: "unknown", start: start + life, end: null },
        ];
      }),
    );
};
