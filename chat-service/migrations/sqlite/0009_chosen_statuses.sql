-- What users chose to be shown as. The presence service keeps it here: it outlives a restart.
CREATE TABLE chosen_statuses (
    tenant        TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    status        TEXT NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, user_id)
) WITHOUT ROWID;
