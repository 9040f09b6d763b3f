package pgkv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"posthorn/internal/fault"
)

// migrations lead from an empty database to the schema of today; the version of
// a schema is how many of them it has seen. One that older programs can not work
// with sets oldestReader to its own version.
var migrations = []string{
	// kv holds everything. Large values are kept apart, in the table's TOAST, so
	// that scans of small records stay within few pages, and are not compressed:
	// who stores something large has done so already. The free space keeps new
	// versions of a row in its page, where they need no new index entry.
	`CREATE TABLE kv (
		shard bytea NOT NULL,
		key   bytea NOT NULL,
		value bytea NOT NULL,
		PRIMARY KEY (shard, key)
	) WITH (fillfactor = 90);
	ALTER TABLE kv ALTER COLUMN shard SET STORAGE PLAIN,
		ALTER COLUMN key SET STORAGE PLAIN,
		ALTER COLUMN value SET STORAGE EXTERNAL;
	CREATE TABLE kv_commit (
		session bigint NOT NULL,
		seq     bigint NOT NULL,
		at      timestamptz NOT NULL DEFAULT now(),
		void    boolean NOT NULL,
		PRIMARY KEY (session, seq)
	)`,
}

// oldestReader is the lowest version of a program that can work with the schema
// of today: during a rolling upgrade the nodes before and after it run side by side.
const oldestReader = 1

// schemaLock keeps nodes that start together from migrating together.
const schemaLock = 0x706f7374686f726e // "posthorn"

// undefinedTable is PostgreSQL's code for a table that does not exist.
const undefinedTable = "42P01"

// migrate brings the schema up to date and tidies up.
func (d *dialer) migrate(ctx context.Context, log *slog.Logger) error {
	c, err := d.raw(ctx, nil)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if err := migrate(ctx, c); err != nil {
		return err
	}
	for _, setting := range []string{"fsync", "full_page_writes"} {
		results, err := c.Exec(ctx, "SHOW "+setting).ReadAll()
		if err != nil {
			return err
		}
		if value := string(results[0].Rows[0][0]); value != "on" {
			log.Warn("PostgreSQL is set to lose what it has committed when the power fails", setting, value)
		}
	}
	return exec(ctx, c, oldMarks)
}

func migrate(ctx context.Context, c *pgconn.PgConn) error {
	// Most starts find everything in place, and a role that may not change it.
	if version, err := schemaVersion(ctx, c); err != nil || version >= len(migrations) {
		return err
	}
	if err := exec(ctx, c, fmt.Sprintf("BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(%d)", int64(schemaLock))); err != nil {
		return err
	}
	if err := migrateLocked(ctx, c); err != nil {
		_ = exec(ctx, c, "ROLLBACK") // the connection ends here anyway
		return err
	}
	return exec(ctx, c, "COMMIT")
}

func migrateLocked(ctx context.Context, c *pgconn.PgConn) error {
	if err := exec(ctx, c, `CREATE TABLE IF NOT EXISTS kv_schema (version int NOT NULL, oldest_reader int NOT NULL)`); err != nil {
		return err
	}
	version, err := schemaVersion(ctx, c)
	if err != nil {
		return err
	}
	for ; version < len(migrations); version++ {
		if err := exec(ctx, c, migrations[version]); err != nil {
			return fmt.Errorf("migrating to schema version %d: %w", version+1, err)
		}
	}
	return exec(ctx, c, fmt.Sprintf(`DELETE FROM kv_schema; INSERT INTO kv_schema VALUES (%d, %d)`, version, oldestReader))
}

// schemaVersion is the version found; 0 if there is nothing. A schema that this
// program is too old for is an error.
func schemaVersion(ctx context.Context, c *pgconn.PgConn) (int, error) {
	results, err := c.Exec(ctx, `SELECT version, oldest_reader FROM kv_schema`).ReadAll()
	if e := new(pgconn.PgError); errors.As(err, &e) && e.Code == undefinedTable {
		return 0, nil
	}
	if err != nil || len(results[0].Rows) == 0 {
		return 0, err
	}
	row := results[0].Rows[0]
	version, err := strconv.Atoi(string(row[0]))
	if err != nil {
		return 0, err
	}
	oldest, err := strconv.Atoi(string(row[1]))
	if err == nil && oldest > len(migrations) {
		err = fault.New(fault.Unsupported, "the database has schema version %d, which needs a program that knows version %d; this one knows %d", version, oldest, len(migrations))
	}
	return version, err
}

// exec runs SQL without arguments; its results do not matter.
func exec(ctx context.Context, c *pgconn.PgConn, sql string) error {
	return c.Exec(ctx, sql).Close()
}
