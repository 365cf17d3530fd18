-- One order a transaction, everybody after one product: conditional update, reservation, outbox row.
begin;
update stock set qty = qty - 1 where product_id = 1 and qty >= 1;
insert into resv (product_id, n) values (1, 1);
insert into outbox (payload) values ('\x00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff');
commit;
