/** A figure that the project promised to reach, and what came of it. */
export interface Target {
  readonly what: string;
  readonly value: number;
  /** `value` must be at most, or at least, this. */
  readonly bound: "at most" | "at least";
  readonly limit: number;
}

/** The answer to one question: a table, and the figures in it that are held to a target. */
export interface Answer {
  readonly columns: readonly string[];
  /** The first cell names the subject. Numbers are printed with three digits. */
  readonly rows: readonly (readonly (string | number)[])[];
  readonly targets: readonly Target[];
}

/** What is asked of all subjects, side by side. */
export interface Question {
  readonly name: string;
  readonly title: string;
  /** How it was measured, for the reader of the table. */
  readonly method: string;
  /** Runs in a child process of its own that has `gc()`. */
  ask(): Promise<Answer>;
}

export const isMet = ({ value, bound, limit }: Target): boolean =>
  bound === "at most" ? value <= limit : value >= limit;
