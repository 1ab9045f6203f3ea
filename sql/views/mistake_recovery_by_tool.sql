CREATE OR REPLACE VIEW mistake_recovery_by_tool AS
SELECT
    one.critic,
    run.status,
    step.tool,
    one.within_steps,
    count(one.recovered) AS mistakes,
    count(*) - count(one.recovered) AS unanswered,
    count(*) FILTER (one.recovered) AS recovered,
    share(count(*) FILTER (one.recovered), mistakes) AS share
FROM recoveries AS one
JOIN steps AS step USING (trajectory_id, step_index)
JOIN runs AS run USING (trajectory_id)
GROUP BY one.critic, run.status, step.tool, one.within_steps
ORDER BY one.critic, run.status, step.tool, one.within_steps;

COMMENT ON VIEW mistake_recovery_by_tool IS 'Recovery after mistakes by test outcome of the run and tool of the mistaken step.';
COMMENT ON COLUMN mistake_recovery_by_tool.critic IS 'The critic.';
COMMENT ON COLUMN mistake_recovery_by_tool.status IS 'Test outcome of the run.';
COMMENT ON COLUMN mistake_recovery_by_tool.tool IS 'Tool of the mistaken step''s first action; NULL for a turn without action.';
COMMENT ON COLUMN mistake_recovery_by_tool.within_steps IS 'Steps after the mistake that count.';
COMMENT ON COLUMN mistake_recovery_by_tool.mistakes IS 'Steps labelled mistake of which is known whether a recover step follows, also those near the end of their run.';
COMMENT ON COLUMN mistake_recovery_by_tool.unanswered IS 'Further mistakes, behind which no recover step, but an unanswered one lies.';
COMMENT ON COLUMN mistake_recovery_by_tool.recovered IS 'Mistakes followed by a recover step within that reach.';
COMMENT ON COLUMN mistake_recovery_by_tool.share IS 'recovered / mistakes, 0 to 1.';
