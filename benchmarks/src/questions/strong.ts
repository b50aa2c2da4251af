import { inCluster, type Setup } from "../cluster.ts";
import { type Timed, timed } from "../latency.ts";
import type { Answer, Question, Target } from "../question.ts";
import { interleave, type Standing } from "../statistics.ts";
import { type ByHand, type ModesNode, openByHand, poolSize, prefixes } from "../subjects/modes.ts";

/** Many and short: what disturbs the machine, or the disk, for some seconds disturbs both sides alike. */
const rounds = 150;
/** Enough for V8's compiler to be done: it takes thousands of calls, as a service has soon had. */
const warmUpRounds = 30;
const callsARound = 150;
/** Each way: as between two zones of one region. */
const farMs = 1;
const farCallsARound = 10;
const callers = 100;
const crowdCalls = 10_000;
const crowdRounds = 15;
const keys = Array.from({ length: 1_000 }, (_, n) => `${prefixes["strong-distributed"]}:${n}`);
const keyOf = (n: number): string => keys[(n * 7_919) % keys.length] as string;

const byHandName = "by hand";
const warpName = "Warp, strong-distributed";
const names = [byHandName, warpName] as const;

type Call = (n: number) => Promise<unknown>;
type Calls = Readonly<Record<(typeof names)[number], Call>>;

/** One call after another. */
const oneByOne = async (
  calls: Calls,
  count: number,
): Promise<{ timed: readonly Timed[]; standings: Map<string, Standing> }> => {
  const contestants = names.map((name) => timed(name, count, warmUpRounds, calls[name]));
  return { timed: contestants, standings: await interleave(contestants, byHandName, rounds, warmUpRounds) };
};

/** A hundred callers, each with its next call as soon as it has an answer. @returns Microseconds of wall time a call. */
const crowd = async (call: Call): Promise<number> => {
  let next = 0;
  const caller = async (): Promise<void> => {
    for (let n = next++; n < crowdCalls; n = next++) await call(n);
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: callers }, caller));
  return ((performance.now() - began) * 1e3) / crowdCalls;
};

const found = async (value: Promise<unknown>): Promise<void> => {
  if ((await value) === undefined) throw new Error("a value was lost");
};

interface Measured {
  readonly written: Awaited<ReturnType<typeof oneByOne>>;
  readonly read: Awaited<ReturnType<typeof oneByOne>>;
  readonly crowded?: Map<string, Standing>;
}

interface Measurement extends Setup {
  /** What the rows are told apart by. */
  readonly told: string;
  /** One after another, a round. */
  readonly calls: number;
  readonly crowd?: true;
  readonly isTarget?: true;
}

const measurements: readonly Measurement[] = [
  { told: "", calls: callsARound, crowd: true, isTarget: true },
  { told: `, servers ${farMs} ms away`, latencyMs: farMs, calls: farCallsARound, isTarget: true },
  { told: ", fsync off", durable: false, calls: callsARound },
];

const ofNode = ({ warp }: ModesNode, hand: ByHand): { readonly reads: Calls; readonly writes: Calls } => ({
  reads: {
    [byHandName]: (n) => found(hand.read(keyOf(n))),
    [warpName]: (n) => found(warp.find(keyOf(n))),
  },
  writes: {
    [byHandName]: (n) => hand.write(keyOf(n), { n }),
    [warpName]: (n) => warp.set(keyOf(n), { n }),
  },
});

const measure = async (measurement: Measurement): Promise<Measured> =>
  await inCluster(async (node) => {
    await node.warp.setMany(keys.map((key, n) => [key, { n }] as const));
    const { reads, writes } = ofNode(node, await openByHand(node, keys));
    const written = await oneByOne(writes, measurement.calls);
    const read = await oneByOne(reads, measurement.calls);
    if (measurement.crowd === undefined) return { written, read };
    const contestants = names.map((name) => ({ name, round: () => crowd(reads[name]) }));
    return { written, read, crowded: await interleave(contestants, byHandName, crowdRounds) };
  }, measurement);

const ratio = (standings: ReadonlyMap<string, Standing> | undefined): number =>
  standings?.get(warpName)?.ratio ?? Number.NaN;

const cells = (name: string, { timed: all, standings }: Measured["read"]): number[] => {
  const one = all.find((candidate) => candidate.name === name);
  const { cost, ratio: toFloor } = standings.get(name) as Standing;
  return [cost, toFloor, one?.percentile(0.99) ?? Number.NaN];
};

const crowdCells = (name: string, crowded: ReadonlyMap<string, Standing> | undefined): (string | number)[] => {
  const standing = crowded?.get(name);
  return standing === undefined ? ["–", "–"] : [standing.cost, 1 / standing.ratio];
};

const rowsOf = ({ told }: Measurement, { written, read, crowded }: Measured): (string | number)[][] =>
  names.map((name) => [`${name}${told}`, ...cells(name, written), ...cells(name, read), ...crowdCells(name, crowded)]);

const targetsOf = ({ told, isTarget }: Measurement, { written, read, crowded }: Measured): Target[] => {
  if (isTarget === undefined) return [];
  const write = `strong write, p50, × request and UPDATE by hand${told}`;
  const question = `strong read of a copy, p50, × SELECT by hand${told}`;
  const many = `strong reads of ${callers} callers, × SELECT by hand`;
  return [
    { what: write, value: ratio(written.standings), bound: "at most", limit: 1.3 },
    { what: question, value: ratio(read.standings), bound: "at most", limit: 1.1 },
    ...(crowded === undefined ? [] : [{ what: many, value: 1 / ratio(crowded), bound: "at least" as const, limit: 3 }]),
  ];
};

const ask = async (): Promise<Answer> => {
  const all: [Measurement, Measured][] = [];
  for (const measurement of measurements) all.push([measurement, await measure(measurement)]);
  return {
    columns: [
      "",
      ...["write, p50: µs", "× by hand", "p99: µs"],
      ...["read, p50: µs", "× by hand", "p99: µs"],
      ...[`read, ${callers} callers: µs`, "times as many"],
    ],
    rows: all.flatMap(([measurement, measured]) => rowsOf(measurement, measured)),
    targets: all.flatMap(([measurement, measured]) => targetsOf(measurement, measured)),
  };
};

export const strong: Question = {
  name: "strong",
  title: "What does the strong mode cost?",
  method: `A node on NATS and PostgreSQL on the same machine, and a second one in a process of its own, whose acknowledgement each write waits for (\`setQuorum(…, 2)\`). By hand, on the same connections: a request over NATS that the same second process answers, then \`UPDATE … WHERE key = … AND revision = …\`; a read is a \`SELECT\` of the row by its key. Statements are prepared on both sides. Warp holds a copy of what it reads, and asks the store whether it still stands. ${callsARound} calls one after another a round, over ${keys.length} keys; then ${callers} callers at once on the same ${poolSize} connections, in wall time a call. p50 and × are medians over ${rounds} rounds, p99 is that of all their calls. On one machine a round trip takes some 50 µs; so the same again with every line ${farMs} ms long each way (a proxy in a process of its own), ${farCallsARound} calls a round; and without waiting for the disk (fsync off), which no service does, so that it has no target: there nothing but processor time is left.`,
  ask,
};
