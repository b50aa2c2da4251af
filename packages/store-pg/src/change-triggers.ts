import type { PgNames } from "./names.ts";
import type { PgQueryable } from "./pg-client.ts";

/** Raised whenever what is below changes, so that `migrate` replaces what an earlier release installed. */
const version = 1;

/** Beyond so many keys of one transaction "everything" is told in their place: that costs a node one question per entry. */
export const mostKeysTold = 10_000;

/** The payload that stands for "everything may have changed". */
export const everything = "*";

/** Announces a row that others than Warp wrote, as a JSON array of its key. The bound counts over the transaction. */
const tellFunction = ({ routine, channel }: PgNames): string => `
CREATE OR REPLACE FUNCTION ${routine("tell")}() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  told int := coalesce(nullif(current_setting('warp.told', true), ''), '0')::int;
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('${channel}', '${everything}');
  ELSIF told <= ${mostKeysTold} THEN
    PERFORM set_config('warp.told', (told + 1)::text, true),
      pg_notify('${channel}', CASE WHEN told < ${mostKeysTold} THEN json_build_array(NEW.key)::text ELSE '${everything}' END);
  END IF;
  RETURN NULL;
END $body$`;

/**
 * When each kind of statement is told of. What corrects a write of others (`triggers.ts`) leaves no node. A row with 0
 * microseconds is the place of a key that a commit of Warp's checks. A DELETE by others becomes an UPDATE, and the reaper
 * raises no microseconds.
 */
const kinds = {
  insert: "FOR EACH ROW WHEN (NEW.node = '' AND NEW.micros > 0)",
  update: "FOR EACH ROW WHEN (NEW.node = '' AND NEW.micros > OLD.micros)",
  truncate: "FOR EACH STATEMENT",
} as const;

const nameOf = ({ prefix }: PgNames, kind: string): string => `${prefix}_tell_${kind}`;

const tellTriggers = (names: PgNames): readonly string[] =>
  Object.entries(kinds).map(
    ([kind, when]) => `CREATE TRIGGER "${nameOf(names, kind)}" AFTER ${kind.toUpperCase()} ON ${names.records}
      ${when} EXECUTE FUNCTION ${names.routine("tell")}()`,
  );

const dropTriggers = (names: PgNames): readonly string[] =>
  Object.keys(kinds).map((kind) => `DROP TRIGGER IF EXISTS "${nameOf(names, kind)}" ON ${names.records}`);

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
HAVING count(*) = ${Object.keys(kinds).length}`,
  values: [names.records, Object.keys(kinds).map((kind) => nameOf(names, kind))],
});
