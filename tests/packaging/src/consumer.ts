import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./run.ts";
import { root } from "./tarball.ts";

/** Makes an empty project outside the workspace and installs `packages` there: tarballs, or names with a version. */
export async function install(folder: string, packages: readonly string[]): Promise<void> {
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  await run(folder, "npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...packages]);
}

/** Runs one line of JavaScript in a project. */
export function evaluate(folder: string, type: "module" | "commonjs", script: string): Promise<string> {
  return run(folder, process.execPath, [`--input-type=${type}`, "--eval", script]);
}

/** Compiles one TypeScript file in a project, declaration files of its dependencies included. Rejects with the errors. */
export async function compile(folder: string, source: string, module: "nodenext" | "bundler"): Promise<void> {
  const modules = module === "nodenext" ? { module } : { module: "esnext", moduleResolution: module };
  const compilerOptions = { ...modules, strict: true, exactOptionalPropertyTypes: true, skipLibCheck: false };
  const rest = { target: "es2022", lib: ["es2023", "esnext.disposable"], types: ["node"], noEmit: true };
  const config = { compilerOptions: { ...compilerOptions, ...rest }, files: [`${module}.mts`] };
  writeFileSync(join(folder, `${module}.mts`), source);
  writeFileSync(join(folder, `tsconfig.${module}.json`), JSON.stringify(config));
  await run(folder, join(root, "node_modules/.bin/tsc"), ["-p", `tsconfig.${module}.json`]);
}
