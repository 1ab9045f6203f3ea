-- Which rule decided how many steps, in resolved runs and in failed ones; runs that nobody graded, or whose grader failed, are neither.
-- Does a rule speak of failure, or does it fire everywhere?
SELECT
    critic,
    rule,
    label,
    count(*) AS steps,
    count(*) FILTER (resolved) AS in_resolved_runs,
    count(*) FILTER (graded AND NOT resolved) AS in_failed_runs,
    count(DISTINCT trajectory_id) AS runs
FROM step_verdicts
LEFT JOIN runs USING (trajectory_id)
GROUP BY critic, rule, label
ORDER BY critic, steps DESC, rule, label
