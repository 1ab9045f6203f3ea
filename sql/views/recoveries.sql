CREATE OR REPLACE VIEW recoveries AS
WITH ahead AS (
    SELECT
        critic,
        batch,
        trajectory_id,
        step_index,
        label,
        min(step_index) FILTER (label = 'recover') OVER later - step_index AS to_recovery,
        min(step_index) FILTER (label = 'unlabeled') OVER later - step_index AS to_unanswered
    FROM step_verdicts
    WINDOW later AS (
        PARTITION BY critic, trajectory_id
        ORDER BY step_index
        ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    )
)
SELECT
    critic,
    batch,
    trajectory_id,
    step_index,
    within_steps,
    CASE
        WHEN to_recovery <= within_steps THEN true
        WHEN to_unanswered <= within_steps THEN NULL
        ELSE false
    END AS recovered
FROM ahead, (VALUES (1), (2), (3), (5), (10)) AS reach(within_steps)
WHERE label = 'mistake';

COMMENT ON VIEW recoveries IS 'Which mistakes are followed by a recover step, one row a mistake and reach.';
COMMENT ON COLUMN recoveries.critic IS 'The critic.';
COMMENT ON COLUMN recoveries.batch IS 'The partition of the run.';
COMMENT ON COLUMN recoveries.trajectory_id IS 'The run.';
COMMENT ON COLUMN recoveries.step_index IS 'The step labelled mistake, from 0.';
COMMENT ON COLUMN recoveries.within_steps IS 'Steps after the mistake that count, those behind the end of the run too.';
COMMENT ON COLUMN recoveries.recovered IS 'Whether a recover step is among them; NULL where none is, but a step is unanswered.';
