CREATE OR REPLACE VIEW label_shares_by_position AS
SELECT
    critic,
    decile,
    label,
    count(*) AS steps,
    share(count(*), sum(count(*)) OVER (PARTITION BY critic, decile)) AS share
FROM labelled_steps
GROUP BY critic, decile, label
ORDER BY critic, decile, steps DESC, label;

COMMENT ON VIEW label_shares_by_position IS 'Labels by position in the run.';
COMMENT ON COLUMN label_shares_by_position.critic IS 'The critic.';
COMMENT ON COLUMN label_shares_by_position.decile IS 'Tenth of the run, 1 to 10.';
COMMENT ON COLUMN label_shares_by_position.label IS 'good, unnecessary, mistake, recover or unlabeled.';
COMMENT ON COLUMN label_shares_by_position.steps IS 'Steps with this label.';
COMMENT ON COLUMN label_shares_by_position.share IS 'Share among the steps of the same critic and tenth of the run, 0 to 1.';
