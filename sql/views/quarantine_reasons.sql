CREATE OR REPLACE VIEW quarantine_reasons AS
SELECT asset, reason, count(*) AS refusals, any_value(source) AS example
FROM quarantine
GROUP BY asset, reason
ORDER BY refusals DESC, asset, reason;

COMMENT ON VIEW quarantine_reasons IS 'Why inputs were refused, most frequent first.';
COMMENT ON COLUMN quarantine_reasons.asset IS 'The asset that refused.';
COMMENT ON COLUMN quarantine_reasons.reason IS 'Why.';
COMMENT ON COLUMN quarantine_reasons.refusals IS 'Inputs refused for it.';
COMMENT ON COLUMN quarantine_reasons.example IS 'The source of one of them.';
