-- What an operator asks of a checkout: since when it is not at rest, and what kept it from going on last.

-- NULL: at rest
ALTER TABLE checkouts ADD COLUMN under_way_since BIGINT;
-- the call that failed last and how, in words of ours; empty: none did
ALTER TABLE checkouts ADD COLUMN last_error TEXT NOT NULL DEFAULT '';
ALTER TABLE checkouts ADD COLUMN last_error_at BIGINT;
-- how often an operator stepped in: the version of `checkout/<order>`
ALTER TABLE checkouts ADD COLUMN resumptions BIGINT NOT NULL DEFAULT 0;

UPDATE checkouts SET under_way_since = (SELECT placed_at FROM orders WHERE orders.order_id = checkouts.order_id)
WHERE NOT (step = 'REST' AND next_at IS NULL) AND NOT (step = 'AWAIT' AND direction = 'FORWARD' AND next_at IS NOT NULL);

CREATE INDEX checkouts_under_way ON checkouts (under_way_since, order_id) WHERE under_way_since IS NOT NULL;
