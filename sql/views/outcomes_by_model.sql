CREATE OR REPLACE VIEW outcomes_by_model AS
SELECT key AS model, * EXCLUDE (key)
FROM rates_by(model)
ORDER BY runs DESC, model;

COMMENT ON VIEW outcomes_by_model IS 'Resolution rate by model. Runs that nobody graded, or whose grader failed, are no part of the rate.';
COMMENT ON COLUMN outcomes_by_model.model IS 'The model that acted; NULL where the source does not say.';
COMMENT ON COLUMN outcomes_by_model.runs IS 'Runs: graded_runs, infra_errors and unknown together.';
COMMENT ON COLUMN outcomes_by_model.graded_runs IS 'Runs whose outcome says something about the model.';
COMMENT ON COLUMN outcomes_by_model.resolved_runs IS 'Runs whose patch passes the tests.';
COMMENT ON COLUMN outcomes_by_model.rate IS 'resolved_runs / graded_runs.';
COMMENT ON COLUMN outcomes_by_model.rate_low IS 'Lower end of its 95% Wilson interval.';
COMMENT ON COLUMN outcomes_by_model.rate_high IS 'Upper end of its 95% Wilson interval.';
COMMENT ON COLUMN outcomes_by_model.infra_errors IS 'Runs whose grading failed.';
COMMENT ON COLUMN outcomes_by_model.unknown IS 'Runs that nobody graded.';
COMMENT ON COLUMN outcomes_by_model.mean_steps IS 'Mean number of steps.';
COMMENT ON COLUMN outcomes_by_model.tainted_runs IS 'Runs that read the fix, disabled tests or hard-coded answers.';
COMMENT ON COLUMN outcomes_by_model.rate_untainted IS 'The rate where tainted runs do not count as resolved.';
