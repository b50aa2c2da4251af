import { HeadBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { S3Store } from "@warp/store-s3";
import type { S3Config } from "../config.ts";
import { Opened, type Stores, type Surroundings } from "./ports.ts";

export const openS3 = async (
  { bucket, endpoint, region, credentials }: S3Config,
  { cluster, logger }: Surroundings,
): Promise<Stores> => {
  const client = new S3Client({
    region,
    ...(credentials && { credentials }),
    // Servers other than AWS rarely have a host name for each bucket.
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
  });
  const opened = new Opened();
  opened.add(async () => client.destroy());
  const make = (clock?: () => number): S3Store => {
    const store = new S3Store(client, {
      bucket,
      prefix: `${cluster}/`,
      ...(clock && { clock: { now: clock } }),
      onBackgroundError: (error) => logger.warn({ err: error }, "work of the S3 store in the background failed"),
    });
    opened.add(() => store.close());
    return store;
  };
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
    // Many servers that speak S3 ignore conditions, and lose writes without a sound.
    await make().verify();
  } catch (error) {
    await opened.close();
    throw error;
  }
  return { make, close: () => opened.close() };
};
