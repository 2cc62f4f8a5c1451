-- Agents, their tools, conversations and what was said in them.
CREATE TABLE agents (
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

CREATE INDEX agents_by_time ON agents (generation, client_id, created_at, id);

CREATE TABLE tools (
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

CREATE INDEX tools_by_time ON tools (generation, client_id, created_at, id);

CREATE TABLE conversations (
    generation bigint NOT NULL,
    id         uuid NOT NULL,
    client_id  uuid NOT NULL,
    created_at timestamptz NOT NULL,
    agent_id   uuid,
    call_id    uuid,
    channel    text COLLATE "C" NOT NULL,
    position   bigint NOT NULL,
    version    bigint NOT NULL,
    ended      boolean NOT NULL,
    judged     bigint NOT NULL,         -- messages whose sentiment was judged
    judged_sum bigint NOT NULL,         -- the sum of their scores, in thousandths
    doc        text NOT NULL,
    PRIMARY KEY (generation, id)
);

CREATE INDEX conversations_by_time ON conversations (generation, client_id, created_at, id);
CREATE INDEX conversations_by_agent ON conversations (generation, client_id, agent_id, created_at, id)
    WHERE agent_id IS NOT NULL;
CREATE INDEX conversations_by_call ON conversations (generation, call_id) WHERE call_id IS NOT NULL;

CREATE TABLE messages (
    generation      bigint NOT NULL,
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    client_id       uuid NOT NULL,
    id              uuid NOT NULL,
    position        bigint NOT NULL,
    doc             text NOT NULL,
    PRIMARY KEY (generation, conversation_id, seq)
);

ALTER TABLE agents ENABLE ROW LEVEL SECURITY;
ALTER TABLE agents FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON agents USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE tools ENABLE ROW LEVEL SECURITY;
ALTER TABLE tools FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON tools USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE conversations ENABLE ROW LEVEL SECURITY;
ALTER TABLE conversations FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON conversations USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);

ALTER TABLE messages ENABLE ROW LEVEL SECURITY;
ALTER TABLE messages FORCE ROW LEVEL SECURITY;
CREATE POLICY of_client ON messages USING (
    CASE (SELECT current_setting('voxledger.client', true)) WHEN 'system' THEN true
    ELSE client_id::text = (SELECT current_setting('voxledger.client', true)) END
);
