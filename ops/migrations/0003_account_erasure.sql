-- Accounts can be erased: which event did so.

ALTER TABLE heliograph.accounts ADD COLUMN erased_version bigint NOT NULL DEFAULT 0;
