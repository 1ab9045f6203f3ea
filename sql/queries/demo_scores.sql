-- The arms beside one another, best last; low and high end the rate's 95% interval, as the asset comparison has it of these attempts.
-- On how many runs and on which share of their turns' tokens was each arm trained, and how many held-out tasks does it resolve?
WITH trained_on AS (
    SELECT DISTINCT split_part(input, '/', 2) AS arm, split_part(input, '/', 3) AS batch
    FROM (
        SELECT unnest(json_keys(inputs)) AS input
        FROM partitions
        WHERE starts_with(asset, 'checkpoints/')
    )
    WHERE starts_with(input, 'masked_tokens/')
),
kept AS (
    SELECT
        arm,
        count(DISTINCT trajectory_id) FILTER (n_trained > 0) AS runs,
        share(sum(n_trained), sum(n_trained + n_masked)) AS kept_share
    FROM masked_tokens
    JOIN trained_on USING (arm, batch)
    GROUP BY arm
)
SELECT
    score.arm,
    kept.runs,
    round(kept.kept_share, 3) AS kept,
    round(training.final_loss, 3) AS loss,
    score.seeds,
    score.resolved_attempts || ' of ' || score.scored AS resolved,
    round(score.rate, 3) AS rate,
    round(compared.low, 3) AS low,
    round(compared.high, 3) AS high
FROM arm_scores AS score
LEFT JOIN kept USING (arm)
LEFT JOIN (
    SELECT arm, avg(final_loss) AS final_loss FROM checkpoints GROUP BY arm
) AS training USING (arm)
LEFT JOIN arm_rates AS compared
    ON compared.arm = score.arm
    AND compared.scored = score.scored
    AND compared.resolved = score.resolved_attempts
ORDER BY score.rate NULLS FIRST, score.arm
