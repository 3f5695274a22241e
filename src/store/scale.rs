//! What the loop asks costs the same however much is stored.

use rusqlite::{Params, StatementStatus, params};

use super::*;
use crate::store::find::HOT;

/// Series that came to an end, and series that are open, one in a hundred of them due.
fn filled(ended: u32, open: u32) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let insert = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1 + ?2) \
        INSERT INTO series (server, id, project, email, state, open, due, first_seen, patch_ids, record) \
        SELECT 's', i, 'p', 'a' || (i / 10), CASE WHEN i <= ?1 THEN 'passed' ELSE 'ready' END, i > ?1, \
            CASE WHEN i > ?1 THEN CASE WHEN i % 100 = 0 THEN 1 ELSE 1000000 + i END END, i, 'd' || i, '{}' FROM n";
    store.sql(|db| db.execute(insert, params![ended, open])).unwrap();
    let mails = "INSERT INTO msgids SELECT id || '@x', row FROM series";
    store.sql(|db| db.execute(mails, [])).unwrap();
    (dir, store)
}

/// The steps of SQLite's machine that a question takes. No row is looked at that does not belong to the answer.
fn steps(store: &Store, sql: &str, values: impl Params) -> i32 {
    let mut statement = store.db.prepare(sql).unwrap();
    let mut rows = statement.query(values).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    assert_eq!(statement.get_status(StatementStatus::FullscanStep), 0, "{sql}");
    statement.get_status(StatementStatus::VmStep)
}

#[test]
fn questions_cost_the_same_however_much_is_stored() {
    let (_small, small) = filled(100, 1000);
    let (_large, large) = filled(20_000, 1000);
    for (sql, values) in HOT {
        let costs = [&small, &large].map(|store| {
            let values: Vec<&dyn rusqlite::ToSql> = values.iter().map(|value| value as _).collect();
            steps(store, sql, values.as_slice())
        });
        assert!(costs[0] > 0 && costs[1].abs_diff(costs[0]) <= 20, "{costs:?} for {sql}");
    }
}

#[test]
fn no_question_walks_through_a_table() {
    let (_dir, store) = filled(1, 1);
    for (sql, _) in HOT {
        let mut explained = store.db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let mut rows = explained.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get::<_, String>(3).unwrap());
        }
        assert!(!plan.is_empty(), "{sql}");
        for line in plan {
            assert!(line.starts_with("SEARCH"), "{sql}\n{line}");
        }
    }
}
