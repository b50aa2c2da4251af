import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "@jest/globals";
import { readReport, reportName } from "../scripts/lib/reports.mjs";
import { run } from "../scripts/lib/run.mjs";
import { surfaceOf } from "../scripts/lib/surface.mjs";

const folder = mkdtempSync(join(tmpdir(), "warp-scripts-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function surfaceOfText(text: string): string {
  const entry = join(folder, "index.d.ts");
  writeFileSync(entry, text);
  return surfaceOf(entry);
}

it("a surface lists what is exported, also from another file, and nothing else", () => {
  writeFileSync(join(folder, "other.d.ts"), "/** Words. */\nexport declare class Other { run(): void; }\n");
  const surface = surfaceOfText(
    'export { Other as Renamed } from "./other.js";\ndeclare const hidden: 1;\nexport {};\n',
  );
  expect(surface).toBe("// as Renamed\nexport declare class Other {\n    run(): void;\n}\n");
});

it("a surface changes with a signature and not with a comment", () => {
  const before = surfaceOfText("/** Old words. */ export declare function a(x: string): void;");
  expect(surfaceOfText("/** New words. */ export declare function a(x: string): void;")).toBe(before);
  expect(surfaceOfText("export declare function a(x: string, y?: number): void;")).not.toBe(before);
});

it("a report counts skipped and planned tests as skipped and a suite that broke as one failure", () => {
  const counts = { numPassedTests: 3, numFailedTests: 1, numPendingTests: 2, numTodoTests: 1 };
  const broken = { status: "failed", assertionResults: [] };
  const failed = { status: "failed", assertionResults: [{ status: "failed" }] };
  writeFileSync(join(folder, reportName), JSON.stringify({ ...counts, testResults: [broken, failed] }));
  expect(readReport({ folder })).toEqual({ passed: 3, failed: 2, skipped: 3 });
  expect(readReport({ folder: join(folder, "none") })).toBeUndefined();
});

it("a command that leaves a process behind takes it along when it ends", async () => {
  const { output } = await run(["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"]);
  const { ok } = await run(["sh", "-c", `while kill -0 ${Number(output)}; do sleep 0.05; done`], { timeoutMs: 10_000 });
  expect(ok).toBe(true);
});

it("a command that fails, is unknown or takes too long is not ok, and says why", async () => {
  expect(await run(["sh", "-c", "echo broken >&2; exit 3"])).toEqual({ ok: false, code: 3, output: "broken\n" });
  expect(await run(["no-such-program"])).toMatchObject({ ok: false, code: 127 });
  const late = await run(["sleep", "600"], { timeoutMs: 50 });
  expect(late.ok).toBe(false);
  expect(late.output).toContain("was stopped after 0.05 s");
});
