-- What queries read. Keys and indexes lead with the generation. Amounts are minor units, times microseconds since 1970.

CREATE TABLE brands (
    generation INTEGER NOT NULL,
    brand_id TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (generation, brand_id)
);
CREATE INDEX brands_by_name ON brands (generation, name, brand_id);

-- `snapshot` is an encoded jangteo.event.v1.ProductSnapshot, with the stock of `version`.
CREATE TABLE product_details (
    generation INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    snapshot @BYTES NOT NULL,
    version BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (generation, product_id)
);

-- Products on sale. Every order of every filter is one index that holds all that a page shows.
CREATE TABLE product_listing (
    generation INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    brand_id TEXT NOT NULL,
    name TEXT NOT NULL,
    image_url TEXT NOT NULL,
    price BIGINT NOT NULL,
    in_stock BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (generation, product_id)
);
CREATE INDEX product_listing_latest ON product_listing (generation, created_at DESC, product_id DESC, brand_id, name, image_url, price, in_stock);
CREATE INDEX product_listing_latest_in_stock ON product_listing (generation, created_at DESC, product_id DESC, brand_id, name, image_url, price, in_stock) WHERE in_stock;
CREATE INDEX product_listing_brand_latest ON product_listing (generation, brand_id, created_at DESC, product_id DESC, name, image_url, price, in_stock);
CREATE INDEX product_listing_brand_latest_in_stock ON product_listing (generation, brand_id, created_at DESC, product_id DESC, name, image_url, price, in_stock) WHERE in_stock;
CREATE INDEX product_listing_price ON product_listing (generation, price, product_id, brand_id, name, image_url, created_at, in_stock);
CREATE INDEX product_listing_price_in_stock ON product_listing (generation, price, product_id, brand_id, name, image_url, created_at, in_stock) WHERE in_stock;
CREATE INDEX product_listing_brand_price ON product_listing (generation, brand_id, price, product_id, name, image_url, created_at, in_stock);
CREATE INDEX product_listing_brand_price_in_stock ON product_listing (generation, brand_id, price, product_id, name, image_url, created_at, in_stock) WHERE in_stock;

-- How many products a listing has: of one brand, or of all under the empty id.
CREATE TABLE product_counts (
    generation INTEGER NOT NULL,
    brand_id TEXT NOT NULL,
    listed BIGINT NOT NULL,
    in_stock BIGINT NOT NULL,
    PRIMARY KEY (generation, brand_id)
);

-- Driven by likes; carries what a page shows, so that neither a like rewrites the listing nor a page needs a join.
CREATE TABLE product_popularity (
    generation INTEGER NOT NULL,
    product_id TEXT NOT NULL,
    like_count BIGINT NOT NULL CHECK (like_count >= 0),
    -- listed: the product is on sale; others keep their likes
    listed BOOLEAN NOT NULL,
    brand_id TEXT NOT NULL,
    name TEXT NOT NULL,
    image_url TEXT NOT NULL,
    price BIGINT NOT NULL,
    in_stock BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (generation, product_id)
);
CREATE INDEX product_popularity_all ON product_popularity (generation, like_count DESC, product_id DESC, brand_id, name, image_url, price, created_at, in_stock, listed) WHERE listed;
CREATE INDEX product_popularity_in_stock ON product_popularity (generation, like_count DESC, product_id DESC, brand_id, name, image_url, price, created_at, in_stock, listed) WHERE listed AND in_stock;
CREATE INDEX product_popularity_brand ON product_popularity (generation, brand_id, like_count DESC, product_id DESC, name, image_url, price, created_at, in_stock, listed) WHERE listed;
CREATE INDEX product_popularity_brand_in_stock ON product_popularity (generation, brand_id, like_count DESC, product_id DESC, name, image_url, price, created_at, in_stock, listed) WHERE listed AND in_stock;

CREATE TABLE product_likes (
    generation INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    product_id TEXT NOT NULL,
    liked BOOLEAN NOT NULL,
    liked_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (generation, user_id, product_id)
);
CREATE INDEX product_likes_newest ON product_likes (generation, user_id, liked_at DESC, product_id DESC) WHERE liked;

-- `detail` is an encoded jangteo.readmodel.v1.OrderDetail.
CREATE TABLE orders (
    generation INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    state INTEGER NOT NULL,
    placed_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    detail @BYTES NOT NULL,
    PRIMARY KEY (generation, order_id)
);
CREATE INDEX orders_newest ON orders (generation, user_id, placed_at DESC, order_id DESC);

CREATE TABLE coupons (
    generation INTEGER NOT NULL,
    coupon_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    campaign_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL,
    issued_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (generation, coupon_id)
);
CREATE INDEX coupons_newest ON coupons (generation, user_id, issued_at DESC, coupon_id DESC);
CREATE INDEX coupons_of_campaign ON coupons (generation, campaign_id);

-- `entry` is an encoded jangteo.readmodel.v1.CampaignEntry; `applies_to` is ALL, or what `campaign_scopes` lists.
CREATE TABLE campaigns (
    generation INTEGER NOT NULL,
    campaign_id TEXT NOT NULL,
    open BOOLEAN NOT NULL,
    selective BOOLEAN NOT NULL,
    issue_from BIGINT NOT NULL,
    issued BIGINT NOT NULL,
    version BIGINT NOT NULL,
    entry @BYTES NOT NULL,
    PRIMARY KEY (generation, campaign_id)
);
CREATE INDEX campaigns_newest ON campaigns (generation, issue_from DESC, campaign_id DESC);

CREATE TABLE campaign_scopes (
    generation INTEGER NOT NULL,
    scope TEXT NOT NULL,
    campaign_id TEXT NOT NULL,
    PRIMARY KEY (generation, scope, campaign_id)
);

-- A statement line a movement; the last one of a user has the balance.
CREATE TABLE point_entries (
    generation INTEGER NOT NULL,
    user_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    entry @BYTES NOT NULL,
    PRIMARY KEY (generation, user_id, version)
);
-- @postgres
ALTER TABLE product_listing SET (autovacuum_vacuum_scale_factor = 0.01);
ALTER TABLE product_popularity SET (autovacuum_vacuum_scale_factor = 0.01);
-- @end
