CREATE OR REPLACE VIEW arm_rates AS
SELECT arm, tasks, seeds, scored, resolved, rate, low, high, method
FROM stored_arm_rates();

COMMENT ON VIEW arm_rates IS 'Resolution rates of the arms that are made unasked, with the intervals of srft compare, as the asset comparison found them.';
COMMENT ON COLUMN arm_rates.arm IS 'The training arm.';
COMMENT ON COLUMN arm_rates.tasks IS 'Tasks with a scored attempt.';
COMMENT ON COLUMN arm_rates.seeds IS 'Seeds with a scored attempt.';
COMMENT ON COLUMN arm_rates.scored IS 'Attempts that count: the grader neither failed nor is missing.';
COMMENT ON COLUMN arm_rates.resolved IS 'Attempts whose patch passes the tests.';
COMMENT ON COLUMN arm_rates.rate IS 'resolved / scored.';
COMMENT ON COLUMN arm_rates.low IS 'Lower end of its 95% interval.';
COMMENT ON COLUMN arm_rates.high IS 'Upper end.';
COMMENT ON COLUMN arm_rates.method IS 'wilson: for one attempt a task; bootstrap: over tasks and seeds.';
