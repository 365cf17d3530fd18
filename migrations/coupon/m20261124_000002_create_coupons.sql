-- Coupons and which orders used them. Times are microseconds since 1970-01-01T00:00:00Z, amounts minor units.

CREATE TABLE coupons (
    coupon_id TEXT NOT NULL PRIMARY KEY,
    campaign_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    -- the order that uses it now, NULL for none; whether it has expired follows from valid_until
    order_id TEXT,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    version BIGINT NOT NULL
);
-- ids rise with time: a wallet is read newest first
CREATE INDEX coupons_unused ON coupons (user_id, coupon_id) WHERE order_id IS NULL;

-- One row for each order that used a coupon, or gave it back before it could: then RESTORED without an answer.
CREATE TABLE redemptions (
    coupon_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('REDEEMED', 'RESTORED')),
    discount BIGINT NOT NULL,
    -- jangteo.coupon.v1.RedeemCouponResponse as answered first
    answer @BYTES,
    PRIMARY KEY (coupon_id, order_id)
);
CREATE UNIQUE INDEX redemptions_current ON redemptions (coupon_id) WHERE state = 'REDEEMED';
