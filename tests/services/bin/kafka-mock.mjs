// A client of librdkafka with a mock cluster instead of brokers, which others may connect to as well. librdkafka's log,
// on standard output, says where. Runs until it is ended.
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
// The prebuilt binding itself: what wraps it on npm finds it only under the Node.js that it asks for.
const { KafkaClientConfig } = require("kafka-crab-js-linux-x64-gnu");

const configuration = { "test.mock.num.brokers": 1 };
const client = new KafkaClientConfig({ brokers: "", clientId: "mock", logLevel: "info", configuration });
const producer = client.createProducer({});

// The cluster lives as long as its producer is referred to.
setInterval(() => producer.inFlightCount(), 60_000);
