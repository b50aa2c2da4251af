import type { Question } from "../question.ts";
import { expiryStall } from "./expiry-stall.ts";
import { heap } from "./heap.ts";
import { hitRatioQuestion } from "./hit-ratio.ts";
import { invalidations } from "./invalidations.ts";
import { localHit } from "./local-hit.ts";
import { modesQuestion } from "./modes.ts";
import { outage } from "./outage.ts";
import { postgres } from "./postgres.ts";
import { propagation } from "./propagation.ts";
import { set } from "./set.ts";
import { sharedTier } from "./shared-tier.ts";
import { stampede } from "./stampede.ts";
import { strong } from "./strong.ts";

/** Every question, in the order in which they are asked. */
export const questions: readonly Question[] = [
  localHit,
  set,
  stampede,
  heap,
  hitRatioQuestion,
  expiryStall,
  invalidations,
  sharedTier,
  postgres,
  modesQuestion,
  strong,
  outage,
  propagation,
];
