-- Messages to users: one for a fact and a channel.
-- Times are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE messages (
    -- the fact and the channel; also the key under which a repeated request is known
    message_id TEXT NOT NULL PRIMARY KEY,
    event_id TEXT NOT NULL,
    channel TEXT NOT NULL,
    user_id TEXT NOT NULL,
    template_id TEXT NOT NULL,
    locale TEXT NOT NULL,
    -- what the template's text leaves open: pairs of name and value, as JSON
    variables TEXT NOT NULL,
    state TEXT NOT NULL,
    -- requests since it was last asked for; each is counted before its first byte leaves
    attempts INTEGER NOT NULL,
    -- what came of the last one
    said TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    -- set once it is sent: a message that was given up is kept for whoever re-drives it
    sent_at BIGINT,
    -- when it is sent, by the service's clock; NULL: nothing is to be done
    next_at BIGINT,
    lease_token BIGINT NOT NULL,
    -- by the database's clock
    leased_until BIGINT NOT NULL,
    UNIQUE (event_id, channel)
);
CREATE INDEX messages_due ON messages (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX messages_sent ON messages (sent_at) WHERE sent_at IS NOT NULL;
-- @postgres
ALTER TABLE messages SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01);
-- @end
