-- Offline push: what is told to a device that is not connected, through the service of its maker.

-- Devices that want to be told. A token belongs to one device: whoever registers it takes it over.
CREATE TABLE push_devices (
    tenant       text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    device_id    text COLLATE "C" NOT NULL,
    -- 1 Web Push, 2 FCM, 3 APNs, 4 webhook.
    provider     smallint NOT NULL,
    token        text COLLATE "C" NOT NULL,
    -- Of what makes two tokens the same device for the provider, in hexadecimal digits.
    token_sha256 text COLLATE "C" NOT NULL,
    app          text COLLATE "C" NOT NULL,
    locale       text COLLATE "C" NOT NULL,
    -- What the device wants to be told at most: 0 nothing, 1 the sender, 2 the text; NULL: what the server tells.
    content      smallint,
    seen_at_ms   bigint NOT NULL,
    PRIMARY KEY (tenant, user_id, device_id)
);
CREATE UNIQUE INDEX push_devices_tokens ON push_devices (tenant, provider, token_sha256);
CREATE INDEX push_devices_seen ON push_devices (seen_at_ms);

-- Up to where a user was told of a conversation and has not read it. Goes when it was taken back.
CREATE TABLE push_sent (
    tenant          text COLLATE "C" NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    at_ms           bigint NOT NULL,
    PRIMARY KEY (tenant, user_id, conversation_id)
) WITH (fillfactor = 80);

-- Pushes that a provider did not take and that are tried again; nothing else is in it.
CREATE TABLE push_retries (
    tenant     text COLLATE "C" NOT NULL,
    id         uuid NOT NULL,
    user_id    text COLLATE "C" NOT NULL,
    device_id  text COLLATE "C" NOT NULL,
    provider   smallint NOT NULL,
    note       text NOT NULL,
    attempt    bigint NOT NULL,
    reason     text NOT NULL,
    made_at_ms bigint NOT NULL,
    next_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX push_retries_due ON push_retries (next_at_ms);

-- The last pushes that were given up, for operators.
CREATE TABLE push_dead (
    tenant          text COLLATE "C" NOT NULL,
    id              uuid NOT NULL,
    user_id         text COLLATE "C" NOT NULL,
    device_id       text COLLATE "C" NOT NULL,
    provider        smallint NOT NULL,
    conversation_id uuid NOT NULL,
    seq             bigint NOT NULL,
    attempts        bigint NOT NULL,
    reason          text NOT NULL,
    at_ms           bigint NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX push_dead_newest ON push_dead (tenant, at_ms, id);
