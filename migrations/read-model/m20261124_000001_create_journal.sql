-- The journal of all events, in the order they were committed here, and how far each projection has followed it.
-- Times are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE event_journal (
    position BIGINT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    source TEXT NOT NULL,
    subject TEXT NOT NULL,
    version BIGINT NOT NULL,
    correlation_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    occurred_at BIGINT NOT NULL,
    bytes @BYTES NOT NULL
);
CREATE INDEX event_journal_by_subject ON event_journal (subject, position);
CREATE INDEX event_journal_by_correlation ON event_journal (correlation_id, position);
CREATE INDEX event_journal_by_actor ON event_journal (actor, position);

-- One row, locked by whoever appends: positions are gapless and in commit order.
CREATE TABLE journal_head (
    id INTEGER NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL
);
INSERT INTO journal_head (id, position) VALUES (1, 0);

CREATE TABLE projection_positions (
    name TEXT NOT NULL,
    generation INTEGER NOT NULL,
    position BIGINT NOT NULL,
    PRIMARY KEY (name, generation)
);
