import { z } from "zod";
import type { City } from "../data.ts";

const cityId = z.int().positive();

export const cityParameters: z.ZodType<{ readonly id: number }> = z.object({
  id: z
    .string()
    .regex(/^[1-9]\d{0,14}$/, "a whole number above 0 is expected")
    .transform(Number),
});

const instant = z
  .union([
    z
      .string()
      .regex(/^\d{1,15}$/)
      .transform(Number),
    z.iso.datetime({ offset: true }).transform((text) => Date.parse(text)),
    z.iso.date().transform((text) => Date.parse(text)),
  ])
  .describe("milliseconds since 1970");

export const cityQuery: z.ZodType<{ readonly at?: number | undefined }> = z.strictObject({
  at: instant.optional(),
});

/** The fields of a city that a request may name: some of them, not all. */
export const cityFields: z.ZodType<{ readonly [Field in keyof Omit<City, "cityId">]?: City[Field] | undefined }> = z
  .strictObject({
    name: z.string().min(1).max(200),
    altName: z.string().max(10_000),
    country: z.string().regex(/^[A-Z]{2}$/, "two capital letters are expected (ISO 3166)"),
    adminCode: z.string().max(20),
    featureCode: z.string().max(10),
    population: z.int().min(0),
    loc: z.strictObject({
      type: z.literal("Point"),
      coordinates: z.tuple([z.number().min(-180).max(180), z.number().min(-90).max(90)]),
    }),
    temperature: z.number().min(-100).max(100),
  })
  .partial()
  .refine((fields) => Object.keys(fields).length > 0, "at least one field is expected");

export const transfer: z.ZodType<{ readonly from: number; readonly to: number; readonly people: number }> = z
  .strictObject({ from: cityId, to: cityId, people: z.int().positive() })
  .refine(({ from, to }) => from !== to, "from and to must differ");

/** Node's names of headers: in lower case. */
export const writeHeaders: z.ZodType<{ readonly "idempotency-key"?: string | undefined }> = z.object({
  "idempotency-key": z.string().min(1).max(200).optional(),
});
