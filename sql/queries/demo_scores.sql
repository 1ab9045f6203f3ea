-- The arms beside one another, best last; low and high end the rate's 95% interval.
-- On how many runs and on which share of their turns' tokens was each arm trained, and how many held-out tasks does it resolve?
SELECT
    score.arm,
    training.runs,
    round(kept.kept_share, 3) AS kept,
    round(training.final_loss, 3) AS loss,
    score.seeds,
    score.resolved_attempts || ' of ' || score.scored AS resolved,
    round(score.rate, 3) AS rate,
    round(score.rate_low, 3) AS low,
    round(score.rate_high, 3) AS high
FROM arm_scores AS score
LEFT JOIN tokens_kept AS kept USING (arm)
LEFT JOIN (
    SELECT arm, max("rows") AS runs, avg(final_loss) AS final_loss FROM checkpoints GROUP BY arm
) AS training USING (arm)
ORDER BY score.rate, score.arm
