import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "@swc/core";

const source = join(dirname(fileURLToPath(import.meta.url)), "../../src");

/** The package as JavaScript, for processes of their own. */
export interface Compiled {
  /** The path of its index. */
  readonly index: string;
  remove(): Promise<void>;
}

export const compiled = async (): Promise<Compiled> => {
  const folder = await mkdtemp(join(tmpdir(), "warp-core-"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  const files = (await readdir(source, { recursive: true })).filter((file) => file.endsWith(".ts"));
  const compile = async (file: string): Promise<void> => {
    const { code } = await transform(await readFile(join(source, file), "utf8"), {
      jsc: { parser: { syntax: "typescript" }, target: "es2022", transform: { verbatimModuleSyntax: true } },
      module: { type: "es6" },
      configFile: false,
      swcrc: false,
    });
    const target = join(folder, file.replace(/\.ts$/, ".js"));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, code.replaceAll(/(from\s*"\.[^"]*)\.ts"/g, '$1.js"'));
  };
  await Promise.all(files.map(compile));
  return { index: join(folder, "index.js"), remove: () => rm(folder, { recursive: true }) };
};
