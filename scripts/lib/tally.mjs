const tally = { passed: 0, failed: 0, skipped: 0 };
const seconds = (sinceMs) => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

/** Adds a result and prints its line. */
export function record(name, { passed = 0, failed = 0, skipped = 0 }, sinceMs, output = "") {
  tally.passed += passed;
  tally.failed += failed;
  tally.skipped += skipped;
  const counts = [`${passed} passed`, failed > 0 && `${failed} FAILED`, skipped > 0 && `${skipped} skipped`];
  console.log(`${name.padEnd(28)} ${counts.filter(Boolean).join(", ").padEnd(24)} ${seconds(sinceMs)}`);
  if (failed > 0 && output !== "") console.log(output);
}

/** Runs one check that either passes or fails, and counts it as one. */
export async function check(name, action) {
  const startedAt = performance.now();
  const { ok, output } = await action();
  record(name, ok ? { passed: 1 } : { failed: 1 }, startedAt, output);
  return ok;
}

/** Prints the closing line and sets the exit code: a failure, or in CI a skip, is an error. */
export function close() {
  const { passed, failed, skipped } = tally;
  const skipIsError = process.env.CI === "true" && skipped > 0;
  if (failed > 0 || passed === 0 || skipIsError) process.exitCode ||= 1;
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
}
