import { mkdir, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const source = join(dirname(fileURLToPath(import.meta.url)), "../../src");

/** The package as JavaScript, for processes of their own. @returns The path of its index. */
export const compiled = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), "warp-core-"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
  const files = (await readdir(source, { recursive: true })).filter((file) => file.endsWith(".ts"));
  for (const file of files) {
    const { outputText } = ts.transpileModule(await readFile(join(source, file), "utf8"), {
      compilerOptions: {
        target: ts.ScriptTarget.ES2022,
        module: ts.ModuleKind.ESNext,
        rewriteRelativeImportExtensions: true,
        verbatimModuleSyntax: true,
      },
    });
    const target = join(folder, file.replace(/\.ts$/, ".js"));
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, outputText);
  }
  return join(folder, "index.js");
};
