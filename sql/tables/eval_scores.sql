CREATE OR REPLACE VIEW eval_scores AS
SELECT
    folder_of(partition_file) AS arm,
    TRY_CAST(partition_of(partition_file) AS INTEGER) AS seed,
    instance_id,
    attempt,
    trajectory_id,
    status,
    resolved,
    n_steps,
    cost_usd,
    exit_status,
    f2p_passed,
    f2p_total,
    p2p_passed,
    p2p_total,
    seconds,
    grader,
    contaminated,
    approximate,
    tainted
FROM stored_eval_scores();

COMMENT ON VIEW eval_scores IS 'Held-out tasks played by the checkpoints, one row an attempt. Rates are in arm_scores.';
COMMENT ON COLUMN eval_scores.arm IS 'The training arm.';
COMMENT ON COLUMN eval_scores.seed IS 'Seed of the checkpoint.';
COMMENT ON COLUMN eval_scores.instance_id IS 'The held-out task.';
COMMENT ON COLUMN eval_scores.attempt IS 'Attempt at the task, from 0.';
COMMENT ON COLUMN eval_scores.trajectory_id IS 'The attempt''s run, in eval_trajectories.';
COMMENT ON COLUMN eval_scores.status IS 'Outcome of the attempt, as in test_outcomes.';
COMMENT ON COLUMN eval_scores.resolved IS 'Whether the patch passes the tests; NULL where the grader failed or nobody graded: such an attempt is no score.';
COMMENT ON COLUMN eval_scores.n_steps IS 'Steps played.';
COMMENT ON COLUMN eval_scores.cost_usd IS 'What the model''s calls cost, in USD; NULL where the model has no price.';
COMMENT ON COLUMN eval_scores.exit_status IS 'How the run ended, as the scaffold states it.';
COMMENT ON COLUMN eval_scores.f2p_passed IS 'FAIL_TO_PASS tests that pass.';
COMMENT ON COLUMN eval_scores.f2p_total IS 'FAIL_TO_PASS tests of the task.';
COMMENT ON COLUMN eval_scores.p2p_passed IS 'PASS_TO_PASS tests that still pass.';
COMMENT ON COLUMN eval_scores.p2p_total IS 'PASS_TO_PASS tests of the task.';
COMMENT ON COLUMN eval_scores.seconds IS 'Wall time of playing and grading, other attempts going on beside it, in seconds.';
COMMENT ON COLUMN eval_scores.grader IS 'Who graded.';
COMMENT ON COLUMN eval_scores.contaminated IS 'Whether the arm was trained on a run of the same task; NULL where what it was trained on is gone.';
COMMENT ON COLUMN eval_scores.approximate IS 'Whether the grader stands in for the official one.';
COMMENT ON COLUMN eval_scores.tainted IS 'Whether the attempt read the fix, disabled tests or hard-coded answers, by the rules of integrity; NULL where it was scored before these were asked.';
