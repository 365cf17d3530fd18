-- What a page of 20 costs in buffers, by plan; 21 rows, so that one tells of a next page.
\set explain 'explain (analyze, buffers, costs off, timing off)'
\timing on

\echo --- no index: offset 100 000, latest first
:explain select * from product order by created_at desc, id desc offset 100000 limit 20;

\echo --- no read model: likes counted by a join, one brand
:explain select p.*, count(l.user_id) likes from product p left join product_like l on l.product_id = p.id
where p.brand_id = 10 group by p.id order by likes desc, p.id desc limit 20;

\echo --- covering index: first page, latest first
:explain select product_id, brand_id, name, price, in_stock, created_at from product_listing
order by created_at desc, product_id desc limit 21;

\echo --- covering index: page at 500 000 by key, latest first
:explain select product_id, brand_id, name, price, in_stock, created_at from product_listing
where (created_at, product_id) < ((select created_at from product_listing where product_id = 500000), 500000)
order by created_at desc, product_id desc limit 21;

\echo --- covering index: page at 500 000 by offset, latest first
:explain select product_id, brand_id, name, price, in_stock, created_at from product_listing
order by created_at desc, product_id desc offset 500000 limit 21;

\echo --- join of likes and listing: first page, most liked first
:explain select p.product_id, p.like_count, l.name, l.price
from (select product_id, like_count from product_popularity order by like_count desc, product_id desc limit 21) p
join product_listing l using (product_id) order by p.like_count desc, p.product_id desc;

\echo --- join of likes and listing: a deep page by key, most liked first
:explain select p.product_id, p.like_count, l.name, l.price
from (
    select product_id, like_count from product_popularity
    where (like_count, product_id) < (5, 400000) order by like_count desc, product_id desc limit 21
) p
join product_listing l using (product_id) order by p.like_count desc, p.product_id desc;
