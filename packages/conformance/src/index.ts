export { type BusSubject, busCases } from "./bus-cases.ts";
export type { CaseOutcome, ConformanceCase, OpenSubject, Subject } from "./case.ts";
export { type ChangeFeedSubject, changeFeedCases } from "./change-feed-cases.ts";
export { historyCases } from "./history-cases.ts";
export { localCacheCases, type OpenLocalCache } from "./local-cache-cases.ts";
export { type SharedCacheSubject, sharedCacheCases } from "./shared-cache-cases.ts";
export { storeCases } from "./store-cases.ts";
export type { HistorySubject, StoreSubject } from "./store-subject.ts";
