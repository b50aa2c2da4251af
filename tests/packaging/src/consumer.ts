import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { run } from "./run.ts";

/** Makes an empty project outside the workspace and installs `packages` there: tarballs, or names with a version. */
export async function install(folder: string, packages: readonly string[]): Promise<void> {
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true }));
  await add(folder, packages);
}

/** Installs more, or others in their place, in a project. */
export async function add(folder: string, packages: readonly string[]): Promise<void> {
  await run(folder, "npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error", ...packages]);
}

/** The names of all packages in a project, those that came along included. */
export function installed(folder: string): string[] {
  const list = (path: string): string[] => readdirSync(path).filter((name) => !name.startsWith("."));
  const modules = join(folder, "node_modules");
  return list(modules).flatMap((name) =>
    name.startsWith("@") ? list(join(modules, name)).map((part) => `${name}/${part}`) : [name],
  );
}

/** Of each package in a project, what npm's lockfile says of it. */
export function lock(folder: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8")).packages;
}

/** Runs a piece of JavaScript in a project. */
export function evaluate(folder: string, type: "module" | "commonjs", script: string): Promise<string> {
  return run(folder, process.execPath, [`--input-type=${type}`, "--eval", script]);
}

/** The compilers that users have; this package depends on each under a name of its own. */
export const compilers = ["5.9", "6.0", "7.0"] as const;

const require = createRequire(import.meta.url);
const compilerPath = (version: string): string =>
  join(dirname(require.resolve(`typescript-${version}/package.json`)), "bin/tsc");

/** How users' compilers find declarations. */
export const resolutions = ["nodenext", "bundler"] as const;

/** Compiles one TypeScript file in a project, declaration files of its dependencies included. Rejects with the errors. */
export async function compile(
  folder: string,
  source: string,
  module: (typeof resolutions)[number],
  compiler: (typeof compilers)[number],
  skipLibCheck = false,
): Promise<void> {
  const modules = module === "nodenext" ? { module } : { module: "esnext", moduleResolution: module };
  const compilerOptions = { ...modules, strict: true, exactOptionalPropertyTypes: true, skipLibCheck };
  const rest = { target: "es2022", lib: ["es2023", "esnext.disposable"], types: ["node"], noEmit: true };
  const name = `${module}-${compiler.replace(".", "-")}`;
  const config = { compilerOptions: { ...compilerOptions, ...rest }, files: [`${name}.mts`] };
  writeFileSync(join(folder, `${name}.mts`), source);
  writeFileSync(join(folder, `tsconfig.${name}.json`), JSON.stringify(config));
  await run(folder, process.execPath, [compilerPath(compiler), "-p", `tsconfig.${name}.json`]);
}
