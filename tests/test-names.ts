import { readdirSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("..", import.meta.url));

const isText = (node: ts.Node | undefined): node is ts.StringLiteralLike =>
  node !== undefined && ts.isStringLiteralLike(node);

/** The names of groups and tests in a file, each behind those of the groups that it is in; but for names made at run time. */
export function testNamesIn(text: string): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node, groups: readonly string[]): void => {
    const call = ts.isCallExpression(node) && ts.isIdentifier(node.expression) ? node : undefined;
    const name = call?.arguments[0];
    const kind = isText(name) ? call?.expression.getText() : undefined;
    const path = isText(name) ? [...groups, name.text] : groups;
    if (["describe", "it", "test"].includes(kind ?? "")) names.push(path.join(" › "));
    ts.forEachChild(node, (child) => visit(child, kind === "describe" ? path : groups));
  };
  visit(ts.createSourceFile("test.ts", text, ts.ScriptTarget.ES2022, true), []);
  return names;
}

/** The sentences of a table of conformance cases: its properties whose names are texts with a space in them. */
export function caseNamesIn(text: string): string[] {
  const names: string[] = [];
  const visit = (node: ts.Node): void => {
    const isNamed = ts.isPropertyAssignment(node) || ts.isMethodDeclaration(node);
    if (isNamed && isText(node.name) && node.name.text.includes(" ")) names.push(node.name.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile("cases.ts", text, ts.ScriptTarget.ES2022));
  return names;
}

const filesIn = (folder: string, ending: string): string[] =>
  readdirSync(root + folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending) && !/(^|\/)(node_modules|dist|\.snippets)\//.test(name))
    .map((name) => `${root}${folder}/${name}`);

const foldersIn = (folder: string): string[] =>
  readdirSync(root + folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !["node_modules", "dist", ".snippets"].includes(entry.name))
    .map(({ name }) => `${folder}/${name}`);

/** Every group and test of the repository and every conformance case, as `package › group › name`. */
export function allTestNames(): Set<string> {
  const names = new Set<string>();
  for (const folder of [...foldersIn("packages"), ...foldersIn("apps"), ...foldersIn("tests"), "benchmarks"])
    for (const file of filesIn(folder, ".test.ts"))
      for (const name of testNamesIn(readFileSync(file, "utf8"))) names.add(`${basename(folder)} › ${name}`);
  for (const file of filesIn("packages/conformance/src", "-cases.ts"))
    for (const name of caseNamesIn(readFileSync(file, "utf8"))) names.add(`conformance › ${name}`);
  return names;
}
