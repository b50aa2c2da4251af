import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { transform } from "@swc/core";

const source = join(dirname(fileURLToPath(import.meta.url)), "../../src");

/** The package as JavaScript, for processes of their own. @returns The path of its index. */
export const compiled = async (): Promise<string> => {
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
  return join(folder, "index.js");
};
