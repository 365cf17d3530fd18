-- What operators did about events on their way: consumers that are or were paused, and events that were published again.
-- Times are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE consumer_pauses (
    sequence @SERIAL,
    consumer TEXT NOT NULL,
    paused_at BIGINT NOT NULL,
    paused_by TEXT NOT NULL,
    why TEXT NOT NULL,
    -- NULL: it is paused
    resumed_at BIGINT,
    resumed_by TEXT NOT NULL,
    resumed_why TEXT NOT NULL
);
CREATE UNIQUE INDEX consumer_pauses_open ON consumer_pauses (consumer) WHERE resumed_at IS NULL;

CREATE TABLE outbox_republications (
    sequence @SERIAL,
    at BIGINT NOT NULL,
    operator TEXT NOT NULL,
    why TEXT NOT NULL,
    events BIGINT NOT NULL,
    first_sequence BIGINT NOT NULL,
    last_sequence BIGINT NOT NULL
);
