-- What was told late stands where it was said: before `place`, among those by `said_at`.
ALTER TABLE transcript_lines ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE transcript_lines ADD COLUMN said_at INTEGER NOT NULL DEFAULT 0; -- microseconds since 1970
UPDATE transcript_lines SET place = seq;
CREATE INDEX transcript_lines_by_place ON transcript_lines (generation, call_id, place, said_at, seq);
ALTER TABLE messages ADD COLUMN place INTEGER NOT NULL DEFAULT 0;
ALTER TABLE messages ADD COLUMN said_at INTEGER NOT NULL DEFAULT 0; -- microseconds since 1970
UPDATE messages SET place = seq;
CREATE INDEX messages_by_place ON messages (generation, conversation_id, place, said_at, seq);
