CREATE OR REPLACE VIEW label_shares_by_outcome AS
SELECT
    critic,
    status,
    label,
    count(*) AS steps,
    share(count(*), sum(count(*)) OVER (PARTITION BY critic, status)) AS share
FROM step_verdicts
LEFT JOIN runs USING (trajectory_id)
GROUP BY critic, status, label
ORDER BY critic, status, steps DESC, label;

COMMENT ON VIEW label_shares_by_outcome IS 'Labels by test outcome of the run.';
COMMENT ON COLUMN label_shares_by_outcome.critic IS 'The critic.';
COMMENT ON COLUMN label_shares_by_outcome.status IS 'Test outcome of the run.';
COMMENT ON COLUMN label_shares_by_outcome.label IS 'good, unnecessary, mistake, recover or unlabeled.';
COMMENT ON COLUMN label_shares_by_outcome.steps IS 'Steps with this label.';
COMMENT ON COLUMN label_shares_by_outcome.share IS 'Share among the steps of the same critic and outcome, 0 to 1.';
