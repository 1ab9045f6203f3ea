-- Resolution rates of the runs of some batches by scaffold and model, with 95% intervals.
SELECT
    concat_ws(', ', scaffold, model) AS played_by,
    count(*) AS runs,
    count(resolved) AS graded_runs,
    count(*) FILTER (resolved) AS resolved_runs,
    share(resolved_runs, graded_runs) AS rate,
    wilson_low(resolved_runs, graded_runs) AS rate_low,
    wilson_high(resolved_runs, graded_runs) AS rate_high
FROM runs
WHERE list_contains($batches, batch)
GROUP BY played_by
ORDER BY runs DESC, played_by
