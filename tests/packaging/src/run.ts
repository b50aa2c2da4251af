import { execFile } from "node:child_process";

/** Runs a program to its end and resolves what it printed. Rejects, with the output in the message, unless it succeeds. */
export function run(folder: string, program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { cwd: folder, timeout: 120_000, maxBuffer: 1 << 24 };
    execFile(program, args, options, (cause, stdout, stderr) => {
      if (cause === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(" ")}\n${stdout}${stderr}`, { cause }));
    });
  });
}
