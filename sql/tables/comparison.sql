CREATE OR REPLACE VIEW comparison AS
SELECT
    arm,
    against,
    tasks,
    seeds,
    pairs,
    only_arm,
    only_against,
    difference,
    low,
    high,
    p_value,
    p_holm,
    test,
    detectable
FROM stored_comparison();

COMMENT ON VIEW comparison IS 'Paired differences of the arms that are made unasked, as the asset comparison found them. Any arms: srft compare.';
COMMENT ON COLUMN comparison.arm IS 'One arm.';
COMMENT ON COLUMN comparison.against IS 'The arm it is compared with.';
COMMENT ON COLUMN comparison.tasks IS 'Tasks that both have scores of.';
COMMENT ON COLUMN comparison.seeds IS 'Seeds that both have scores of.';
COMMENT ON COLUMN comparison.pairs IS 'Task and seed that both have scores of.';
COMMENT ON COLUMN comparison.only_arm IS 'Pairs that arm alone resolves, or in the larger share of its attempts.';
COMMENT ON COLUMN comparison.only_against IS 'Pairs that against alone resolves, or in the larger share of its attempts.';
COMMENT ON COLUMN comparison.difference IS 'Rate of arm minus rate of against over the pairs, -1 to 1.';
COMMENT ON COLUMN comparison.low IS 'Lower end of its 95% interval: a bootstrap over tasks and seeds.';
COMMENT ON COLUMN comparison.high IS 'Upper end.';
COMMENT ON COLUMN comparison.p_value IS 'Two-sided p-value of no difference.';
COMMENT ON COLUMN comparison.p_holm IS 'The same after Holm''s correction over all rows.';
COMMENT ON COLUMN comparison.test IS 'mcnemar: exact, for one attempt a task; bootstrap: over tasks and seeds.';
COMMENT ON COLUMN comparison.detectable IS 'Smallest difference found four times in five at the strictest step of the correction; NULL where none is.';
