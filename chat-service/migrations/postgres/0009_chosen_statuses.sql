-- What users chose to be shown as. The presence service keeps it here: it outlives Redis.
CREATE TABLE chosen_statuses (
    tenant        text COLLATE "C" NOT NULL,
    user_id       text COLLATE "C" NOT NULL,
    status        text COLLATE "C" NOT NULL,
    changed_at_ms bigint NOT NULL,
    PRIMARY KEY (tenant, user_id)
);
