import { type Operation, type Step, sameValue, type Value } from "./operation.ts";

/** What the keys of a history hold. Keys that are left out hold nothing. */
export type State = ReadonlyMap<string, Value>;

const impossible: unique symbol = Symbol("impossible");
type Effect = Value | typeof impossible;

const effectOf = (held: Value, step: Step): Effect => {
  switch (step.kind) {
    case "read":
      return step.value === undefined || sameValue(held, step.value) ? held : impossible;
    case "write":
      return step.existed === undefined || step.existed === (held !== null) ? step.value : impossible;
    case "add": {
      const sum = (typeof held === "number" ? held : 0) + step.amount;
      return step.value === undefined || step.value === sum ? sum : impossible;
    }
    case "swap":
      return sameValue(held, step.expected) ? step.value : impossible;
    case "differs":
      return sameValue(held, step.other) ? impossible : held;
    case "create": {
      const result = held ?? step.value;
      return step.result === undefined || sameValue(result, step.result) ? result : impossible;
    }
  }
};

/**
 * What an operation makes of a state; `undefined` if it cannot take place in it. One whose outcome is unknown can take
 * place in any: where it could not have, it had no effect.
 */
export const apply = (state: State, { steps, status }: Operation): State | undefined => {
  let next: Map<string, Value> | undefined;
  for (const step of steps) {
    const held = (next ?? state).get(step.key) ?? null;
    const effect = effectOf(held, step);
    if (effect === impossible) return status === "unknown" ? state : undefined;
    if (sameValue(effect, held)) continue;
    next ??= new Map(state);
    if (effect === null) next.delete(step.key);
    else next.set(step.key, effect);
  }
  return next ?? state;
};

/** The same for two states exactly if they are equal. */
export const stateKey = (state: State): string =>
  state.size < 2 ? JSON.stringify([...state]) : JSON.stringify([...state].sort(([a], [b]) => (a < b ? -1 : 1)));
