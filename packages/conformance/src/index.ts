export type { CaseOutcome, ConformanceCase, OpenSubject, Subject } from "./case.ts";
export { historyCases } from "./history-cases.ts";
export { storeCases } from "./store-cases.ts";
export type { HistorySubject, StoreSubject } from "./store-subject.ts";
