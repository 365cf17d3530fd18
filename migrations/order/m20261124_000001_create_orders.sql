-- Orders, their lines, and the checkout that carries each to its end.
-- Amounts are minor units of the shop's currency. Times are microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE orders (
    order_id TEXT NOT NULL PRIMARY KEY,
    user_id TEXT NOT NULL,
    state TEXT NOT NULL,
    version BIGINT NOT NULL,
    subtotal BIGINT NOT NULL CHECK (subtotal >= 0),
    discount BIGINT NOT NULL CHECK (discount >= 0),
    total BIGINT NOT NULL CHECK (total = subtotal - discount),
    points BIGINT NOT NULL CHECK (points >= 0),
    card BIGINT NOT NULL CHECK (card >= 0),
    coupon_id TEXT NOT NULL,
    card_token TEXT NOT NULL,
    -- the number of the last payment attempt, 0 before the first
    attempt INTEGER NOT NULL,
    attempt_open BOOLEAN NOT NULL,
    payment_reason TEXT NOT NULL,
    placed_at BIGINT NOT NULL,
    expires_at BIGINT,
    paid_at BIGINT,
    ended_at BIGINT,
    why TEXT NOT NULL,
    CHECK (total = points + card OR state IN ('PLACED', 'CANCELLED', 'EXPIRED'))
);

CREATE TABLE order_lines (
    order_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    name TEXT NOT NULL,
    brand_id TEXT NOT NULL,
    unit_price BIGINT NOT NULL CHECK (unit_price >= 0),
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    subtotal BIGINT NOT NULL CHECK (subtotal = unit_price * quantity),
    discount BIGINT NOT NULL CHECK (discount BETWEEN 0 AND subtotal),
    PRIMARY KEY (order_id, position)
);

-- The row is also the lock of its order: whoever changes an order locks or changes its checkout first.
CREATE TABLE checkouts (
    order_id TEXT NOT NULL PRIMARY KEY,
    step TEXT NOT NULL,
    direction TEXT NOT NULL,
    lease_token BIGINT NOT NULL,
    -- by the database's clock
    leased_until BIGINT NOT NULL,
    -- when it goes on, by the service's clock; NULL: it waits for a fact or a command
    next_at BIGINT,
    tries INTEGER NOT NULL,
    expected_total BIGINT,
    correlation_id TEXT NOT NULL,
    traceparent TEXT NOT NULL,
    -- set where PlaceOrder came with one: then its answer or refusal, encoded, is kept to be replayed
    request_id TEXT,
    answer @BYTES,
    refusal @BYTES,
    -- why the payment service would not take the open attempt
    payment_refusal TEXT NOT NULL
);
CREATE INDEX checkouts_due ON checkouts (next_at) WHERE next_at IS NOT NULL;

-- Captures that are to go back to the card, stored with the fact or the cancellation that makes them due.
CREATE TABLE refunds_due (
    order_id TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    refund_id TEXT NOT NULL UNIQUE,
    amount BIGINT NOT NULL CHECK (amount > 0),
    requested BOOLEAN NOT NULL,
    done BOOLEAN NOT NULL,
    PRIMARY KEY (order_id, attempt)
);
-- @postgres
ALTER TABLE orders SET (fillfactor = 80);
ALTER TABLE checkouts SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01);
-- @end
