import { isUnsettled, meaningOf } from "./failures.ts";
import type { KafkaAdmin, KafkaClient, KafkaOffsets, KafkaRetry } from "./kafka-client.ts";
import type { KafkaBusSettings } from "./options.ts";

/** Within one request; whoever asked asks again later. */
export const briefRetry: KafkaRetry = { retries: 4, initialRetryTime: 50, maxRetryTime: 500 };

export const settleAttempts = 10;
const settlePauseMs = 100;

/** The topic as an administrator sees it. Each question has a connection of its own: they are rare. */
export class Topic {
  readonly #kafka: KafkaClient;
  readonly #settings: KafkaBusSettings;
  #made: Promise<void> | undefined;

  constructor(kafka: KafkaClient, settings: KafkaBusSettings) {
    this.#kafka = kafka;
    this.#settings = settings;
  }

  /** Makes the topic, if that was asked for and there is none. Cheap after the first time. */
  made(): Promise<void> {
    if (this.#settings.createTopic === undefined) return Promise.resolve();
    this.#made ??= this.#asAdmin((admin) => this.#create(admin)).catch((error: unknown) => {
      this.#made = undefined;
      throw error;
    });
    return this.#made;
  }

  /** Makes the topic where need be. @returns What each of its partitions holds now. @throws If there is no topic. */
  offsets(): Promise<readonly KafkaOffsets[]> {
    return this.#asAdmin(async (admin) => {
      // Also if it was made before: it may have been deleted since.
      await this.#create(admin);
      for (let attempt = 1; ; attempt++)
        try {
          return await admin.fetchTopicOffsets(this.#settings.topic);
        } catch (error) {
          if (attempt === settleAttempts || !isUnsettled(error)) throw error;
          await new Promise<void>((resolve) => {
            this.#settings.timers.schedule(settlePauseMs, resolve);
          });
        }
    });
  }

  async deleteGroup(groupId: string): Promise<void> {
    await this.#asAdmin((admin) => admin.deleteGroups([groupId]));
  }

  async #create(admin: KafkaAdmin): Promise<void> {
    const { topic, createTopic } = this.#settings;
    if (createTopic === undefined) return;
    const { partitions, replicationFactor, retentionMs } = createTopic;
    const configEntries = [
      { name: "retention.ms", value: String(retentionMs) },
      { name: "cleanup.policy", value: "delete" },
    ];
    // Resolves false if the topic was there.
    await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor, configEntries }] });
  }

  async #asAdmin<T>(work: (admin: KafkaAdmin) => Promise<T>): Promise<T> {
    const admin = this.#kafka.admin({ retry: briefRetry });
    try {
      await admin.connect();
      return await work(admin);
    } catch (error) {
      throw meaningOf(error, this.#settings.topic);
    } finally {
      // What it was to do is done, or has failed for a reason that matters more.
      await admin.disconnect().catch(() => {});
    }
  }
}
