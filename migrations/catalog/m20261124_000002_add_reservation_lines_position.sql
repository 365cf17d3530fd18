-- Lines are answered in the order asked: positions from 1; 0 where the order was not kept yet.
ALTER TABLE reservation_lines ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
