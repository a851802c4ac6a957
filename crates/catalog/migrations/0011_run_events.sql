-- What happened, as JSON; NULL in lines of earlier versions, which have the words only.
ALTER TABLE run_log ADD COLUMN event TEXT;
