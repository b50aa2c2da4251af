import { type Time, timeOf } from "./time.ts";

/** One sentence of a port's contract, and what checks it. Any test runner can register it. */
export interface ConformanceCase {
  /** A sentence of the contract. Stable within a major version, unique within its port. */
  readonly name: string;
  /** The fact of the adapter without which the sentence says nothing about it, for example `"atomicBatch"`. */
  readonly needs: string | undefined;
  /**
   * Opens a fresh subject, checks the sentence, closes the subject.
   * @returns `"exempt"` if the adapter declares that it lacks what `needs` names: nothing was checked.
   * @throws {AssertionError} or what the adapter threw, if the sentence does not hold.
   */
  readonly run: () => Promise<CaseOutcome>;
}

/** Whether a case that holds had anything to check. */
export type CaseOutcome = "checked" | "exempt";

/** What an adapter's tests open for each case: the adapter on a backend that nobody has used yet. */
export interface Subject<Port> {
  readonly port: Port;
  /** Another instance on the same backend, as another process would have one. Absent where the backend is the instance. */
  readonly other?: Port | undefined;
  /** Moves the backend's clock on. Absent where the backend has the machine's: cases then wait, briefly. */
  readonly advance?: ((ms: number) => void | Promise<void>) | undefined;
  /** How long, in milliseconds, what must come about may take; default 10 000. The runner's timeout must be longer. */
  readonly patienceMs?: number | undefined;
  /** Ends what `open` began. Called once, also after a failure. */
  readonly close?: (() => void | Promise<void>) | undefined;
}

/** Opens a subject. Called once for each case. */
export type OpenSubject<S> = () => S | Promise<S>;

type PortOf<S> = S extends Subject<infer Port> ? Port : never;

export type Check<S> = (port: PortOf<S>, other: PortOf<S>, time: Time, subject: S) => void | Promise<void>;

/** A fact that some adapters of a port do not have. */
export interface Need<S> {
  readonly fact: string;
  holds(subject: S): boolean;
}

/** Sentence → check. */
export type CaseTable<S> = Readonly<Record<string, Check<S> | { readonly needs: Need<S>; readonly check: Check<S> }>>;

/** The cases of `tables`, each on a subject of its own. */
export const casesOf = <S extends Subject<unknown>>(
  open: OpenSubject<S>,
  tables: readonly CaseTable<S>[],
): readonly ConformanceCase[] =>
  tables
    .flatMap((table) => Object.entries(table))
    .map(([name, entry]) => {
      const { needs, check } = typeof entry === "function" ? { needs: undefined, check: entry } : entry;
      const run = async (): Promise<CaseOutcome> => {
        const subject = await open();
        try {
          if (needs !== undefined && !needs.holds(subject)) return "exempt";
          const port = subject.port as PortOf<S>;
          await check(port, (subject.other ?? port) as PortOf<S>, timeOf(subject), subject);
          return "checked";
        } finally {
          await subject.close?.();
        }
      };
      return { name, needs: needs?.fact, run };
    });
