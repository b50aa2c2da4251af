import ts from "typescript";

const printer = ts.createPrinter({ removeComments: true, newLine: ts.NewLineKind.LineFeed });

const resolved = (checker, symbol) =>
  (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);

/** `const x: T` hangs in a statement, which is what reads well. */
const statementOf = (node) => (ts.isVariableDeclaration(node) ? node.parent.parent : node);

/**
 * Everything an entry point exports, sorted by name, each with its full signature and without comments.
 *
 * @param {string} entry A built `.d.ts` file.
 */
export function surfaceOf(entry) {
  const program = ts.createProgram([entry], {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    types: [],
    skipLibCheck: true,
  });
  const source = program.getSourceFile(entry);
  if (source === undefined) throw new Error(`${entry} is missing: run \`npm run build\` first`);
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(source);
  const exported = module === undefined ? [] : checker.getExportsOfModule(module);
  return exported
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map((symbol) => {
      const { name: ownName, declarations = [] } = resolved(checker, symbol);
      const texts = declarations.map((node) =>
        printer.printNode(ts.EmitHint.Unspecified, statementOf(node), node.getSourceFile()),
      );
      return `${[ownName === symbol.name ? [] : `// as ${symbol.name}`, texts].flat().join("\n")}\n`;
    })
    .join("\n");
}
