CREATE OR REPLACE VIEW label_shares AS
SELECT
    critic,
    label,
    count(*) AS steps,
    share(count(*), sum(count(*)) OVER (PARTITION BY critic)) AS share
FROM step_verdicts
GROUP BY critic, label
ORDER BY critic, steps DESC, label;

COMMENT ON VIEW label_shares IS 'How often each critic gives each label.';
COMMENT ON COLUMN label_shares.critic IS 'The critic.';
COMMENT ON COLUMN label_shares.label IS 'good, unnecessary, mistake, recover or unlabeled.';
COMMENT ON COLUMN label_shares.steps IS 'Steps with this label.';
COMMENT ON COLUMN label_shares.share IS 'Share among the steps of the same critic, 0 to 1.';
