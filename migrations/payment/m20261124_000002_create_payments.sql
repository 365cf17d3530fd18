-- Sealed cards, payment attempts with what the gateway was asked and said, and refunds.
-- Amounts are minor units of the shop's currency. Times are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE card_tokens (
    card_token TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    card_type TEXT NOT NULL,
    -- the number under our key; NULL once it is no longer needed
    sealed @BYTES,
    last_four TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX card_tokens_expiring ON card_tokens (expires_at) WHERE sealed IS NOT NULL;

CREATE TABLE payments (
    order_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount >= 0),
    card_token TEXT NOT NULL,
    last_four TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    captured BIGINT NOT NULL CHECK (captured >= 0),
    refunded BIGINT NOT NULL CHECK (refunded BETWEEN 0 AND captured),
    -- the transaction that captured; empty before
    transaction_key TEXT NOT NULL,
    -- each POST is counted before its first byte leaves
    posts INTEGER NOT NULL,
    last_post_at BIGINT,
    -- the last POST stored nothing, as the gateway says: another may follow once its book agrees
    repeatable BOOLEAN NOT NULL,
    -- no POST may follow: the order has given the attempt up
    closed BOOLEAN NOT NULL,
    -- since when a cancellation is without an answer; NULL: none is
    cancelling_since BIGINT,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    -- when the driver goes on, by the service's clock; NULL: nothing is open
    next_at BIGINT,
    -- the gateway called back, or something was asked for, since the lease was taken
    hinted BOOLEAN NOT NULL,
    lease_token BIGINT NOT NULL,
    -- by the database's clock
    leased_until BIGINT NOT NULL,
    PRIMARY KEY (order_id, attempt)
);
CREATE INDEX payments_due ON payments (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX payments_queued ON payments (created_at) WHERE state = 'QUEUED';
CREATE INDEX payments_open_cards ON payments (card_token) WHERE state IN ('QUEUED', 'REQUESTED', 'PENDING', 'UNKNOWN');

-- What was asked of the gateway and what it said, in order.
CREATE TABLE payment_journal (
    sequence @SERIAL,
    order_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    at BIGINT NOT NULL,
    asked TEXT NOT NULL,
    said TEXT NOT NULL
);
CREATE INDEX payment_journal_by_payment ON payment_journal (order_id, attempt, sequence);

CREATE TABLE refunds (
    order_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    refund_id TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    why TEXT NOT NULL,
    done BOOLEAN NOT NULL,
    PRIMARY KEY (order_id, attempt, refund_id)
);
-- @postgres
ALTER TABLE payments SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01);
-- @end
