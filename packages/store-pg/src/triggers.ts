import type { PgNames } from "./names.ts";

/** 122 random bits as 22 characters of base64url: the form of Warp's own operation ids. */
const newId = "translate(encode(uuid_send(gen_random_uuid()), 'base64'), '+/=', '-_')";

/**
 * An instant in microseconds, as records are ordered by. By way of a double, which is exact until 2041 and to the
 * microsecond for a century after: PostgreSQL's numerics, which `extract` answers with, are dear.
 */
export const microsOf = (instant: string): string => `(date_part('epoch', ${instant}) * 1000000)::bigint`;

/** When a tombstone's last former version goes, from when on its own retention counts; null while that is kept for ever. */
export const forgetFrom = (dropped: string, history: string, maxAge: string): string =>
  `CASE WHEN ${history} THEN ${dropped} + make_interval(secs => ${maxAge} / 1000) ELSE ${dropped} END`;

const notReaping = "current_setting('warp.reaper', true) IS DISTINCT FROM 'on'";

/**
 * What makes a write that does not come from Warp one that Warp's nodes can tell: it raises revision, timestamp and
 * commit time and leads the list of operations, a DELETE leaves a tombstone in place, and an INSERT onto a tombstone
 * takes its place.
 */
export const foreignWriteFunction = ({ records, routine }: PgNames, remembered: number): string => `
CREATE FUNCTION ${routine("foreign_write")}() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  now timestamptz := clock_timestamp();
  id text := ${newId};
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.value IS NOT NULL THEN
      UPDATE ${records} SET value = NULL WHERE key = OLD.key;
    END IF;
    RETURN NULL;
  END IF;
  IF TG_OP = 'INSERT' THEN
    UPDATE ${records} SET value = NEW.value, expires_at = NEW.expires_at WHERE key = NEW.key AND value IS NULL;
    IF FOUND THEN
      RETURN NULL;
    END IF;
    NEW.micros := ${microsOf("now")};
    NEW.committed_at := date_trunc('milliseconds', now);
    NEW.created_at := NEW.committed_at;
    NEW.operations := ARRAY[id];
  ELSE
    IF NOT (${notReaping}) THEN
      RETURN NEW;
    END IF;
    IF NEW.key <> OLD.key THEN
      RAISE EXCEPTION 'a key of Warp cannot be renamed: insert the new one and delete the old one';
    END IF;
    NEW.micros := greatest(${microsOf("now")}, OLD.micros + 1);
    NEW.committed_at := greatest(date_trunc('milliseconds', now), OLD.committed_at);
    NEW.created_at := OLD.created_at;
    NEW.operations := id || OLD.operations[1:${remembered - 1}];
  END IF;
  NEW.revision := id;
  NEW.node := '';
  NEW.expired := false;
  NEW.dropped_at := CASE WHEN NEW.value IS NULL THEN NEW.committed_at END;
  NEW.forget_from := ${forgetFrom("NEW.dropped_at", "NEW.history", "NEW.history_max_age")};
  NEW.expires_at := CASE WHEN NEW.value IS NOT NULL THEN NEW.expires_at END;
  RETURN NEW;
END $body$`;

/**
 * Keeps the version that an update supersedes. A value that is reaped is superseded by its own expiry; when its
 * tombstone is superseded in turn, that is the same version, which then only ends later.
 */
export const archiveFunction = ({ history, routine }: PgNames): string => `
CREATE FUNCTION ${routine("archive")}() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  ended timestamptz := CASE WHEN NEW.expired AND NOT OLD.expired THEN NEW.dropped_at ELSE NEW.committed_at END;
BEGIN
  INSERT INTO ${history}
    (key, micros, node, revision, value, operations, committed_at, expires_at, superseded_at, drop_at)
  VALUES (OLD.key, OLD.micros, OLD.node, OLD.revision, OLD.value, OLD.operations, OLD.committed_at,
    coalesce(OLD.expires_at, CASE WHEN OLD.expired THEN OLD.dropped_at END),
    ended, ended + make_interval(secs => NEW.history_max_age / 1000))
  ON CONFLICT (key, micros) DO UPDATE SET superseded_at = excluded.superseded_at, drop_at = excluded.drop_at;
  IF NEW.history_versions IS NOT NULL THEN
    DELETE FROM ${history} WHERE key = NEW.key AND micros <= (
      SELECT h.micros FROM ${history} AS h WHERE h.key = NEW.key
      ORDER BY h.micros DESC OFFSET NEW.history_versions LIMIT 1);
  END IF;
  RETURN NULL;
END $body$`;

/**
 * The conditions are part of the triggers, so that Warp's own writes do not even call the functions. Warp's own is
 * what raises `micros`, which no column default and no ordinary UPDATE does, and setting it to nothing does not either.
 * They are short, since PostgreSQL reads their text anew for each statement: of the reaper, who is rare, the function asks.
 */
export const triggers = ({ records, prefix, routine }: PgNames): readonly string[] => [
  `CREATE TRIGGER "${prefix}_foreign_insert" BEFORE INSERT ON ${records} FOR EACH ROW
    WHEN (NEW.micros IS NULL) EXECUTE FUNCTION ${routine("foreign_write")}()`,
  `CREATE TRIGGER "${prefix}_foreign_update" BEFORE UPDATE ON ${records} FOR EACH ROW
    WHEN ((NEW.micros > OLD.micros) IS NOT TRUE) EXECUTE FUNCTION ${routine("foreign_write")}()`,
  `CREATE TRIGGER "${prefix}_foreign_delete" BEFORE DELETE ON ${records} FOR EACH ROW
    WHEN (OLD.micros > 0 AND ${notReaping}) EXECUTE FUNCTION ${routine("foreign_write")}()`,
  `CREATE TRIGGER "${prefix}_archive" AFTER UPDATE ON ${records} FOR EACH ROW
    WHEN (NEW.history) EXECUTE FUNCTION ${routine("archive")}()`,
];

/** For people and programs that write SQL: values of Warp's default codec, made and read. */
export const helperFunctions = ({ routine }: PgNames): readonly string[] => [
  `CREATE FUNCTION ${routine("encode")}(value jsonb) RETURNS bytea LANGUAGE sql STABLE STRICT
    RETURN '\\x01'::bytea || convert_to(value::text, 'UTF8')`,
  `CREATE FUNCTION ${routine("decode")}(value bytea) RETURNS jsonb LANGUAGE sql STABLE STRICT
    RETURN CASE WHEN get_byte(value, 0) = 1 THEN convert_from(substring(value FROM 2), 'UTF8')::jsonb END`,
];
