-- Knowledge bases and their documents.
SET LOCAL voxledger.client = 'system';
CREATE TABLE kb (
    generation bigint NOT NULL,
    id         uuid NOT NULL,
    client_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    removed    boolean NOT NULL,
    doc        text NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE INDEX kb_by_time ON kb (generation, client_id, created_at, id);

CREATE TABLE kb_documents (
    generation bigint NOT NULL,
    id         uuid NOT NULL,
    client_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    kb_id      uuid NOT NULL,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    removed    boolean NOT NULL,
    status     text COLLATE "C" NOT NULL,
    chunks     bigint NOT NULL,
    bytes      bigint NOT NULL,
    doc        text NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE INDEX kb_documents_by_time ON kb_documents (generation, client_id, kb_id, created_at, id) WHERE NOT removed;

ALTER TABLE kb ENABLE ROW LEVEL SECURITY;
ALTER TABLE kb FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON kb USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE kb_documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE kb_documents FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON kb_documents USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
