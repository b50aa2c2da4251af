/** The place in a value that has no faithful form, and why. */
export interface Unfaithful {
  /** From the outside in; built from the inside out. */
  readonly path: (string | number)[];
  readonly reason: string;
}

const found = (reason: string): Unfaithful => ({ path: [], reason });

// From this depth on the walk remembers where it came from: a cycle gets there fast, honest values rarely do.
const watchedDepth = 64;

// A prototype of another realm (a vm context, a worker's message) is another object with the same role.
const isObjectPrototype = (prototype: object): boolean =>
  prototype === Object.prototype ||
  (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "__lookupGetter__"));
// Array.prototype is itself an array; the prototype of a subclass is not.
const isArrayPrototype = (prototype: object | null): boolean =>
  prototype === Array.prototype || Array.isArray(prototype);

const nameOf = (value: object): string => {
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "an unnamed class";
};

const ofObject = (value: object, prototype: object | null): Unfaithful | undefined => {
  if (prototype === null) return found("an object without a prototype");
  if (!isObjectPrototype(prototype)) return found(`an instance of ${nameOf(value)}`);
  return undefined;
};

const ofSymbols = (value: object): Unfaithful | undefined => {
  const symbols = Object.getOwnPropertySymbols(value);
  if (symbols.length === 0) return undefined;
  if (symbols.some((symbol) => Object.prototype.propertyIsEnumerable.call(value, symbol)))
    return found("an object with symbols for keys");
  const plain = Array.isArray(value) ? "[object Array]" : "[object Object]";
  return Object.prototype.toString.call(value) === plain ? undefined : found("an object in disguise");
};

const inside = (problem: Unfaithful | undefined, segment: string | number): Unfaithful | undefined => {
  problem?.path.push(segment);
  return problem;
};

const ofElements = (value: readonly unknown[], above: readonly object[], depth: number): Unfaithful | undefined => {
  for (let index = 0; index < value.length; index += 1) {
    const element = value[index];
    if (element === undefined)
      return inside(found(Object.hasOwn(value, index) ? "undefined" : "a hole in an array"), index);
    const problem = unfaithful(element, above, depth);
    if (problem !== undefined) return inside(problem, index);
  }
  // No holes: what is more than the elements are named properties.
  return Object.keys(value).length === value.length ? undefined : found("an array with named properties");
};

const ofFields = (value: object, above: readonly object[], depth: number): Unfaithful | undefined => {
  for (const field of Object.keys(value)) {
    const problem = unfaithful((value as Record<string, unknown>)[field], above, depth);
    if (problem !== undefined) return inside(problem, field);
  }
  return undefined;
};

const ofNested = (value: object, above: readonly object[], depth: number): Unfaithful | undefined => {
  const prototype: object | null = Object.getPrototypeOf(value);
  const isArray = Array.isArray(value);
  const problem = isArray && isArrayPrototype(prototype) ? undefined : ofObject(value, prototype);
  if (problem !== undefined) return problem;
  if (isArray && !isArrayPrototype(prototype)) return found("an array of another prototype");
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return found("an object with a toJSON function");
  if (above.includes(value)) return found("a reference back to a value that contains it");
  const path = depth < watchedDepth ? above : [...above, value];
  const symbols = ofSymbols(value);
  if (symbols !== undefined) return symbols;
  return isArray ? ofElements(value, path, depth + 1) : ofFields(value, path, depth + 1);
};

const ofNumber = (value: number): Unfaithful | undefined => {
  if (!Number.isFinite(value)) return found(String(value));
  return Object.is(value, -0) ? found("-0") : undefined;
};

/**
 * Looks for what JSON would change: the first such place, or `undefined` if `value` comes back deep-equal. A getter
 * counts as the value it returns. Costs less than `JSON.stringify`.
 * @throws {RangeError} If the value is nested too deeply for the stack, as `JSON.stringify` would.
 */
export const unfaithful = (value: unknown, above: readonly object[] = [], depth = 0): Unfaithful | undefined => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return ofNumber(value);
    case "object":
      return value === null ? undefined : ofNested(value, above, depth);
    case "bigint":
      return found("a bigint");
    default:
      return found(value === undefined ? "undefined" : `a ${typeof value}`);
  }
};
