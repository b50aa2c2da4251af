// Asks every question in a child process of its own and prints the answers.
import { fork } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Answer, isMet, type Question, type Target } from "./question.ts";
import { questions } from "./questions/all.ts";
import { circumstances, section, targetTable, withResults } from "./report.ts";
import { versions } from "./versions.ts";

const usage = `Usage: npm run bench [-- options]
  --only NAME   one question (may be repeated): ${questions.map(({ name }) => name).join(", ")}
  --check       end with 1 if a target is missed
  --write       put the tables into benchmarks/README.md (not with --only)`;

const program = fileURLToPath(import.meta.url);
const readme = fileURLToPath(new URL("../README.md", import.meta.url));

/** Asks in a process of its own, so that no question meets the heap and the compiled code of another. */
const askApart = (question: Question): Promise<Answer> =>
  new Promise((resolve, reject) => {
    let answer: Answer | undefined;
    const child = fork(program, ["--answer", question.name], { execArgv: ["--expose-gc"] });
    child.on("message", (message) => {
      answer = message as Answer;
    });
    child.on("error", reject);
    child.on("exit", (code) => {
      if (answer !== undefined && code === 0) resolve(answer);
      else reject(new Error(`the question ${question.name} ended with ${code}`));
    });
  });

const answerParent = async (name: string): Promise<void> => {
  const question = questions.find((other) => other.name === name);
  if (question === undefined || process.send === undefined) throw new Error(usage);
  const answer = await question.ask();
  // Some peers keep timers: the process ends once the answer has left it.
  process.send(answer, () => process.exit(0));
};

const askAll = async (chosen: readonly Question[]): Promise<{ report: string; targets: readonly Target[] }> => {
  const where = circumstances(versions(), new Date());
  const sections: string[] = [];
  const targets: Target[] = [];
  for (const question of chosen) {
    const answer = await askApart(question);
    const text = section(question, answer);
    console.log(text);
    sections.push(text);
    targets.push(...answer.targets);
  }
  const summary = `## Targets\n\n${targetTable(targets)}\n`;
  console.log(`${summary}\n${where}`);
  return { report: [where, summary, ...sections].join("\n\n").replace(/\n{3,}/g, "\n\n"), targets };
};

const run = async (): Promise<void> => {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true },
      check: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      answer: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(usage);
  if (values.answer !== undefined) return await answerParent(values.answer);
  const only = values.only ?? questions.map(({ name }) => name);
  const chosen = questions.filter(({ name }) => only.includes(name));
  if (chosen.length !== only.length || (values.write && values.only !== undefined)) throw new Error(usage);
  const { report, targets } = await askAll(chosen);
  if (values.write) writeFileSync(readme, withResults(readFileSync(readme, "utf8"), report));
  const missed = targets.filter((target) => !isMet(target)).length;
  console.log(missed === 0 ? "Every target is met." : `${missed} of ${targets.length} targets missed.`);
  if (values.check && missed > 0) process.exitCode = 1;
};

await run();
