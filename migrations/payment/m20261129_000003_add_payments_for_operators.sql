-- What an operator asks for: payments by state and age, a day's payments, and who asked what why.

ALTER TABLE payment_journal ADD COLUMN actor TEXT NOT NULL DEFAULT '';
ALTER TABLE payment_journal ADD COLUMN why TEXT NOT NULL DEFAULT '';

CREATE INDEX payments_by_state ON payments (state, updated_at, order_id, attempt);
CREATE INDEX payments_open ON payments (updated_at, order_id, attempt) WHERE next_at IS NOT NULL;
CREATE INDEX payments_created ON payments (created_at, order_id, attempt);
