CREATE OR REPLACE VIEW run_lengths AS
SELECT
    status,
    count(*) AS runs,
    avg(n_steps) AS mean_steps,
    min(n_steps) AS shortest,
    median(n_steps) AS median_steps,
    max(n_steps) AS longest
FROM runs
GROUP BY status
ORDER BY runs DESC, status;

COMMENT ON VIEW run_lengths IS 'How long runs are, by outcome.';
COMMENT ON COLUMN run_lengths.status IS 'Test outcome; NULL where none was made.';
COMMENT ON COLUMN run_lengths.runs IS 'Runs.';
COMMENT ON COLUMN run_lengths.mean_steps IS 'Mean number of steps.';
COMMENT ON COLUMN run_lengths.shortest IS 'Fewest steps.';
COMMENT ON COLUMN run_lengths.median_steps IS 'Median number of steps.';
COMMENT ON COLUMN run_lengths.longest IS 'Most steps.';
