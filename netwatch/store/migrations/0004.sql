-- Measurement campaigns: a plan that was fixed before it was measured, so that nobody can
-- choose the measurements afterwards. Append-only; what is withdrawn stays.

CREATE TABLE campaign (
    id INTEGER PRIMARY KEY,
    profile TEXT NOT NULL,               -- proof, peak
    seed TEXT NOT NULL,                  -- the slots follow from it and the first day
    first_day TEXT NOT NULL,             -- civil, in the zone
    timezone TEXT NOT NULL,
    slots TEXT NOT NULL,                 -- JSON: instants (UTC ms), in order
    offers TEXT NOT NULL,                -- JSON: [down, up], bytes per second
    wired INTEGER NOT NULL CHECK (wired IN (0, 1)),  -- as stated by the author
    author TEXT NOT NULL,
    entered_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE campaign_removal (
    campaign_id INTEGER PRIMARY KEY REFERENCES campaign (id),
    author TEXT NOT NULL,
    entered_ms INTEGER NOT NULL,
    reason TEXT
) STRICT;

CREATE TRIGGER campaign_stays BEFORE UPDATE ON campaign
BEGIN SELECT RAISE(ABORT, 'the ledger of campaigns is append-only'); END;
CREATE TRIGGER campaign_is_kept BEFORE DELETE ON campaign
BEGIN SELECT RAISE(ABORT, 'the ledger of campaigns is append-only'); END;
CREATE TRIGGER campaign_removal_stays BEFORE UPDATE ON campaign_removal
BEGIN SELECT RAISE(ABORT, 'the ledger of campaigns is append-only'); END;
CREATE TRIGGER campaign_removal_is_kept BEFORE DELETE ON campaign_removal
BEGIN SELECT RAISE(ABORT, 'the ledger of campaigns is append-only'); END;

CREATE TRIGGER late_campaign AFTER INSERT ON campaign
WHEN new.entered_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('campaign', new.entered_ms, new.entered_ms + 1, NULL, json_array(new.id, new.entered_ms));
END;

CREATE TRIGGER late_campaign_removal AFTER INSERT ON campaign_removal
WHEN new.entered_ms < (SELECT until_ms FROM chain_end)
BEGIN
    INSERT INTO late_entry (record, from_ms, until_ms, before, after) VALUES
        ('campaign_removal', new.entered_ms, new.entered_ms + 1, NULL,
         json_array(new.campaign_id, new.entered_ms));
END;
