-- Which rule decided how many steps, in resolved runs and in others.
-- Does a rule speak of failure, or does it fire everywhere?
SELECT
    critic,
    rule,
    label,
    count(*) AS steps,
    count(*) FILTER (status = 'resolved') AS in_resolved_runs,
    count(*) FILTER (status <> 'resolved') AS in_other_runs,
    count(DISTINCT trajectory_id) AS runs
FROM step_verdicts
LEFT JOIN runs USING (trajectory_id, batch)
GROUP BY critic, rule, label
ORDER BY critic, steps DESC, rule, label
