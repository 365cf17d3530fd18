-- PlaceOrder of one line, paid by points, as the shop does it on PostgreSQL: the same statements in the same transactions, to
-- the end of its checkout. Without the relay and the views, which the shop runs besides.
\set id random(1, 4000000000000000000)
\set product random(0, 9999)
\set buyer random(0, 999)

-- the order is stored
BEGIN;
INSERT INTO "order".requests (caller, method, request_id, fingerprint, created_at)
    VALUES ('load', 'PlaceOrder', (:id)::text, decode(repeat('ab', 32), 'hex'), 1) ON CONFLICT DO NOTHING;
INSERT INTO "order".checkouts (order_id, step, direction, lease_token, leased_until, next_at, tries, correlation_id, traceparent, request_id, payment_refusal)
    VALUES ((:id)::text, 'TAKE', 'FORWARD', 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 10000000,
        (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 0, (:id)::text, '', (:id)::text, '');
INSERT INTO "order".orders (order_id, user_id, state, version, subtotal, discount, total, points, card, coupon_id, card_token, attempt, attempt_open, payment_reason, placed_at, expires_at, why)
    VALUES ((:id)::text, 'load-' || (:buyer)::text, 'PLACED', 1, 0, 0, 0, 100, 0, '', '', 0, false, '', 1, 2, '');
INSERT INTO "order".order_lines (order_id, position, product_id, name, brand_id, unit_price, quantity, subtotal, discount)
    VALUES ((:id)::text, 1, 'load-' || lpad((:product)::text, 5, '0'), '', '', 0, 1, 0, 0)
    ON CONFLICT (order_id, position) DO UPDATE SET name = excluded.name, brand_id = excluded.brand_id, unit_price = excluded.unit_price, subtotal = excluded.subtotal, discount = excluded.discount;
UPDATE "order".requests SET answer = decode(repeat('ab', 80), 'hex') WHERE caller = 'load' AND method = 'PlaceOrder' AND request_id = (:id)::text;
INSERT INTO "order".outbox (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at)
    VALUES ((:id)::text, 'order', 'order/' || (:id)::text, 1, 'OrderPlaced', decode(repeat('ab', 300), 'hex'), 0, 1);
COMMIT;

-- its stock is reserved
BEGIN;
INSERT INTO catalog.reservations (order_id, state, version) VALUES ((:id)::text, 'RESERVED', 1) ON CONFLICT DO NOTHING RETURNING order_id;
SELECT product_id, on_hand, reserved, sold, received, adjusted, version FROM catalog.stock_levels
    WHERE product_id IN ('load-' || lpad((:product)::text, 5, '0')) ORDER BY product_id FOR UPDATE;
SELECT product_id, brand_id, name, description, category, image_url, price, status, edit, created_at, updated_at FROM catalog.products
    WHERE product_id IN ('load-' || lpad((:product)::text, 5, '0'));
UPDATE catalog.stock_levels SET on_hand = on_hand - 1, reserved = reserved + 1, version = version + 1 WHERE product_id = 'load-' || lpad((:product)::text, 5, '0');
INSERT INTO catalog.reservation_lines (order_id, position, product_id, quantity, name, brand_id, unit_price)
    VALUES ((:id)::text, 1, 'load-' || lpad((:product)::text, 5, '0'), 1, 'Load', 'load', 100);
INSERT INTO catalog.outbox (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at)
    VALUES ((:id)::text || '-1', 'product', 'bench/' || (:id)::text, 1, 'StockLevelChanged', decode(repeat('ab', 300), 'hex'), 0, 1),
        ((:id)::text || '-2', 'reservation', 'reservation/' || (:id)::text, 1, 'StockReserved', decode(repeat('ab', 300), 'hex'), 0, 1);
COMMIT;

-- its points are held
BEGIN;
INSERT INTO payment.point_holds (order_id, user_id, amount, state) VALUES ((:id)::text, 'load-' || (:buyer)::text, 100, 'HELD') ON CONFLICT DO NOTHING;
INSERT INTO payment.point_accounts (user_id, version, available, held) VALUES ('load-' || (:buyer)::text, 0, 0, 0) ON CONFLICT DO NOTHING;
UPDATE payment.point_accounts SET version = version + 1, available = available - 100, held = held + 100
    WHERE user_id = 'load-' || (:buyer)::text AND available - 100 >= 0 RETURNING version, available, held;
INSERT INTO payment.point_entries (movement_id, account, user_id, step, order_id, funding_reference, amount, recorded_at)
    VALUES ((:id)::text || '-h', 'AVAILABLE', 'load-' || (:buyer)::text, 'HOLD', (:id)::text, NULL, -100, 1),
        ((:id)::text || '-h', 'HELD', 'load-' || (:buyer)::text, 'HOLD', (:id)::text, NULL, 100, 1) ON CONFLICT DO NOTHING;
INSERT INTO payment.outbox (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at)
    VALUES ((:id)::text || '-h', 'points', 'bench/' || (:id)::text, 1, 'PointsHeld', decode(repeat('ab', 250), 'hex'), 0, 1);
COMMIT;

-- it is paid
BEGIN;
UPDATE "order".checkouts SET step = 'SETTLE', next_at = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, tries = 0, leased_until = 0
    WHERE order_id = (:id)::text AND lease_token = 1 AND direction = 'FORWARD';
INSERT INTO "order".order_lines (order_id, position, product_id, name, brand_id, unit_price, quantity, subtotal, discount)
    VALUES ((:id)::text, 1, 'load-' || lpad((:product)::text, 5, '0'), 'Load', 'load', 100, 1, 100, 0)
    ON CONFLICT (order_id, position) DO UPDATE SET name = excluded.name, brand_id = excluded.brand_id, unit_price = excluded.unit_price, subtotal = excluded.subtotal, discount = excluded.discount;
UPDATE "order".orders SET state = 'PAID', version = 2, subtotal = 100, total = 100, expires_at = NULL, paid_at = 3 WHERE order_id = (:id)::text AND version = 1;
UPDATE "order".checkouts SET answer = decode(repeat('ab', 250), 'hex') WHERE order_id = (:id)::text;
INSERT INTO "order".outbox (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at)
    VALUES ((:id)::text || '-p', 'order', 'order/' || (:id)::text, 2, 'OrderPaid', decode(repeat('ab', 300), 'hex'), 0, 1);
COMMIT;

-- its checkout is leased, its points are settled, its stock is sold, and it rests
BEGIN;
UPDATE "order".checkouts SET lease_token = lease_token + 1, leased_until = (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 10000000
    WHERE order_id = (:id)::text;
COMMIT;
SELECT * FROM "order".orders WHERE order_id = (:id)::text;
SELECT * FROM "order".order_lines WHERE order_id = (:id)::text;
BEGIN;
SELECT order_id, user_id, amount, state FROM payment.point_holds WHERE order_id = (:id)::text FOR UPDATE;
UPDATE payment.point_holds SET state = 'SETTLED' WHERE order_id = (:id)::text;
INSERT INTO payment.point_entries (movement_id, account, user_id, step, order_id, funding_reference, amount, recorded_at)
    VALUES ((:id)::text || '-s', 'HELD', 'load-' || (:buyer)::text, 'SETTLE', (:id)::text, NULL, -100, 1),
        ((:id)::text || '-s', 'OUTSIDE', 'load-' || (:buyer)::text, 'SETTLE', (:id)::text, NULL, 100, 1) ON CONFLICT DO NOTHING;
UPDATE payment.point_accounts SET version = version + 1, held = held - 100 WHERE user_id = 'load-' || (:buyer)::text RETURNING version, available, held;
INSERT INTO payment.outbox (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at)
    VALUES ((:id)::text || '-s', 'points', 'bench/' || (:id)::text, 2, 'PointsSettled', decode(repeat('ab', 250), 'hex'), 0, 1);
COMMIT;
BEGIN;
SELECT order_id, state, version FROM catalog.reservations WHERE order_id = (:id)::text FOR UPDATE;
SELECT order_id, product_id, quantity, name, brand_id, unit_price FROM catalog.reservation_lines WHERE order_id = (:id)::text;
SELECT product_id, on_hand, reserved, sold, received, adjusted, version FROM catalog.stock_levels
    WHERE product_id = 'load-' || lpad((:product)::text, 5, '0') FOR UPDATE;
UPDATE catalog.stock_levels SET reserved = reserved - 1, sold = sold + 1, version = version + 1 WHERE product_id = 'load-' || lpad((:product)::text, 5, '0');
UPDATE catalog.reservations SET state = 'COMMITTED', version = 2 WHERE order_id = (:id)::text;
INSERT INTO catalog.outbox (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at)
    VALUES ((:id)::text || '-3', 'product', 'bench/' || (:id)::text, 2, 'StockLevelChanged', decode(repeat('ab', 300), 'hex'), 0, 1),
        ((:id)::text || '-4', 'reservation', 'reservation/' || (:id)::text, 2, 'StockCommitted', decode(repeat('ab', 300), 'hex'), 0, 1);
COMMIT;
BEGIN;
UPDATE "order".checkouts SET step = 'REST', next_at = NULL, tries = 0, leased_until = 0 WHERE order_id = (:id)::text AND lease_token = 2 AND direction = 'FORWARD';
COMMIT;
