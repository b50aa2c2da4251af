export type Sample = readonly [name: string, labels: Readonly<Record<string, string>>, value: number];

const plainText = (text: string): string =>
  text.replace(/\\(\\|n|")/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped));

const parseLabels = (text: string): Record<string, string> => {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== "") {
    const match = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\.)*)"(?:,|$)/.exec(rest);
    if (match === null) throw new Error(`not a list of labels: ${text}`);
    const [whole, name = "", value = ""] = match;
    if (name in labels) throw new Error(`label ${name} comes twice: ${text}`);
    labels[name] = plainText(value);
    rest = rest.slice(whole.length);
  }
  return labels;
};

/** Reads the Prometheus text format 0.0.4 and refuses what its scraper would refuse. */
export const parseExposition = (text: string): { types: Record<string, string>; samples: Sample[] } => {
  const types: Record<string, string> = {};
  const samples: Sample[] = [];
  const seen = new Set<string>();
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) types[type[1] ?? ""] = type[2] ?? "";
    if (line.startsWith("# ")) continue;
    const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match === null) throw new Error(`not a sample: ${line}`);
    const [, name = "", labelText = "", value = ""] = match;
    const labels = parseLabels(labelText);
    const series = JSON.stringify([name, Object.entries(labels).sort()]);
    if (seen.has(series)) throw new Error(`a series comes twice: ${line}`);
    seen.add(series);
    if (!(name.replace(/_(bucket|sum|count)$/, "") in types) && !(name in types)) throw new Error(`no type: ${line}`);
    samples.push([name, labels, value === "+Inf" ? Number.POSITIVE_INFINITY : Number(value)]);
  }
  return { types, samples };
};
