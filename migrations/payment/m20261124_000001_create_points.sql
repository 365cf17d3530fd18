-- Points: prepaid money of users, in minor units of the shop's currency. Times are microseconds since 1970-01-01T00:00:00Z.

-- What the entries of a user sum up to. `version` counts the facts told of `points/<user>`.
CREATE TABLE point_accounts (
    user_id TEXT NOT NULL PRIMARY KEY,
    version BIGINT NOT NULL,
    available BIGINT NOT NULL CHECK (available >= 0),
    held BIGINT NOT NULL CHECK (held >= 0)
);

-- Double entry: the two entries of a movement sum to zero. `account` is AVAILABLE, HELD or OUTSIDE (the shop's side).
-- `step` is CHARGE (keyed by `funding_reference`) or HOLD, SETTLE, RELEASE, REFUND (keyed by `order_id`).
CREATE TABLE point_entries (
    movement_id TEXT NOT NULL,
    account TEXT NOT NULL,
    user_id TEXT NOT NULL,
    step TEXT NOT NULL,
    order_id TEXT,
    funding_reference TEXT,
    amount BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    PRIMARY KEY (movement_id, account),
    UNIQUE (order_id, step, account),
    UNIQUE (funding_reference, account),
    CHECK ((order_id IS NULL) <> (funding_reference IS NULL))
);
CREATE INDEX point_entries_user ON point_entries (user_id);

-- One row an order; `state` is HELD, SETTLED, RELEASED or REFUNDED. A released row of amount 0 is a tombstone.
CREATE TABLE point_holds (
    order_id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount >= 0),
    state TEXT NOT NULL
);
