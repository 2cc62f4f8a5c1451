-- Agents, their tools, conversations and what was said in them.
CREATE TABLE agents (
    generation INTEGER NOT NULL,
    id         BLOB NOT NULL,
    client_id  BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    doc        TEXT NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX agents_by_time ON agents (generation, client_id, created_at, id);

CREATE TABLE tools (
    generation INTEGER NOT NULL,
    id         BLOB NOT NULL,
    client_id  BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    removed    INTEGER NOT NULL,
    doc        TEXT NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX tools_by_time ON tools (generation, client_id, created_at, id);

CREATE TABLE conversations (
    generation INTEGER NOT NULL,
    id         BLOB NOT NULL,
    client_id  BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    agent_id   BLOB,
    call_id    BLOB,
    channel    TEXT NOT NULL,
    position   INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    ended      INTEGER NOT NULL,
    judged     INTEGER NOT NULL,         -- messages whose sentiment was judged
    judged_sum INTEGER NOT NULL,         -- the sum of their scores, in thousandths
    doc        TEXT NOT NULL,
    PRIMARY KEY (generation, id)
) STRICT;

CREATE INDEX conversations_by_time ON conversations (generation, client_id, created_at, id);
CREATE INDEX conversations_by_agent ON conversations (generation, client_id, agent_id, created_at, id)
    WHERE agent_id IS NOT NULL;
CREATE INDEX conversations_by_call ON conversations (generation, call_id) WHERE call_id IS NOT NULL;

CREATE TABLE messages (
    generation      INTEGER NOT NULL,
    conversation_id BLOB NOT NULL,
    seq             INTEGER NOT NULL,
    client_id       BLOB NOT NULL,
    id              BLOB NOT NULL,
    position        INTEGER NOT NULL,
    doc             TEXT NOT NULL,
    PRIMARY KEY (generation, conversation_id, seq)
) STRICT;
