-- Campaigns and what they are for. Amounts are minor units of the shop's currency, times are microseconds since
-- 1970-01-01T00:00:00Z; a window is [from, until).

CREATE TABLE campaigns (
    campaign_id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('FIXED', 'PERCENT')),
    -- of a FIXED campaign
    discount_amount BIGINT,
    -- of a PERCENT campaign: 1 to 100, and the most it gives, NULL for no limit
    discount_percent INTEGER,
    maximum_discount BIGINT,
    -- 0 for none
    minimum_order_amount BIGINT NOT NULL,
    -- for the products of campaign_products and the brands of campaign_brands only
    selective BOOLEAN NOT NULL,
    product_count BIGINT NOT NULL,
    -- coupons in all, NULL for no limit
    quantity BIGINT,
    per_user_limit BIGINT NOT NULL,
    issue_from BIGINT NOT NULL,
    issue_until BIGINT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    open BOOLEAN NOT NULL,
    issued BIGINT NOT NULL CHECK (issued <= quantity),
    version BIGINT NOT NULL
);

CREATE TABLE campaign_products (
    campaign_id TEXT NOT NULL,
    product_id TEXT NOT NULL,
    PRIMARY KEY (campaign_id, product_id)
);

CREATE TABLE campaign_brands (
    campaign_id TEXT NOT NULL,
    brand_id TEXT NOT NULL,
    PRIMARY KEY (campaign_id, brand_id)
);

-- How many coupons a user took of a campaign.
CREATE TABLE campaign_takers (
    campaign_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    issued BIGINT NOT NULL,
    PRIMARY KEY (campaign_id, user_id)
);
-- @postgres
-- every issue updates the one row of its campaign: leave room for it on its page
ALTER TABLE campaigns SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01);
-- @end
