-- When the sinks beside Patchwork are to be looked after: Record::tell_at.
ALTER TABLE series ADD COLUMN tell INTEGER;
CREATE INDEX series_tell ON series (tell) WHERE tell IS NOT NULL;
-- Deliveries of GitHub's that were taken: none is obeyed twice, also not under another number.
CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,            -- X-GitHub-Delivery
    digest TEXT NOT NULL,           -- SHA-256 of the body: the signature covers nothing else
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX deliveries_digest ON deliveries (digest);
CREATE INDEX deliveries_at ON deliveries (at);

-- Comments of the list that were looked at: each is obeyed once.
CREATE TABLE comments (
    server TEXT NOT NULL,
    msgid TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (server, msgid)
) STRICT, WITHOUT ROWID;
CREATE INDEX comments_at ON comments (at);

-- Lists of comments: a project has one on patches and one on cover letters.
CREATE TABLE comment_lists (
    server TEXT NOT NULL,
    list TEXT NOT NULL,
    looked INTEGER,                 -- when it was looked through last
    first INTEGER,                  -- the newest comment's number when it was looked through first; 0: it had none
    PRIMARY KEY (server, list)
) STRICT, WITHOUT ROWID;
