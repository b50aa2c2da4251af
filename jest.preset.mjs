import { createRequire } from "node:module";
import { basename } from "node:path";

// Resolved from here, since pnpm lets a package see only what it declares.
const require = createRequire(import.meta.url);
const swcJest = require.resolve("@swc/jest");

const swc = {
  jsc: {
    parser: { syntax: "typescript" },
    target: "es2022",
    transform: { verbatimModuleSyntax: true },
  },
  module: { type: "es6" },
  sourceMaps: "inline",
};

/** What every package's jest.config.mjs exports: `export { default } from "../../jest.preset.mjs";` */
export default {
  displayName: basename(process.cwd()),
  testEnvironment: "node",
  // Jest dies on the condition "import"; "@warp/source" makes sibling packages resolve to their source.
  testEnvironmentOptions: { customExportConditions: ["@warp/source", "node", "node-addons"] },
  extensionsToTreatAsEsm: [".ts"],
  transform: { "\\.ts$": [swcJest, swc] },
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  modulePathIgnorePatterns: ["<rootDir>/dist/"],
  maxWorkers: 2,
  // No test measures time: this only has to end a test that hangs, also on a machine that is busy with something else.
  testTimeout: 120_000,
};
