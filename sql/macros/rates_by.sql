CREATE OR REPLACE MACRO rates_by(key) AS TABLE
SELECT
    key AS key,
    count(*) AS runs,
    count(resolved) AS graded_runs,
    count(*) FILTER (resolved) AS resolved_runs,
    share(resolved_runs, graded_runs) AS rate,
    wilson_low(resolved_runs, graded_runs) AS rate_low,
    wilson_high(resolved_runs, graded_runs) AS rate_high,
    count(*) FILTER (status = 'infra_error') AS infra_errors,
    count(*) FILTER (coalesce(status, 'unknown') = 'unknown') AS unknown,
    avg(n_steps) AS mean_steps,
    count(*) FILTER (tainted) AS tainted_runs,
    share(count(*) FILTER (resolved AND NOT tainted), graded_runs) AS rate_untainted
FROM runs
GROUP BY key;

COMMENT ON MACRO TABLE rates_by IS 'Resolution rate of the recorded runs by any expression over the view runs, as outcomes_by_model has it: FROM rates_by(n_steps > 50).';
