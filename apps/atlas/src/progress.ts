import { Presets, SingleBar } from "cli-progress";

const linesEveryMs = 5_000;

/**
 * Runs `work` beside a bar that fills up; where nobody watches (a file, a pipe), a line now and then.
 * @param work Is given what moves the bar on.
 */
export const withProgress = async <T>(
  label: string,
  total: number,
  output: NodeJS.WritableStream,
  work: (advance: (by: number) => void) => Promise<T>,
): Promise<T> => {
  const bar = new SingleBar(
    {
      format: `${label.padEnd(12)} {bar} {percentage} % | {value} of {total} | {duration_formatted}`,
      stream: output,
      hideCursor: true,
      noTTYOutput: true,
      notTTYSchedule: linesEveryMs,
      barsize: 30,
    },
    Presets.shades_classic,
  );
  bar.start(total, 0);
  try {
    return await work((by) => bar.increment(by));
  } finally {
    bar.stop();
  }
};
