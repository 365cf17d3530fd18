-- What every owner of tables has: answers by request_id, the outbox and its leases, the inbox, dead letters.
-- Times are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE requests (
    caller TEXT NOT NULL,
    method TEXT NOT NULL,
    request_id TEXT NOT NULL,
    fingerprint @BYTES NOT NULL,
    answer @BYTES,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (caller, method, request_id)
);
CREATE INDEX requests_created ON requests (created_at);

-- Columns fit Debezium's outbox event router.
CREATE TABLE outbox (
    sequence @SERIAL,
    id TEXT NOT NULL,
    aggregatetype TEXT NOT NULL,
    aggregateid TEXT NOT NULL,
    version BIGINT NOT NULL,
    type TEXT NOT NULL,
    payload @BYTES NOT NULL,
    bucket INTEGER NOT NULL,
    recorded_at BIGINT NOT NULL,
    published_at BIGINT,
    UNIQUE (aggregateid, version)
);
CREATE INDEX outbox_unpublished ON outbox (sequence) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE outbox_leases (
    bucket INTEGER NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    token BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE inbox (
    consumer TEXT NOT NULL,
    event_id TEXT NOT NULL,
    handled_at BIGINT NOT NULL,
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_handled ON inbox (handled_at);

CREATE TABLE dead_letters (
    sequence @SERIAL,
    consumer TEXT NOT NULL,
    event_id TEXT NOT NULL,
    subject TEXT NOT NULL,
    version BIGINT NOT NULL,
    payload @BYTES NOT NULL,
    reason_class TEXT NOT NULL,
    error TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    state TEXT NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    UNIQUE (consumer, event_id)
);
CREATE INDEX dead_letters_held ON dead_letters (consumer, subject) WHERE state IN ('DEAD', 'WAITING', 'INVESTIGATING');
-- @postgres
ALTER TABLE outbox SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
-- @end
