-- Credit of clients, and the transactions of their ledgers. Clients have terms of credit: their view begins anew, and the log
-- brings it back.
SET LOCAL voxledger.client = 'system';
CREATE TABLE credit_accounts (
    generation bigint NOT NULL,
    id         uuid    NOT NULL,           -- of the account, which is the client's
    client_id  uuid    NOT NULL,
    created_at timestamptz NOT NULL,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    removed    boolean NOT NULL,
    doc        text    NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE TABLE credit_transactions (
    generation bigint NOT NULL,
    id         uuid    NOT NULL,
    client_id  uuid    NOT NULL,
    created_at timestamptz NOT NULL,
    day        bigint NOT NULL,           -- in UTC, counted from the beginning of 1970
    kind       text COLLATE "C" NOT NULL,
    source     uuid    NOT NULL,           -- the call, the checkout or the grant
    agent_id   uuid,
    amount     bigint NOT NULL,           -- growth of the credit in millionths, as all amounts
    carrier    bigint NOT NULL,
    stt        bigint NOT NULL,
    llm        bigint NOT NULL,
    tts        bigint NOT NULL,
    runtime    bigint NOT NULL,
    platform   bigint NOT NULL,
    position   bigint NOT NULL,
    doc        text    NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE INDEX credit_transactions_by_time ON credit_transactions (generation, client_id, created_at, id);
CREATE INDEX credit_transactions_by_kind ON credit_transactions (generation, client_id, kind, created_at, id);
CREATE INDEX credit_transactions_by_source ON credit_transactions (generation, client_id, source, created_at, id);
-- sums of a period are read from the index alone
CREATE INDEX credit_transactions_amounts ON credit_transactions (generation, client_id, created_at, kind, amount);

ALTER TABLE credit_accounts ENABLE ROW LEVEL SECURITY;
ALTER TABLE credit_accounts FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON credit_accounts USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE credit_transactions ENABLE ROW LEVEL SECURITY;
ALTER TABLE credit_transactions FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON credit_transactions USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

DELETE FROM clients;
DELETE FROM projection_generations WHERE projection = 'clients';
DELETE FROM projections WHERE name = 'clients';
