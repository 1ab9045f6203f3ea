-- Every attempt at a held-out task, as srft compare reads it.
-- Which attempts resolved their task, with how many steps and at what cost?
SELECT
    arm,
    seed,
    instance_id,
    attempt,
    resolved,
    n_steps,
    cost_usd,
    contaminated,
    approximate
FROM eval_scores
ORDER BY ALL
