import { parseArgs } from "node:util";

export interface AtlasOptions {
  readonly seed: number;
  readonly operations: number;
  /** How many cities; `undefined`: all. */
  readonly cities: number | undefined;
  /** Where the database goes; `undefined`: a folder that is removed afterwards. */
  readonly folder: string | undefined;
}

export const usage = `npm run demo -- [options]

  --seed NUMBER        what the workload is drawn from (default 1)
  --operations NUMBER  how many operations the workload has (default 30000)
  --cities NUMBER      load so many cities only (default all 135233)
  --folder PATH        an empty folder for the database, which stays (default a temporary one)
  --help               this text`;

const wholeNumber = (name: string, text: string, least: number): number => {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
    throw new RangeError(`--${name} takes a whole number of at least ${least}; got "${text}"`);
  return value;
};

/** @returns `"help"` if that was asked for. @throws {Error} naming the option that is wrong. */
export const optionsOf = (args: readonly string[]): AtlasOptions | "help" => {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: "string", default: "1" },
      operations: { type: "string", default: "30000" },
      cities: { type: "string" },
      folder: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return "help";
  return {
    seed: wholeNumber("seed", values.seed, 0),
    operations: wholeNumber("operations", values.operations, 500),
    cities: values.cities === undefined ? undefined : wholeNumber("cities", values.cities, 100),
    folder: values.folder,
  };
};
