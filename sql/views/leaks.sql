CREATE OR REPLACE VIEW leaks AS
SELECT
    finding.batch,
    finding.trajectory_id,
    finding.instance_id,
    finding.step_index,
    finding.kind,
    finding.rule,
    finding.taints,
    finding.reason,
    outcome.status
FROM integrity AS finding
LEFT JOIN test_outcomes AS outcome USING (trajectory_id)
ORDER BY finding.batch, finding.trajectory_id, finding.step_index;

COMMENT ON VIEW leaks IS 'Steps that read the fix, change tests or hard-code answers, one row a finding, with the outcome of the run.';
COMMENT ON COLUMN leaks.batch IS 'The partition of the run.';
COMMENT ON COLUMN leaks.trajectory_id IS 'The run.';
COMMENT ON COLUMN leaks.instance_id IS 'The task.';
COMMENT ON COLUMN leaks.step_index IS 'The step; NULL where it is said of the task.';
COMMENT ON COLUMN leaks.kind IS 'reads_fix, changes_tests, hard_codes or weak_tests.';
COMMENT ON COLUMN leaks.rule IS 'The rule that found it.';
COMMENT ON COLUMN leaks.taints IS 'Whether the run is tainted: training leaves it out by default.';
COMMENT ON COLUMN leaks.reason IS 'What was seen, in one line.';
COMMENT ON COLUMN leaks.status IS 'Test outcome of the run.';
