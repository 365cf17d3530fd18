-- One order a transaction, spread evenly over 10 000 products.
\set product random(1, 10000)
begin;
update stock set qty = qty - 1 where product_id = :product and qty >= 1;
insert into resv (product_id, n) values (:product, 1);
insert into outbox (payload) values ('\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff');
commit;
