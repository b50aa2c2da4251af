import { type ConformanceCase, casesOf, type OpenSubject } from "./case.ts";
import { storeAnswerCases } from "./store-answer-cases.ts";
import { storeCommitCases } from "./store-commit-cases.ts";
import { storeKeysCases } from "./store-keys-cases.ts";
import { storeRaceCases } from "./store-race-cases.ts";
import { storeReadCases } from "./store-read-cases.ts";
import type { StoreSubject } from "./store-subject.ts";

/**
 * The contract of `Store`.
 *
 * @param open Opens an empty store. For a store that others share, hand over a second instance as `other`.
 */
export const storeCases = (open: OpenSubject<StoreSubject>): readonly ConformanceCase[] =>
  casesOf(open, [storeReadCases, storeCommitCases, storeAnswerCases, storeRaceCases, storeKeysCases]);
