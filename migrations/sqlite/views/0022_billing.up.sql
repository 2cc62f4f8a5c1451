-- Credit of clients, and the transactions of their ledgers. Clients have terms of credit: their view begins anew, and the log
-- brings it back.
CREATE TABLE credit_accounts (
    generation INTEGER NOT NULL,
    id         BLOB    NOT NULL,           -- of the account, which is the client's
    client_id  BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    doc        TEXT    NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE TABLE credit_transactions (
    generation INTEGER NOT NULL,
    id         BLOB    NOT NULL,
    client_id  BLOB    NOT NULL,
    created_at INTEGER NOT NULL,
    day        INTEGER NOT NULL,           -- in UTC, counted from the beginning of 1970
    kind       TEXT    NOT NULL,
    source     BLOB    NOT NULL,           -- the call, the checkout or the grant
    agent_id   BLOB,
    amount     INTEGER NOT NULL,           -- growth of the credit in millionths, as all amounts
    carrier    INTEGER NOT NULL,
    stt        INTEGER NOT NULL,
    llm        INTEGER NOT NULL,
    tts        INTEGER NOT NULL,
    runtime    INTEGER NOT NULL,
    platform   INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    doc        TEXT    NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX credit_transactions_by_time ON credit_transactions (generation, client_id, created_at, id);
CREATE INDEX credit_transactions_by_kind ON credit_transactions (generation, client_id, kind, created_at, id);
CREATE INDEX credit_transactions_by_source ON credit_transactions (generation, client_id, source, created_at, id);
-- sums of a period are read from the index alone
CREATE INDEX credit_transactions_amounts ON credit_transactions (generation, client_id, created_at, kind, amount);

DELETE FROM clients;
DELETE FROM projection_generations WHERE projection = 'clients';
DELETE FROM projections WHERE name = 'clients';
