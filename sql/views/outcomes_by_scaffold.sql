CREATE OR REPLACE VIEW outcomes_by_scaffold AS
SELECT key AS scaffold, * EXCLUDE (key)
FROM rates_by(scaffold)
ORDER BY runs DESC, scaffold;

COMMENT ON VIEW outcomes_by_scaffold IS 'Resolution rate by scaffold. Runs that nobody graded, or whose grader failed, are no part of the rate.';
COMMENT ON COLUMN outcomes_by_scaffold.scaffold IS 'The agent program.';
COMMENT ON COLUMN outcomes_by_scaffold.runs IS 'Runs: graded_runs, infra_errors and unknown together.';
COMMENT ON COLUMN outcomes_by_scaffold.graded_runs IS 'Runs whose outcome says something about the model.';
COMMENT ON COLUMN outcomes_by_scaffold.resolved_runs IS 'Runs whose patch passes the tests.';
COMMENT ON COLUMN outcomes_by_scaffold.rate IS 'resolved_runs / graded_runs.';
COMMENT ON COLUMN outcomes_by_scaffold.rate_low IS 'Lower end of its 95% Wilson interval.';
COMMENT ON COLUMN outcomes_by_scaffold.rate_high IS 'Upper end of its 95% Wilson interval.';
COMMENT ON COLUMN outcomes_by_scaffold.infra_errors IS 'Runs whose grading failed.';
COMMENT ON COLUMN outcomes_by_scaffold.unknown IS 'Runs that nobody graded.';
COMMENT ON COLUMN outcomes_by_scaffold.mean_steps IS 'Mean number of steps.';
COMMENT ON COLUMN outcomes_by_scaffold.tainted_runs IS 'Runs that read the fix, disabled tests or hard-coded answers.';
COMMENT ON COLUMN outcomes_by_scaffold.rate_untainted IS 'The rate where tainted runs do not count as resolved.';
