import type { PgNames } from "./names.ts";
import type { PgQueryable } from "./pg-client.ts";

/** Raised whenever what is below changes, so that `migrate` replaces what an earlier release installed. */
const version = 1;

/** Of more keys in one transaction, "everything" is told in their place: that costs a node one question per entry. */
export const mostKeysTold = 10_000;

/** PostgreSQL takes payloads of less than 8 000 bytes. */
const payloadBytes = 7_900;

/** The payload that stands for "everything may have changed". */
export const everything = "*";

/** `foreign_write` leaves no node. A row with 0 microseconds is the place of a key that a commit of Warp's checks. */
const isForeign = "node = '' AND micros > 0";

/**
 * Announces the rows of a statement that others than Warp wrote: as JSON arrays of keys, filled up to what a payload holds. The bound counts over the transaction.
 */
const tellFunction = ({ routine, channel }: PgNames): string => `
CREATE OR REPLACE FUNCTION ${routine("tell")}() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  told bigint;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('${channel}', '${everything}');
    RETURN NULL;
  END IF;
  IF NOT EXISTS (SELECT FROM changed WHERE ${isForeign}) THEN
    RETURN NULL;
  END IF;
  told := coalesce(nullif(current_setting('warp.told', true), ''), '0')::bigint
    + (SELECT count(*) FROM changed WHERE ${isForeign});
  PERFORM set_config('warp.told', told::text, true);
  IF told > ${mostKeysTold} THEN
    PERFORM pg_notify('${channel}', '${everything}');
    RETURN NULL;
  END IF;
  PERFORM pg_notify('${channel}', '[' || string_agg(packed.name, ',') || ']')
  FROM (
    SELECT sized.name, sized.upto / (${payloadBytes} - sized.longest) AS payload
    FROM (
      SELECT named.name, max(octet_length(named.name)) OVER () AS longest,
        sum(octet_length(named.name) + 1) OVER (ROWS UNBOUNDED PRECEDING) AS upto
      FROM (SELECT to_json(key)::text AS name FROM changed WHERE ${isForeign}) AS named
    ) AS sized
  ) AS packed
  GROUP BY packed.payload;
  RETURN NULL;
END $body$`;

const kinds = ["insert", "update", "truncate"] as const;

const nameOf = ({ prefix }: PgNames, kind: string): string => `${prefix}_tell_${kind}`;

// A DELETE by others becomes an UPDATE of its own, and the reaper changes nothing that anybody could see.
const tellTriggers = (names: PgNames): readonly string[] =>
  kinds.map((kind) => {
    const rows = kind === "truncate" ? "" : "REFERENCING NEW TABLE AS changed ";
    const when = kind === "update" ? "WHEN (current_setting('warp.reaper', true) IS DISTINCT FROM 'on') " : "";
    return `CREATE TRIGGER "${nameOf(names, kind)}" AFTER ${kind.toUpperCase()} ON ${names.records}
      ${rows}FOR EACH STATEMENT ${when}EXECUTE FUNCTION ${names.routine("tell")}()`;
  });

const dropTriggers = (names: PgNames): readonly string[] =>
  kinds.map((kind) => `DROP TRIGGER IF EXISTS "${nameOf(names, kind)}" ON ${names.records}`);

const note = (names: PgNames): string =>
  `COMMENT ON FUNCTION ${names.routine("tell")}() IS 'Change feed of Warp, version ${version}'`;

/** The version of the triggers that are there; 0 for none. */
const installed = async (transaction: PgQueryable, names: PgNames): Promise<number> => {
  const [row] = await transaction.query(
    "SELECT obj_description(to_regprocedure($1::text), 'pg_proc') AS comment WHERE to_regprocedure($1::text) IS NOT NULL",
    [`${names.routine("tell")}()`],
  );
  return row === undefined ? 0 : Number(/\d+$/.exec(String(row.comment))?.[0] ?? 0);
};

/** Installs or removes the triggers; leaves alone what is as it should be, or of a later release. */
export const setChangeTriggers = async (transaction: PgQueryable, names: PgNames, wanted: boolean): Promise<void> => {
  const present = await installed(transaction, names);
  if (wanted ? present >= version : present === 0) return;
  const statements = wanted
    ? [tellFunction(names), ...dropTriggers(names), ...tellTriggers(names), note(names)]
    : [...dropTriggers(names), `DROP FUNCTION ${names.routine("tell")}()`];
  for (const statement of statements) await transaction.query(statement, []);
};

/** Answers with one row if all triggers are there and enabled. */
export const triggersPresent = (names: PgNames): { readonly text: string; readonly values: unknown[] } => ({
  text: `SELECT 1 FROM pg_trigger WHERE tgrelid = to_regclass($1::text) AND tgname = ANY ($2::text[]) AND tgenabled <> 'D'
HAVING count(*) = ${kinds.length}`,
  values: [names.records, kinds.map((kind) => nameOf(names, kind))],
});
