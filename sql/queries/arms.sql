-- Every arm with rows: rows, share of the agent's tokens that are trained, checkpoints, scores.
-- How far is each arm, and how well does it do?
WITH masked AS (
    SELECT
        arm,
        count(*) AS "rows",
        sum(n_trained)::BIGINT AS trained,
        share(sum(n_trained), sum(n_trained + n_masked)) AS kept
    FROM masked_tokens
    GROUP BY arm
),
trained AS (SELECT arm, count(*) AS checkpoints FROM checkpoints GROUP BY arm)
SELECT
    arm,
    masked."rows",
    masked.trained,
    masked.kept,
    coalesce(trained.checkpoints, 0) AS checkpoints,
    scores.scored,
    scores.resolved_attempts AS resolved,
    scores.rate,
    scores.rate_low AS low,
    scores.rate_high AS high
FROM masked
FULL JOIN trained USING (arm)
FULL JOIN arm_scores AS scores USING (arm)
ORDER BY arm
