import { cpus, loadavg, totalmem } from "node:os";
import { type Answer, isMet, type Question, type Target } from "./question.ts";

const threeDigits = (value: number): string => {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en").replaceAll(",", " ");
  if (Math.abs(value) >= 100) return threeDigits(Math.round(value));
  return value.toPrecision(3);
};

const cell = (value: string | number): string => (typeof value === "number" ? threeDigits(value) : value);

/** A markdown table, its columns padded so that it also reads as text. */
export const table = (columns: readonly string[], rows: readonly (readonly (string | number)[])[]): string => {
  const lines = [columns, ...rows.map((row) => row.map(cell))];
  const widths = columns.map((_, at) => Math.max(3, ...lines.map((line) => (line[at] ?? "").length)));
  const print = (line: readonly string[]): string =>
    `| ${widths.map((width, at) => (at === 0 ? (line[at] ?? "").padEnd(width) : (line[at] ?? "").padStart(width))).join(" | ")} |`;
  const rule = `| ${widths.map((width, at) => (at === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  return [print(lines[0] as string[]), rule, ...lines.slice(1).map((line) => print(line as string[]))].join("\n");
};

const verdict = (target: Target): (string | number)[] => [
  target.what,
  target.value,
  `${target.bound === "at most" ? "≤" : "≥"} ${target.limit}`,
  isMet(target) ? "met" : "MISSED",
];

export const targetTable = (targets: readonly Target[]): string =>
  table(["target", "measured", "limit", ""], targets.map(verdict));

/** One question with its answer, as a section of the README. */
export const section = (question: Question, answer: Answer): string =>
  `## ${question.title}\n\n${question.method}\n\n${table(answer.columns, answer.rows)}\n`;

/**
 * The machine, the day and the versions: without them a figure says nothing.
 * @param load The load average before the first question: above the number of processors, figures in wall time
 *   (stalls, keys per second) are those of a machine that had other things to do.
 */
export const circumstances = (
  versions: ReadonlyMap<string, string>,
  date: Date,
  load: number = loadavg()[0] ?? 0,
): string => {
  const memory = Math.round(totalmem() / 2 ** 30);
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown processor"}, ${memory} GiB, ${process.platform}`;
  const list = [...versions].map(([name, version]) => `${name} ${version}`).join(", ");
  return `Measured on ${date.toISOString().slice(0, 10)}: ${machine}, Node ${process.version}, load average before ${load.toFixed(1)}; ${list}.`;
};

const marks = ["<!-- results -->", "<!-- end of results -->"] as const;

/** `text` with what stands between its two marks replaced. */
export const withResults = (text: string, results: string): string => {
  const [begin, end] = marks.map((mark) => text.indexOf(mark)) as [number, number];
  if (begin < 0 || end < begin) throw new Error(`the marks ${marks.join(" and ")} are missing`);
  return `${text.slice(0, begin + marks[0].length)}\n\n${results}\n${text.slice(end)}`;
};
