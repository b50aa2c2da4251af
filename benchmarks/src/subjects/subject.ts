/** What all subjects store: a small object. */
export interface Value {
  readonly n: number;
}

/** How long values live, in all subjects: long enough never to matter, short enough to be a real expiry. */
export const lifeMs = 3_600_000;

/** Makes a value; takes whatever the subject passes to a loader. */
export type Load = (input?: unknown) => Promise<Value>;

/** A cache under measurement, opened for one question and then thrown away. */
export interface Subject {
  readonly name: string;
  /** Another library's: measured on fewer calls, being slower. */
  readonly isPeer?: boolean;
  get(key: string): Promise<Value | undefined>;
  getOrSet(key: string, load: Load): Promise<Value | undefined>;
  set(key: string, value: Value): Promise<unknown>;
  /** Without waiting, where the subject has such a call. */
  readonly peek?: (key: string) => Value | undefined;
  close(): Promise<void>;
}

/** Opens a subject with room for `entries`. */
export type Open = (entries: number) => Subject;
