CREATE OR REPLACE VIEW recorded_tasks AS
SELECT key AS instance_id, repo_of(key) AS repo, * EXCLUDE (key)
FROM rates_by(instance_id)
ORDER BY runs DESC, instance_id;

COMMENT ON VIEW recorded_tasks IS 'Tasks of the recorded runs with their solve rate, most runs first. Held-out tasks: tasks_by_difficulty.';
COMMENT ON COLUMN recorded_tasks.instance_id IS 'The task.';
COMMENT ON COLUMN recorded_tasks.repo IS 'owner/name of its repository; NULL where the instance id names none.';
COMMENT ON COLUMN recorded_tasks.runs IS 'Runs: graded_runs, infra_errors and unknown together.';
COMMENT ON COLUMN recorded_tasks.graded_runs IS 'Runs whose outcome says something about the model.';
COMMENT ON COLUMN recorded_tasks.resolved_runs IS 'Runs whose patch passes the tests.';
COMMENT ON COLUMN recorded_tasks.rate IS 'resolved_runs / graded_runs.';
COMMENT ON COLUMN recorded_tasks.rate_low IS 'Lower end of its 95% Wilson interval.';
COMMENT ON COLUMN recorded_tasks.rate_high IS 'Upper end of its 95% Wilson interval.';
COMMENT ON COLUMN recorded_tasks.infra_errors IS 'Runs whose grading failed.';
COMMENT ON COLUMN recorded_tasks.unknown IS 'Runs that nobody graded.';
COMMENT ON COLUMN recorded_tasks.mean_steps IS 'Mean number of steps.';
COMMENT ON COLUMN recorded_tasks.tainted_runs IS 'Runs that read the fix, disabled tests or hard-coded answers.';
COMMENT ON COLUMN recorded_tasks.rate_untainted IS 'The rate where tainted runs do not count as resolved.';
