-- How the runs of some batches ended.
SELECT coalesce(status, 'unknown') AS outcome, count(*) AS runs, avg(n_steps) AS mean_steps
FROM runs
WHERE list_contains($batches, batch)
GROUP BY outcome
ORDER BY runs DESC, outcome
