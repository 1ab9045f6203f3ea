CREATE OR REPLACE VIEW outcomes_by_exit_status AS
SELECT key AS exit_status, * EXCLUDE (key)
FROM rates_by(exit_status)
ORDER BY runs DESC, exit_status;

COMMENT ON VIEW outcomes_by_exit_status IS 'Resolution rate by exit status. Runs that nobody graded, or whose grader failed, are no part of the rate.';
COMMENT ON COLUMN outcomes_by_exit_status.exit_status IS 'How the run ended, as the scaffold states it; NULL where it does not.';
COMMENT ON COLUMN outcomes_by_exit_status.runs IS 'Runs: graded_runs, infra_errors and unknown together.';
COMMENT ON COLUMN outcomes_by_exit_status.graded_runs IS 'Runs whose outcome says something about the model.';
COMMENT ON COLUMN outcomes_by_exit_status.resolved_runs IS 'Runs whose patch passes the tests.';
COMMENT ON COLUMN outcomes_by_exit_status.rate IS 'resolved_runs / graded_runs.';
COMMENT ON COLUMN outcomes_by_exit_status.rate_low IS 'Lower end of its 95% Wilson interval.';
COMMENT ON COLUMN outcomes_by_exit_status.rate_high IS 'Upper end of its 95% Wilson interval.';
COMMENT ON COLUMN outcomes_by_exit_status.infra_errors IS 'Runs whose grading failed.';
COMMENT ON COLUMN outcomes_by_exit_status.unknown IS 'Runs that nobody graded.';
COMMENT ON COLUMN outcomes_by_exit_status.mean_steps IS 'Mean number of steps.';
COMMENT ON COLUMN outcomes_by_exit_status.tainted_runs IS 'Runs that read the fix, disabled tests or hard-coded answers.';
COMMENT ON COLUMN outcomes_by_exit_status.rate_untainted IS 'The rate where tainted runs do not count as resolved.';
