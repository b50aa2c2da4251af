import { spawn } from "node:child_process";
import { constants } from "node:os";

const groups = new Set();
const killAfterMs = 10_000;
let stoppedBy;

const exitStopped = () => process.exit(128 + constants.signals[stoppedBy]);

function signalGroup(pid, signal) {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

// What runs gets the signal too and a moment to clean up; then "exit" ends what is left.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.once(signal, () => {
    stoppedBy = signal;
    for (const pid of groups) signalGroup(pid, signal);
    setTimeout(exitStopped, groups.size === 0 ? 0 : killAfterMs);
  });
}
process.on("exit", () => {
  for (const pid of groups) signalGroup(pid, "SIGKILL");
});

/**
 * Runs a command in a process group of its own, so that whatever it leaves behind ends with it.
 *
 * @param {string[]} command Program and arguments.
 * @param {{ stream?: boolean, env?: Record<string, string>, cwd?: string, timeoutMs?: number }} [options] `stream`
 *   shows the output as it comes, otherwise it is collected. The group is ended after `timeoutMs` (default 20 minutes).
 * @returns {Promise<{ ok: boolean, code: number, output: string }>}
 */
export function run([program, ...args], { stream = false, env = {}, cwd, timeoutMs = 20 * 60_000 } = {}) {
  return new Promise((resolve) => {
    const output = [];
    const child = spawn(program, args, {
      cwd,
      detached: true,
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1", ...env },
      stdio: stream ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
    });
    if (child.pid !== undefined) groups.add(child.pid);
    let timer = setTimeout(() => {
      output.push(`\n${program} was stopped after ${timeoutMs / 1000} s\n`);
      // Asked first: turbo's tasks have groups of their own, which only turbo can end.
      signalGroup(child.pid, "SIGTERM");
      timer = setTimeout(signalGroup, killAfterMs, child.pid, "SIGKILL");
    }, timeoutMs);
    const end = (code) => {
      clearTimeout(timer);
      if (child.pid !== undefined) signalGroup(child.pid, "SIGKILL");
      groups.delete(child.pid);
      if (stoppedBy !== undefined) exitStopped();
      resolve({ ok: code === 0, code, output: output.join("") });
    };
    child.stdout?.on("data", (chunk) => output.push(chunk));
    child.stderr?.on("data", (chunk) => output.push(chunk));
    child.once("error", (error) => {
      output.push(`${error.message}\n`);
      end(127);
    });
    child.once(stream ? "exit" : "close", (code, signal) => end(code ?? 128 + constants.signals[signal]));
  });
}
