-- Tables of hot.sql, cold.sql and batch.sql: no index or foreign key beyond what a shop cannot do without.
create table stock (product_id bigint primary key, qty bigint not null check (qty >= 0));
insert into stock select product, 1000000000 from generate_series(1, 10000) product;
create table resv (id bigserial primary key, product_id bigint not null, n bigint not null);
create table outbox (id bigserial primary key, payload bytea not null);
vacuum analyze;
