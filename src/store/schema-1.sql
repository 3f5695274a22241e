-- Times are milliseconds since 1970, UTC. Records, history and requests are JSON; columns beside them exist only to
-- be looked for.

CREATE TABLE series (
    row INTEGER PRIMARY KEY,
    server TEXT NOT NULL,
    id INTEGER NOT NULL,
    project TEXT NOT NULL,
    email TEXT NOT NULL,            -- of the submitter, lower case
    state TEXT NOT NULL,            -- State::word
    open INTEGER NOT NULL,          -- 1: its state is not final, or something is due
    due INTEGER,                    -- Record::wakes
    first_seen INTEGER NOT NULL,
    leader_server TEXT,             -- of State::Follows
    leader_id INTEGER,
    patch_ids TEXT,                 -- SHA-256 of all patch-ids in order
    unreadable TEXT,                -- why the record cannot be read; then nothing is due
    record TEXT NOT NULL,
    UNIQUE (server, id)
) STRICT;
CREATE INDEX series_due ON series (due) WHERE due IS NOT NULL;
CREATE INDEX series_open ON series (open, row) WHERE open = 1;
CREATE INDEX series_open_state ON series (state, row) WHERE open = 1;
CREATE INDEX series_state ON series (state, first_seen);
CREATE INDEX series_newest ON series (first_seen, row);
CREATE INDEX series_project ON series (project, first_seen);
CREATE INDEX series_submitter ON series (server, project, email);
CREATE INDEX series_leader ON series (leader_server, leader_id) WHERE leader_id IS NOT NULL;
CREATE INDEX series_patch_ids ON series (patch_ids) WHERE patch_ids IS NOT NULL;
CREATE INDEX series_unreadable ON series (row) WHERE unreadable IS NOT NULL;

-- Message-IDs of patches and cover letters, of every listing there was.
CREATE TABLE msgids (
    msgid TEXT NOT NULL,
    series INTEGER NOT NULL REFERENCES series (row),
    PRIMARY KEY (msgid, series)
) STRICT, WITHOUT ROWID;

-- Frozen mails and reports, compressed with zlib.
CREATE TABLE mails (
    series INTEGER NOT NULL REFERENCES series (row),
    revision INTEGER NOT NULL,
    size INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (series, revision)
) STRICT;
CREATE TABLE reports (
    series INTEGER NOT NULL REFERENCES series (row),
    revision INTEGER NOT NULL,
    size INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (series, revision)
) STRICT;

CREATE TABLE history (
    row INTEGER PRIMARY KEY,
    series INTEGER NOT NULL REFERENCES series (row),
    moment TEXT NOT NULL
) STRICT;
CREATE INDEX history_series ON history (series, row);

-- Steps that were begun and not ended: at most one row for a step of a series.
CREATE TABLE intents (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    series INTEGER NOT NULL REFERENCES series (row),
    step TEXT NOT NULL,
    note TEXT NOT NULL,
    at INTEGER NOT NULL,
    times INTEGER NOT NULL,
    UNIQUE (series, step)
) STRICT;

-- What people asked for and the bridge has not done yet. The series may be one that the bridge does not know.
CREATE TABLE requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    request TEXT NOT NULL
) STRICT;

-- Runs that ended: how long a box takes.
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    box TEXT NOT NULL,
    ended INTEGER NOT NULL,
    took INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_box ON runs (box, ended);

CREATE TABLE servers (
    server TEXT PRIMARY KEY,
    watermark INTEGER,
    scanned_at INTEGER,
    reconciled_at INTEGER,
    trouble TEXT,
    trouble_since INTEGER
) STRICT;

CREATE TABLE trees (
    tree TEXT NOT NULL,
    branch TEXT NOT NULL,
    "commit" TEXT,
    fetched_at INTEGER,
    trouble TEXT,
    trouble_since INTEGER,
    PRIMARY KEY (tree, branch)
) STRICT;

CREATE TABLE heartbeat (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    pid INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT;
