import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A program of this package as it was built. @throws If it was not. */
export const programOf = (name: "demo" | "service"): string => {
  const program = fileURLToPath(new URL(`../dist/${name}.js`, import.meta.url));
  if (!existsSync(program)) throw new Error(`${program} is missing: run "npm run build" at the root`);
  return program;
};

/** `--import` of this ends a program with whoever started it, however that one ends: the end of its input says so. */
export const tied = "data:text/javascript,process.stdin.on('end',()=>process.exit(9)).resume().unref()";

export interface Ended {
  readonly code: number | string | null | undefined;
  readonly printed: string;
}

const timeoutMs = 100_000;

/** Runs the demo as it was built, since in Jest's realm reading the data set alone takes most of a minute. */
export const demo = (args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ended> => {
  const options = { timeout: timeoutMs, env: { PATH: process.env.PATH, ...environment } };
  return new Promise((resolve) => {
    execFile(process.execPath, ["--import", tied, programOf("demo"), ...args], options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : error.code, printed: stdout + stderr });
    });
  });
};
