-- Dead letters for operators: what kind of event it is, who did what about it and why, and when.

ALTER TABLE dead_letters ADD COLUMN type TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_letters ADD COLUMN operator TEXT NOT NULL DEFAULT '';
ALTER TABLE dead_letters ADD COLUMN why TEXT NOT NULL DEFAULT '';
-- the last time it was given to its consumer again
ALTER TABLE dead_letters ADD COLUMN redriven_at BIGINT;
-- when it was resolved, or applied by a re-drive
ALTER TABLE dead_letters ADD COLUMN settled_at BIGINT;
CREATE INDEX dead_letters_settled ON dead_letters (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX dead_letters_redriven ON dead_letters (redriven_at) WHERE redriven_at IS NOT NULL;
