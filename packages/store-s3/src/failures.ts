import { WarpError } from "@warp/core";

interface SdkError {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const sdkError = (error: unknown): SdkError => (typeof error === "object" && error !== null ? error : {});

/** The HTTP status of what the server answered; `undefined` if it did not. */
export const statusOf = (error: unknown): number | undefined => sdkError(error).$metadata?.httpStatusCode;

/** The server says that there is no such object. That there is no such bucket is another matter. */
export const isMissing = (error: unknown): boolean => statusOf(error) === 404 && sdkError(error).name === "NoSuchKey";

/** 304: the object is as it was. */
export const isUnchanged = (error: unknown): boolean => statusOf(error) === 304;

/**
 * The condition of a write did not hold: 412; 409 where another write was under way; 404 where there was no object to
 * match (Amazon S3 User Guide, "Conditional requests"). That request has certainly not landed.
 */
export const isLost = (error: unknown): boolean => {
  const status = statusOf(error);
  return status === 412 || status === 409 || isMissing(error);
};

const neverConnected = new Set(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "ENETUNREACH", "EHOSTUNREACH"]);
/** Before anything is sent the SDK looks for credentials and a region. */
const neverSent = new Set(["CredentialsProviderError", "TokenProviderError"]);

/** What certainly changed nothing: never sent, or refused for what it is. 408 and 429 may be said by a proxy. */
export const isRefusal = (error: unknown): boolean => {
  const { name = "", code = "" } = sdkError(error);
  const status = statusOf(error) ?? 0;
  if (neverConnected.has(code) || neverSent.has(name)) return true;
  // 501 is how servers that know no conditions refuse them; 3xx, how a bucket of another region is.
  if (status === 501) return true;
  return status >= 300 && status < 500 && status !== 408 && status !== 429 && !isLost(error);
};

export const unavailable = (key: string | undefined, cause: unknown): WarpError => {
  const { name = "", message = "" } = sdkError(cause);
  return new WarpError("UNAVAILABLE", `S3 did not take it: ${name} ${message}`, { port: "store", key, cause });
};

/** Whatever fails in `work`, the commit has not been sent. */
export const beforeSending = async <T>(key: string | undefined, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    throw WarpError.is(error) ? error : unavailable(key, error);
  }
};
