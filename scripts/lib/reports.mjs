import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { readJson } from "./workspace.mjs";

/** The file, relative to a package, that Jest writes its own result to. */
export const reportName = ".jest-report.json";

const reportOf = ({ folder }) => join(folder, reportName);

export function removeReports(packages) {
  for (const item of packages) rmSync(reportOf(item), { force: true });
}

/**
 * What Jest reported for one package. A suite that broke before its first test counts as one failure.
 *
 * @returns `undefined` while there is no report.
 */
export function readReport(item) {
  if (!existsSync(reportOf(item))) return undefined;
  const report = readJson(reportOf(item));
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((assertion) => assertion.status === "failed"),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + broken.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
