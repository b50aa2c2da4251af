import { describeOperation, type Operation } from "./operation.ts";

const widthOf = 1_400;
const rowHeight = 26;
const colours = { ok: "#9cc99c", failed: "#ccc", unknown: "#f0c070" } as const;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** Operations under each other, so that those that ran at once overlap. For a terminal. */
export const timelineText = (operations: readonly Operation[], columns = 60): string => {
  const starts = operations.map(({ start }) => start);
  const from = Math.min(...starts);
  const until = Math.max(...operations.map(({ start, end }) => end ?? start));
  const column = (at: number): number => Math.round(((at - from) / Math.max(1e-9, until - from)) * (columns - 1));
  return operations
    .map((operation) => {
      const [first, last] = [column(operation.start), column(operation.end ?? until)];
      const bar = `${" ".repeat(first)}${"━".repeat(last - first + 1)}${operation.end === null ? "▸" : ""}`;
      return `${bar.padEnd(columns + 1)} ${describeOperation(operation)}`;
    })
    .join("\n");
};

/** A page with a row for each process and a bar for each operation, as Porcupine's visualiser makes. Needs nothing else. */
export const timelinePage = (title: string, operations: readonly Operation[]): string => {
  const from = Math.min(...operations.map(({ start }) => start));
  const until = Math.max(...operations.map(({ start, end }) => end ?? start));
  const x = (at: number): number => 120 + ((at - from) / Math.max(1e-9, until - from)) * (widthOf - 140);
  const lanes: { readonly process: string; until: number }[] = [];
  const bars = [...operations]
    .sort((a, b) => (a.process < b.process ? -1 : a.process > b.process ? 1 : a.start - b.start))
    .map((operation) => {
      let lane = lanes.findIndex((one) => one.process === operation.process && one.until < operation.start);
      if (lane < 0) lane = lanes.push({ process: operation.process, until: 0 }) - 1;
      const end = operation.end ?? until;
      (lanes[lane] as { until: number }).until = end;
      const y = 20 + lane * rowHeight;
      const told = escaped(describeOperation(operation));
      const width = Math.max(3, x(end) - x(operation.start));
      return `<g><title>${told}</title><rect x="${x(operation.start)}" y="${y}" width="${width}" height="20" fill="${colours[operation.status]}" stroke="#555"/><text x="${x(operation.start) + 2}" y="${y + 14}" font-size="10">#${operation.id}</text></g>`;
    });
  const names = lanes.map(
    ({ process }, lane) => `<text x="4" y="${34 + lane * rowHeight}" font-size="12">${escaped(process)}</text>`,
  );
  const height = 40 + lanes.length * rowHeight;
  return `<!doctype html><meta charset="utf-8"><title>${escaped(title)}</title><h1>${escaped(title)}</h1><svg xmlns="http://www.w3.org/2000/svg" width="${widthOf}" height="${height}" font-family="sans-serif">${names.join("")}${bars.join("")}</svg>`;
};
