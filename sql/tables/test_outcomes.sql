CREATE OR REPLACE VIEW test_outcomes AS
SELECT
    trajectory_id,
    instance_id,
    partition_of(partition_file) AS batch,
    status,
    f2p_passed,
    f2p_total,
    p2p_passed,
    p2p_total,
    grader,
    grader_version,
    reason,
    log,
    failed_tests
FROM stored_test_outcomes()
SEMI JOIN (
    SELECT trajectory_id, partition_file
    FROM (
        SELECT trajectory_id, partition_file, partition_of(partition_file) AS batch
        FROM stored_test_outcomes()
    )
    SEMI JOIN held_runs() USING (trajectory_id, batch)
    QUALIFY counts_once(trajectory_id, batch)
) USING (trajectory_id, partition_file);

COMMENT ON VIEW test_outcomes IS 'What the tests say of each run''s patch, one row a run that its batch still holds.';
COMMENT ON COLUMN test_outcomes.trajectory_id IS 'The run.';
COMMENT ON COLUMN test_outcomes.instance_id IS 'The task.';
COMMENT ON COLUMN test_outcomes.batch IS 'The partition of the run.';
COMMENT ON COLUMN test_outcomes.status IS 'resolved; the model''s own failures unresolved, empty_patch, patch_failed, timeout; infra_error (the grader''s failure, never the model''s); unknown (not graded).';
COMMENT ON COLUMN test_outcomes.f2p_passed IS 'FAIL_TO_PASS tests that pass with the patch; NULL where the source gives no counts.';
COMMENT ON COLUMN test_outcomes.f2p_total IS 'FAIL_TO_PASS tests of the task.';
COMMENT ON COLUMN test_outcomes.p2p_passed IS 'PASS_TO_PASS tests that still pass with the patch.';
COMMENT ON COLUMN test_outcomes.p2p_total IS 'PASS_TO_PASS tests of the task.';
COMMENT ON COLUMN test_outcomes.grader IS 'Who graded: swebench (its harness, here or in an imported report), srft-local (the sandbox), srft-sdist (the sandbox, an approximation of SWE-bench), source (a column of the data set), none.';
COMMENT ON COLUMN test_outcomes.grader_version IS 'Version of the grader, where it is known.';
COMMENT ON COLUMN test_outcomes.reason IS 'Why the status is what it is, in one line.';
COMMENT ON COLUMN test_outcomes.log IS 'What the grader printed, or where it is; NULL where there is none.';
COMMENT ON COLUMN test_outcomes.failed_tests IS 'FAIL_TO_PASS and PASS_TO_PASS tests that did not pass, at most 100; empty where the source names none.';
