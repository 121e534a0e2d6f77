-- Accounts can be erased, and which event did so.

ALTER TABLE heliograph.accounts ADD COLUMN erased_version bigint NOT NULL DEFAULT 0;

-- The vault stands beside the schema that a rebuild swaps away: its check may not lean on a function
-- that goes with it.

ALTER TABLE vault.account_keys DROP CONSTRAINT account_keys_check;
ALTER TABLE vault.account_keys
    ADD CONSTRAINT account_keys_check CHECK (shard = (account_id >> 10 & 8191));
