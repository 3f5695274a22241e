//! The tables, and how an older store becomes a newer one.

use rusqlite::{Connection, TransactionBehavior};

/// In the file's header: "plft". It tells a store from any other SQLite database.
pub(super) const APPLICATION_ID: i64 = 0x706c_6674;

/// Each step brings a store from the version before to its own, in one transaction. Steps that were released are
/// never changed: a new one is added.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("schema-1.sql"), include_str!("schema-2.sql")];

/// The newest version that is understood.
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// A store's version; 0 for an empty file.
pub(super) fn version(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// The header's mark; 0 for an empty file.
pub(super) fn application_id(db: &Connection) -> rusqlite::Result<i64> {
    db.pragma_query_value(None, "application_id", |row| row.get(0))
}

/// Takes the steps that are missing. A step that fails leaves the store as it was before that step.
pub(super) fn migrate(db: &mut Connection, steps: &[&str]) -> rusqlite::Result<()> {
    for (version, step) in (1_i64..).zip(steps) {
        if self::version(db)? >= version {
            continue;
        }
        let transaction = db.transaction_with_behavior(TransactionBehavior::Exclusive)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_missing_step_is_taken_once() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, &["CREATE TABLE a (x)"]).unwrap();
        db.execute("INSERT INTO a VALUES (1)", []).unwrap();
        let steps = ["CREATE TABLE a (x)", "ALTER TABLE a ADD COLUMN y DEFAULT 7"];
        migrate(&mut db, &steps).unwrap();
        migrate(&mut db, &steps).unwrap();
        let row = db.query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?)));
        assert_eq!(row.unwrap(), (1, 7));
        assert_eq!(version(&db).unwrap(), 2);
        assert_eq!(application_id(&db).unwrap(), APPLICATION_ID);
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, MIGRATIONS).unwrap();
        let mut steps = MIGRATIONS.to_vec();
        steps.push("CREATE TABLE half (x); CREATE TABLE series (x)");
        migrate(&mut db, &steps).unwrap_err();
        assert_eq!(version(&db).unwrap(), VERSION);
        let half = db.query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |r| r.get(0));
        assert_eq!(half, Ok(0));
    }
}
