-- What a tool, a server or a storage said word for word where something failed.
ALTER TABLE runs ADD COLUMN technical_details TEXT;
ALTER TABLE run_items ADD COLUMN technical_details TEXT;
ALTER TABLE run_copies ADD COLUMN technical_details TEXT;
