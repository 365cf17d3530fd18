-- Brands and products; a product's stock is a narrow row of its own, which carries the version of both.
-- Amounts are minor units, quantities pieces, times microseconds since 1970-01-01T00:00:00Z.

CREATE TABLE brands (
    brand_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE products (
    product_id TEXT NOT NULL PRIMARY KEY,
    brand_id TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    category TEXT NOT NULL,
    image_url TEXT NOT NULL,
    price BIGINT NOT NULL CHECK (price >= 0),
    status TEXT NOT NULL CHECK (status IN ('AVAILABLE', 'HIDDEN', 'DISCONTINUED')),
    -- counts edits of this row, for etags; the version of events is the stock row's
    edit BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE stock_levels (
    product_id TEXT NOT NULL PRIMARY KEY,
    on_hand BIGINT NOT NULL CHECK (on_hand >= 0),
    reserved BIGINT NOT NULL CHECK (reserved >= 0),
    sold BIGINT NOT NULL CHECK (sold >= 0),
    received BIGINT NOT NULL CHECK (received >= 0),
    adjusted BIGINT NOT NULL,
    version BIGINT NOT NULL,
    CHECK (received + adjusted = on_hand + reserved + sold)
);

CREATE TABLE reservations (
    order_id TEXT NOT NULL PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('RESERVED', 'COMMITTED', 'RELEASED', 'RETURNED')),
    version BIGINT NOT NULL
);

CREATE TABLE reservation_lines (
    order_id TEXT NOT NULL,
    product_id TEXT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    name TEXT NOT NULL,
    brand_id TEXT NOT NULL,
    unit_price BIGINT NOT NULL,
    PRIMARY KEY (order_id, product_id)
);

CREATE TABLE likes (
    user_id TEXT NOT NULL,
    product_id TEXT NOT NULL,
    liked BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (user_id, product_id)
);
-- @postgres
ALTER TABLE stock_levels SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
-- @end
