CREATE OR REPLACE VIEW runs AS
SELECT
    run.trajectory_id,
    run.instance_id,
    run.repo,
    run.batch,
    run.scaffold,
    run.model,
    run.exit_status,
    run.n_steps,
    outcome.status,
    CASE WHEN graded(outcome.status) THEN outcome.status = 'resolved' END AS resolved,
    graded(outcome.status) AS graded,
    outcome.grader,
    run.trajectory_id IN (SELECT trajectory_id FROM integrity WHERE taints) AS tainted
FROM trajectories AS run
LEFT JOIN test_outcomes AS outcome USING (trajectory_id);

COMMENT ON VIEW runs IS 'Runs with their test outcome, one row a run: where most questions begin.';
COMMENT ON COLUMN runs.trajectory_id IS 'The run.';
COMMENT ON COLUMN runs.instance_id IS 'The task.';
COMMENT ON COLUMN runs.repo IS 'owner/name of the task''s repository.';
COMMENT ON COLUMN runs.batch IS 'The partition of the run.';
COMMENT ON COLUMN runs.scaffold IS 'The agent program.';
COMMENT ON COLUMN runs.model IS 'The model that acted.';
COMMENT ON COLUMN runs.exit_status IS 'How the run ended, as the scaffold states it.';
COMMENT ON COLUMN runs.n_steps IS 'Steps of the run.';
COMMENT ON COLUMN runs.status IS 'Test outcome; NULL where test_outcomes was not made for the batch.';
COMMENT ON COLUMN runs.resolved IS 'Whether the patch passes the tests; NULL where the grader failed or nobody graded: avg(resolved) is a rate.';
COMMENT ON COLUMN runs.graded IS 'Whether the outcome says something about the model: neither infra_error nor unknown; NULL without an outcome.';
COMMENT ON COLUMN runs.grader IS 'Who graded.';
COMMENT ON COLUMN runs.tainted IS 'Whether a finding of integrity taints the run; false also where integrity was not made for the batch.';
