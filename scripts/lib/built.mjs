import { run } from "./run.mjs";
import { install, root, tool } from "./workspace.mjs";

/**
 * Installs, builds one project with what it references, and runs a program of it with our arguments and streams.
 * Ends with the program's exit code.
 *
 * @param {{ nodeOptions?: string[], timeoutMs?: number }} [options] The program is ended after `timeoutMs` (default 2 h).
 */
export async function runBuilt(project, program, { nodeOptions = [], timeoutMs = 2 * 3_600_000 } = {}) {
  process.chdir(root);
  for (const command of [install, tool("tsc", "-b", project)]) {
    const { code, output } = await run(command);
    if (code !== 0) {
      console.error(output);
      process.exitCode = code;
      return;
    }
  }
  const command = [process.execPath, ...nodeOptions, program, ...process.argv.slice(2)];
  const { code } = await run(command, { stream: true, timeoutMs });
  process.exitCode ||= code;
}
