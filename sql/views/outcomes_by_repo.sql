CREATE OR REPLACE VIEW outcomes_by_repo AS
SELECT key AS repo, * EXCLUDE (key)
FROM rates_by(repo)
ORDER BY runs DESC, repo;

COMMENT ON VIEW outcomes_by_repo IS 'Resolution rate by repository. Runs that nobody graded, or whose grader failed, are no part of the rate.';
COMMENT ON COLUMN outcomes_by_repo.repo IS 'owner/name of the repository; NULL where the instance id names none.';
COMMENT ON COLUMN outcomes_by_repo.runs IS 'Runs: graded_runs, infra_errors and unknown together.';
COMMENT ON COLUMN outcomes_by_repo.graded_runs IS 'Runs whose outcome says something about the model.';
COMMENT ON COLUMN outcomes_by_repo.resolved_runs IS 'Runs whose patch passes the tests.';
COMMENT ON COLUMN outcomes_by_repo.rate IS 'resolved_runs / graded_runs.';
COMMENT ON COLUMN outcomes_by_repo.rate_low IS 'Lower end of its 95% Wilson interval.';
COMMENT ON COLUMN outcomes_by_repo.rate_high IS 'Upper end of its 95% Wilson interval.';
COMMENT ON COLUMN outcomes_by_repo.infra_errors IS 'Runs whose grading failed.';
COMMENT ON COLUMN outcomes_by_repo.unknown IS 'Runs that nobody graded.';
COMMENT ON COLUMN outcomes_by_repo.mean_steps IS 'Mean number of steps.';
COMMENT ON COLUMN outcomes_by_repo.tainted_runs IS 'Runs that read the fix, disabled tests or hard-coded answers.';
COMMENT ON COLUMN outcomes_by_repo.rate_untainted IS 'The rate where tainted runs do not count as resolved.';
