CREATE OR REPLACE VIEW integrity AS
SELECT
    trajectory_id,
    instance_id,
    partition_of(partition_file) AS batch,
    step_index,
    kind,
    rule,
    taints,
    reason
FROM stored_integrity()
SEMI JOIN (
    SELECT trajectory_id, partition_file
    FROM (
        SELECT DISTINCT trajectory_id, partition_file, partition_of(partition_file) AS batch
        FROM stored_integrity()
    )
    SEMI JOIN held_runs() USING (trajectory_id, batch)
    QUALIFY counts_once(trajectory_id, batch)
) USING (trajectory_id, partition_file);

COMMENT ON VIEW integrity IS 'What the outcomes of runs do not show, one row a finding; runs of which nothing was found have none.';
COMMENT ON COLUMN integrity.trajectory_id IS 'The run.';
COMMENT ON COLUMN integrity.instance_id IS 'The task.';
COMMENT ON COLUMN integrity.batch IS 'The partition of the run.';
COMMENT ON COLUMN integrity.step_index IS 'The step; NULL where it is said of the task.';
COMMENT ON COLUMN integrity.kind IS 'reads_fix, changes_tests, hard_codes; weak_tests: the tests of the task are listed as accepting wrong patches.';
COMMENT ON COLUMN integrity.rule IS 'The rule that found it.';
COMMENT ON COLUMN integrity.taints IS 'Whether the run is tainted: training leaves it out by default.';
COMMENT ON COLUMN integrity.reason IS 'What was seen, in one line.';
