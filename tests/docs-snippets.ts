import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));
// Inside this package, so that a snippet's imports resolve to what this package depends on.
const folder = fileURLToPath(new URL(".snippets", import.meta.url));

export interface Snippet {
  /** Document and line, for the test's name. */
  readonly name: string;
  readonly file: string;
  /** Marked "ts run": the document says what happens, so it must. */
  readonly runs: boolean;
}

const markdownIn = (path: string): string[] =>
  readdirSync(join(root, path), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(path, name));

function documents(): string[] {
  const readmes = readdirSync(join(root, "packages")).map((name) => join("packages", name, "README.md"));
  const present = readmes.filter((path) => ts.sys.fileExists(join(root, path)));
  return ["README.md", ...markdownIn("docs"), ...present];
}

/** Finds every fence whose language is `ts`; one marked "ts ignore" is a fragment that is no module of its own. */
export function snippetsOf(path: string, text: string): { line: number; mark: string; code: string }[] {
  return [...text.matchAll(/^```ts(?: (\w+))?\n(.*?)^```$/gms)]
    .map(({ 1: mark = "", 2: code = "", index }) => ({ line: text.slice(0, index).split("\n").length, mark, code }))
    .filter(({ mark, line }) => {
      if (!["", "run", "ignore"].includes(mark)) throw new Error(`${path}:${line} has the unknown mark "${mark}"`);
      return mark !== "ignore";
    });
}

/** Writes each snippet of the documents into a file of its own. */
export function extractSnippets(): Snippet[] {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  return documents().flatMap((path) =>
    snippetsOf(path, readFileSync(join(root, path), "utf8")).map(({ line, mark, code }) => {
      const file = join(folder, `${path.replace(/\W+/g, "-")}-${line}.ts`);
      // The export makes a module of a snippet that imports nothing.
      writeFileSync(file, `${code}\nexport {};\n`);
      return { name: `${path}:${line}`, file, runs: mark === "run" };
    }),
  );
}

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  lib: ["lib.es2023.d.ts", "lib.esnext.disposable.d.ts"],
  module: ts.ModuleKind.NodeNext,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  types: ["node"],
  typeRoots: [join(root, "node_modules/@types")],
  skipLibCheck: true,
};

/** Compiles the snippets against the built packages; writes JavaScript beside them. */
export function compileSnippets(snippets: readonly Snippet[]): Map<string, string[]> {
  const program = ts.createProgram(
    snippets.map(({ file }) => file),
    options,
  );
  program.emit();
  const errors = new Map<string, string[]>();
  for (const { file, start, messageText } of ts.getPreEmitDiagnostics(program)) {
    const line = file && start !== undefined ? file.getLineAndCharacterOfPosition(start).line + 1 : 0;
    const key = basename(file?.fileName ?? "");
    const message = `line ${line} of the snippet: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
    errors.set(key, [...(errors.get(key) ?? []), message]);
  }
  return errors;
}
