-- When an operator last asked that those who have not seen a notice are told of it by an offline push once more, and which
-- of these times is done.
ALTER TABLE notices ADD COLUMN resend_asked_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notices ADD COLUMN resend_done_ms INTEGER NOT NULL DEFAULT 0;
CREATE INDEX notices_resent ON notices (resend_asked_ms) WHERE resend_asked_ms > resend_done_ms;
