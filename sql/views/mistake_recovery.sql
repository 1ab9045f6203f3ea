CREATE OR REPLACE VIEW mistake_recovery AS
WITH next AS (
    SELECT
        critic,
        label,
        step_index,
        min(step_index) FILTER (label = 'recover') OVER (
            PARTITION BY critic, batch, trajectory_id
            ORDER BY step_index
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
        ) AS next_recovery
    FROM step_verdicts
)
SELECT
    next.critic,
    reach.within_steps,
    count(*) AS mistakes,
    count(*) FILTER (next.next_recovery - next.step_index <= reach.within_steps) AS recovered,
    share(recovered, count(*)) AS share
FROM next, (VALUES (1), (2), (3), (5), (10)) AS reach(within_steps)
WHERE next.label = 'mistake'
GROUP BY next.critic, reach.within_steps
ORDER BY next.critic, reach.within_steps;

COMMENT ON VIEW mistake_recovery IS 'Recovery after mistakes: how many are followed by a recover step within so many steps.';
COMMENT ON COLUMN mistake_recovery.critic IS 'The critic.';
COMMENT ON COLUMN mistake_recovery.within_steps IS 'Steps after the mistake that count.';
COMMENT ON COLUMN mistake_recovery.mistakes IS 'Mistaken steps, also those near the end of their run.';
COMMENT ON COLUMN mistake_recovery.recovered IS 'Mistakes followed by a recover step within that reach.';
COMMENT ON COLUMN mistake_recovery.share IS 'Share of recovered mistakes, 0 to 1.';
