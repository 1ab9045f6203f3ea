CREATE OR REPLACE VIEW arm_pairs AS
SELECT
    one.arm AS arm_a,
    other.arm AS arm_b,
    count(*) AS pairs,
    count(*) FILTER (one.resolved AND other.resolved) AS resolved_by_both,
    count(*) FILTER (one.resolved AND NOT other.resolved) AS only_a,
    count(*) FILTER (NOT one.resolved AND other.resolved) AS only_b,
    count(*) FILTER (NOT one.resolved AND NOT other.resolved) AS resolved_by_neither,
    share(only_a - only_b, count(*)) AS difference
FROM eval_scores AS one
JOIN eval_scores AS other USING (instance_id, attempt, seed)
WHERE one.arm < other.arm AND one.resolved IS NOT NULL AND other.resolved IS NOT NULL
GROUP BY one.arm, other.arm
ORDER BY one.arm, other.arm;

COMMENT ON VIEW arm_pairs IS 'Two arms on the same tasks with the same seed: only such pairs of attempts are compared, and only where both count. A seed that one arm lacks pairs nothing.';
COMMENT ON COLUMN arm_pairs.arm_a IS 'One arm.';
COMMENT ON COLUMN arm_pairs.arm_b IS 'The other, later in the alphabet.';
COMMENT ON COLUMN arm_pairs.pairs IS 'Attempts that both made and that count for both.';
COMMENT ON COLUMN arm_pairs.resolved_by_both IS 'Resolved by both.';
COMMENT ON COLUMN arm_pairs.only_a IS 'Resolved by arm_a alone.';
COMMENT ON COLUMN arm_pairs.only_b IS 'Resolved by arm_b alone.';
COMMENT ON COLUMN arm_pairs.resolved_by_neither IS 'Resolved by neither.';
COMMENT ON COLUMN arm_pairs.difference IS 'Rate of arm_a minus rate of arm_b.';
