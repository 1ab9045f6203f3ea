-- The arms beside one another.
-- How much was each arm trained on, and how many held-out tasks does it resolve?
SELECT
    score.arm,
    training.runs,
    kept.kept_share AS trained_share,
    training.final_loss,
    score.seeds,
    score.scored AS attempts,
    score.resolved_attempts AS resolved,
    score.rate,
    score.rate_low,
    score.rate_high,
    score.infra_errors
FROM arm_scores AS score
LEFT JOIN tokens_kept AS kept USING (arm)
LEFT JOIN (
    SELECT arm, max("rows") AS runs, avg(final_loss) AS final_loss FROM checkpoints GROUP BY arm
) AS training USING (arm)
ORDER BY score.rate, score.arm
