import type { Sample } from "./bootstrap.ts";

type Labels = Readonly<Record<string, string>>;

/** The samples of one metric with these labels, all nodes, added up. */
export const total = (samples: readonly Sample[], name: string, labels: Labels = {}): number =>
  samples
    .filter((sample) => sample.name === `warp_core_${name}`)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);

/** How much a counter has grown between two looks. */
export const grown = (before: readonly Sample[], after: readonly Sample[], name: string, labels: Labels = {}): number =>
  total(after, name, labels) - total(before, name, labels);
