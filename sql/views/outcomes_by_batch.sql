CREATE OR REPLACE VIEW outcomes_by_batch AS
SELECT key AS batch, * EXCLUDE (key)
FROM rates_by(batch)
ORDER BY runs DESC, batch;

COMMENT ON VIEW outcomes_by_batch IS 'Resolution rate by batch. Runs that nobody graded, or whose grader failed, are no part of the rate.';
COMMENT ON COLUMN outcomes_by_batch.batch IS 'The partition.';
COMMENT ON COLUMN outcomes_by_batch.runs IS 'Runs: graded_runs, infra_errors and unknown together.';
COMMENT ON COLUMN outcomes_by_batch.graded_runs IS 'Runs whose outcome says something about the model.';
COMMENT ON COLUMN outcomes_by_batch.resolved_runs IS 'Runs whose patch passes the tests.';
COMMENT ON COLUMN outcomes_by_batch.rate IS 'resolved_runs / graded_runs.';
COMMENT ON COLUMN outcomes_by_batch.rate_low IS 'Lower end of its 95% Wilson interval.';
COMMENT ON COLUMN outcomes_by_batch.rate_high IS 'Upper end of its 95% Wilson interval.';
COMMENT ON COLUMN outcomes_by_batch.infra_errors IS 'Runs whose grading failed.';
COMMENT ON COLUMN outcomes_by_batch.unknown IS 'Runs that nobody graded.';
COMMENT ON COLUMN outcomes_by_batch.mean_steps IS 'Mean number of steps.';
COMMENT ON COLUMN outcomes_by_batch.tainted_runs IS 'Runs that read the fix, disabled tests or hard-coded answers.';
COMMENT ON COLUMN outcomes_by_batch.rate_untainted IS 'The rate where tainted runs do not count as resolved.';
