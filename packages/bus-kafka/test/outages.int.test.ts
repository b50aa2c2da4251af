import { describeWithOwn } from "@warp/tests-services";
import { services } from "@warp/tests-services/servers";
import { itOutlives } from "./outages.ts";

await describeWithOwn(services.kafka, (server) => itOutlives(server));
