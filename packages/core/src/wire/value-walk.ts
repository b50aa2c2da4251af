/** The place in a value that has no faithful form, and why. */
export interface Unfaithful {
  /** From the outside in; built from the inside out. */
  readonly path: (string | number)[];
  readonly reason: string;
}

// Contained in no value.
const nowhere: object = Object.freeze({});

const found = (reason: string): Unfaithful => ({ path: [], reason });

// A prototype of another realm (a vm context, a worker's message) is another object with the same role.
const isObjectPrototype = (prototype: object): boolean =>
  prototype === Object.prototype ||
  (Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "__lookupGetter__"));
// Array.prototype is itself an array; the prototype of a subclass is not.
const isArrayPrototype = (prototype: object): boolean => prototype === Array.prototype || Array.isArray(prototype);

const nameOf = (value: object): string => {
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" ? name : "an unnamed class";
};

const ofPrototype = (value: object, isArray: boolean): Unfaithful | undefined => {
  const prototype: object | null = Object.getPrototypeOf(value);
  if (prototype === null) return found("an object without a prototype");
  const plain = isArray ? isArrayPrototype(prototype) : isObjectPrototype(prototype);
  return plain ? undefined : found(`an instance of ${nameOf(value)}`);
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

const ofElements = (value: readonly unknown[], mark: object, depth: number): Unfaithful | undefined => {
  for (let index = 0; index < value.length; index += 1) {
    const element = value[index];
    if (element === undefined)
      return inside(found(Object.hasOwn(value, index) ? "undefined" : "a hole in an array"), index);
    const problem = unfaithful(element, mark, depth);
    if (problem !== undefined) return inside(problem, index);
  }
  // No holes: what is more than the elements are named properties.
  return Object.keys(value).length === value.length ? undefined : found("an array with named properties");
};

const ofFields = (value: object, mark: object, depth: number): Unfaithful | undefined => {
  for (const field of Object.keys(value)) {
    const problem = unfaithful((value as Record<string, unknown>)[field], mark, depth);
    if (problem !== undefined) return inside(problem, field);
  }
  return undefined;
};

const ofNested = (value: object, mark: object, depth: number): Unfaithful | undefined => {
  const isArray = Array.isArray(value);
  const problem = ofPrototype(value, isArray) ?? ofSymbols(value);
  if (problem !== undefined) return problem;
  if (typeof (value as { toJSON?: unknown }).toJSON === "function") return found("an object with a toJSON function");
  if (value === mark) return found("a reference back to a value that contains it");
  // Going round a cycle, the walk meets the container it marked last, once its marks lie far enough apart (Brent,
  // "An improved Monte Carlo factorization algorithm", 1980): one comparison instead of a list of all containers.
  const next = (depth & (depth - 1)) === 0 ? value : mark;
  return isArray ? ofElements(value, next, depth + 1) : ofFields(value, next, depth + 1);
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
export const unfaithful = (value: unknown, mark: object = nowhere, depth = 0): Unfaithful | undefined => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return undefined;
    case "number":
      return ofNumber(value);
    case "object":
      return value === null ? undefined : ofNested(value, mark, depth);
    case "bigint":
      return found("a bigint");
    default:
      return found(value === undefined ? "undefined" : `a ${typeof value}`);
  }
};
