-- What follows the log by cursor (`chat-service/src/followers`), and what operators did.
-- It has nothing to do, and reads nothing.
ALTER TABLE followers ADD COLUMN is_resting boolean NOT NULL DEFAULT false;

-- What a follower could not work on, alone and after several tries: it has gone on.
CREATE TABLE follower_dead (
    tenant          text COLLATE "C" NOT NULL,
    follower        text COLLATE "C" NOT NULL,
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    error           text NOT NULL,
    at_ms           bigint NOT NULL,
    PRIMARY KEY (tenant, follower, conversation_id, seq)
);

-- Webhooks. How far each is stands in `followers`, under its name.
-- `config`: url, types, filter and bounds as JSON. `secrets`: JSON, the newest first. `state`: 1 enabled, 2 disabled.
-- `attempt`, `next_at_ms`: while its receiver fails, when it is tried again. `version` grows with each change by an operator.
CREATE TABLE subscribers (
    tenant           text COLLATE "C" NOT NULL,
    id               uuid NOT NULL,
    config           text NOT NULL,
    secrets          text NOT NULL,
    state            smallint NOT NULL,
    reason           text NOT NULL DEFAULT '',
    attempt          integer NOT NULL DEFAULT 0,
    next_at_ms       bigint NOT NULL DEFAULT 0,
    failing_since_ms bigint,
    last_errors      text NOT NULL DEFAULT '[]',
    version          bigint NOT NULL DEFAULT 1,
    created_by       text COLLATE "C" NOT NULL,
    created_at_ms    bigint NOT NULL,
    updated_at_ms    bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);

-- Conversations that a webhook did not get on with while others went on: it has still to get what is from `next_seq` on.
CREATE TABLE subscriber_blocked (
    tenant          text COLLATE "C" NOT NULL,
    subscriber_id   uuid NOT NULL,
    conversation_id uuid NOT NULL,
    next_seq        bigint NOT NULL,
    attempt         integer NOT NULL,
    next_at_ms      bigint NOT NULL,
    last_error      text NOT NULL,
    PRIMARY KEY (tenant, subscriber_id, conversation_id)
);

-- What a webhook did not take after the last attempt. `replay_at_ms`: an operator wants it tried again.
CREATE TABLE subscriber_dead (
    tenant          text COLLATE "C" NOT NULL,
    subscriber_id   uuid NOT NULL,
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    event_type      text NOT NULL,
    error           text NOT NULL,
    at_ms           bigint NOT NULL,
    replay_at_ms    bigint,
    PRIMARY KEY (tenant, subscriber_id, conversation_id, seq)
);

-- What operators did.
CREATE TABLE audit (
    n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant  text COLLATE "C" NOT NULL,
    at_ms   bigint NOT NULL,
    actor   text COLLATE "C" NOT NULL,
    ip      text NOT NULL,
    action  text NOT NULL,
    target  text NOT NULL,
    reason  text NOT NULL,
    details text NOT NULL
);
CREATE INDEX audit_by_tenant ON audit (tenant, n);
