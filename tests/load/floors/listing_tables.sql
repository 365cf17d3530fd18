-- Tables of listing.sql: 1 000 000 products of 6 000 brands, likes by a power law, with and without covering indexes.
select setseed(0.5);

create table product (
    id bigint primary key, brand_id int not null, name text not null, price bigint not null,
    status smallint not null default 1, created_at timestamptz not null
);
insert into product
select id, (random() * random() * 6000)::int, 'Product number ' || id || ' of the house', (random() * 100000)::bigint + 500, 1,
    now() - id * interval '1 second'
from generate_series(1, 1000000) id;

create table product_like (user_id bigint, product_id bigint, primary key (user_id, product_id));
insert into product_like
select (random() * 200000)::bigint, least(1000000, (1000000 * power(random(), 3))::bigint + 1) from generate_series(1, 5000000)
on conflict do nothing;
create index product_like_product on product_like (product_id);

create table product_listing (
    product_id bigint primary key, brand_id int not null, name text not null, price bigint not null,
    in_stock bool not null default true, created_at timestamptz not null
);
insert into product_listing select id, brand_id, name, price, true, created_at from product;
create index product_listing_latest on product_listing (created_at desc, product_id desc)
    include (brand_id, name, price, in_stock);
create index product_listing_brand_latest on product_listing (brand_id, created_at desc, product_id desc)
    include (name, price, in_stock);
create index product_listing_price on product_listing (price, product_id) include (brand_id, name, in_stock, created_at);

create table product_popularity (product_id bigint primary key, brand_id int not null, like_count bigint not null);
insert into product_popularity
select id, brand_id, coalesce(likes.count, 0)
from product left join (select product_id, count(*) from product_like group by 1) likes on likes.product_id = id;
create index product_popularity_likes on product_popularity (like_count desc, product_id desc);
create index product_popularity_brand_likes on product_popularity (brand_id, like_count desc, product_id desc);

vacuum analyze;
