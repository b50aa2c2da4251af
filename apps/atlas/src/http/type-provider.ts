import type {
  FastifyBaseLogger,
  FastifyInstance,
  FastifySchemaCompiler,
  FastifyTypeProvider,
  RawReplyDefaultExpression,
  RawRequestDefaultExpression,
  RawServerDefault,
} from "fastify";
import type { z } from "zod";

/** Handlers see what the schemas of their route make of a request. */
export interface ZodTypeProvider extends FastifyTypeProvider {
  readonly validator: this["schema"] extends z.ZodType ? z.output<this["schema"]> : unknown;
}

export type App = FastifyInstance<
  RawServerDefault,
  RawRequestDefaultExpression,
  RawReplyDefaultExpression,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** A request that does not fit its route's schema. */
export class InvalidRequest extends Error {
  override readonly name = "InvalidRequest";
  readonly statusCode = 400;
  readonly code = "INVALID_REQUEST";

  constructor(part: string, error: z.ZodError) {
    const problems = error.issues.map(({ path, message }) => `${[part, ...path].join(".")}: ${message}`);
    super(problems.join("; "), { cause: error });
  }
}

const parts: Readonly<Record<string, string>> = { querystring: "query" };

export const compileZod: FastifySchemaCompiler<z.ZodType> = ({ schema, httpPart = "request" }) => {
  const part = parts[httpPart] ?? httpPart;
  return (data) => {
    const read = schema.safeParse(data);
    return read.success ? { value: read.data } : { error: new InvalidRequest(part, read.error) };
  };
};
