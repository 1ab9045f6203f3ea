CREATE OR REPLACE VIEW unanswered_reasons AS
SELECT
    critic,
    reason,
    count(*) AS steps,
    count(DISTINCT trajectory_id) AS runs,
    min(trajectory_id) AS example
FROM step_verdicts
WHERE label = 'unlabeled'
GROUP BY critic, reason
ORDER BY critic, steps DESC, reason;

COMMENT ON VIEW unanswered_reasons IS 'Why steps that a critic was asked about bear no label, most frequent first.';
COMMENT ON COLUMN unanswered_reasons.critic IS 'The critic.';
COMMENT ON COLUMN unanswered_reasons.reason IS 'Why there is no valid answer.';
COMMENT ON COLUMN unanswered_reasons.steps IS 'Steps left unlabeled for it.';
COMMENT ON COLUMN unanswered_reasons.runs IS 'Runs that they are of.';
COMMENT ON COLUMN unanswered_reasons.example IS 'One of these runs.';
