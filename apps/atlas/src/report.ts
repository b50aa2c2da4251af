import Table from "cli-table3";
import { nodeNames } from "./bootstrap.ts";
import type { Check } from "./checks.ts";
import { duration, grouped, percent } from "./format.ts";
import type { Tally } from "./ledger.ts";
import { grown } from "./metrics.ts";
import { kinds } from "./plan.ts";
import type { StrongOutcome } from "./strong-act.ts";
import type { Outcome } from "./workload.ts";

const labelWidth = 13;

/** A line of the running commentary, in line with the progress bars. */
export const line = (label: string, text: string): string => `${label.padEnd(labelWidth)}${text}\n`;

type Row = readonly [name: string, ...cells: string[]];

const table = (head: Row, rows: readonly Row[]): string => {
  const colAligns = head.map((_, index) => (index === 0 ? ("left" as const) : ("right" as const)));
  // Plain text: it is read in logs too.
  const made = new Table({ head: [...head], colAligns, style: { head: [], border: [], compact: true } });
  made.push(...rows.map((row) => [...row]));
  return made.toString();
};

const nsPerMs = 1e6;

/** How long the calls took, as their callers saw it. */
const latencies = (tallies: ReadonlyMap<string, Tally>): string => {
  const known = kinds.flatMap((kind) => [...tallies].filter(([of]) => of === kind));
  const rows = known.map(([kind, { times, failures }]): Row => {
    const failed = [...failures].map(([code, count]) => `${grouped(count)} ${code}`).join(", ");
    const at = (percentile: number): string =>
      times.count === 0 ? "–" : duration(times.percentile(percentile) / nsPerMs);
    return [kind, grouped(times.count), at(50), at(99), failed === "" ? "–" : failed];
  });
  return table(["operation", "answered", "p50", "p99", "failed"], rows);
};

/** Where the reads were answered, of each node and of all. */
const hitRatios = ({ before, after }: Outcome): string => {
  const row = (name: string, labels: Readonly<Record<string, string>>): Row => {
    const local = grown(before, after, "hits_total", { ...labels, tier: "local" });
    const store = grown(before, after, "hits_total", { ...labels, tier: "store" });
    const reads = local + store + grown(before, after, "misses_total", labels);
    return [
      name,
      grouped(reads),
      percent(local / reads),
      percent(store / reads),
      grouped(grown(before, after, "evictions_total", labels)),
      grouped(grown(before, after, "loads_saved_total", labels)),
    ];
  };
  return table(
    ["node", "reads", "from its cache", "from the store", "evictions", "loads saved"],
    [...nodeNames.map((node) => row(node, { node })), row("all", {})],
  );
};

const onTheBus = ({ before, after, atCut, revocation }: Outcome): string => {
  const keys = grown(before, after, "keys_sent_total");
  const sent = { direction: "sent", outcome: "ok" };
  const frames = grown(before, after, "frames_total", sent);
  const invalidations = frames - grown(before, after, "heartbeats_total", { direction: "sent" });
  const settled = (outcome: string): string => grouped(grown(atCut, after, "suspects_total", { outcome }));
  const rows: readonly Row[] = [
    ["keys invalidated on the other nodes", grouped(keys)],
    ["frames that carried them", grouped(invalidations)],
    ["keys in a frame, on average", (keys / invalidations).toFixed(1)],
    [
      "commits that another writer overtook, and that were tried again",
      grouped(grown(before, after, "store_conflicts_total")),
    ],
    ["leases revoked", grouped(revocation.leases)],
    ["copies that this dropped", grouped(revocation.copies)],
    ["times a node may have missed frames, since the cut", grouped(grown(atCut, after, "bus_gaps_total"))],
    ["suspects found unchanged after the cut", settled("revalidated")],
    ["suspects replaced after the cut", settled("replaced")],
  ];
  return table(["on the bus", ""], rows);
};

/** What a run did, for people. */
export const summaryOf = (outcome: Outcome): string =>
  [
    `The workload took ${duration(outcome.tookMs)}.`,
    "",
    latencies(outcome.ledger.tallies),
    "",
    hitRatios(outcome),
    "",
    onTheBus(outcome),
  ].join("\n");

/** What the strong keys went through, for people. */
export const strongSummaryOf = ({ history, times, quorum }: StrongOutcome): string => {
  const at = (of: "read" | "write", percentile: number): string => duration(times[of].percentile(percentile) / nsPerMs);
  const events = (event: string): string => grouped(history.locks.filter((one) => one.event === event).length);
  const back = quorum.backAfterMs === undefined ? "never" : `after ${duration(quorum.backAfterMs)}`;
  const rows: readonly Row[] = [
    ["calls on configuration flags, on every node at once", grouped(history.operations.length)],
    ["a read, which the store confirms: p50, p99", `${at("read", 50)}, ${at("read", 99)}`],
    ["a write, which a quorum acknowledges: p50, p99", `${at("write", 50)}, ${at("write", 99)}`],
    ["times the lock was granted", events("granted")],
    ["writes under it that came after the next owner's, refused", events("refused")],
    ["a write while two of three nodes are cut off", `${quorum.code} after ${duration(quorum.refusedAfterMs)}`],
    ["the first write once they are back", back],
  ];
  return table(["strong keys", ""], rows);
};

export const verdictOf = (checks: readonly Check[]): string =>
  checks.map(({ name, passed, detail }) => `${passed ? "ok    " : "FAILED"} ${name}: ${detail}`).join("\n");
