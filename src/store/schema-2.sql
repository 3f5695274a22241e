-- When the sinks beside Patchwork are to be looked after: Record::tell_at.
ALTER TABLE series ADD COLUMN tell INTEGER;
CREATE INDEX series_tell ON series (tell) WHERE tell IS NOT NULL;
