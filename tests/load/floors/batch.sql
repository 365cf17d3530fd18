-- A hundred orders a transaction, everybody after one product.
begin;
update stock set qty = qty - 100 where product_id = 1 and qty >= 100;
insert into resv (product_id, n) select 1, 1 from generate_series(1, 100);
insert into outbox (payload)
select '\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff'::bytea from generate_series(1, 100);
commit;
