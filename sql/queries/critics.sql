-- Every critic that judged: its version, what it labelled, and F1 of mistakes against gold labels.
-- What did each critic label, and how good is it?
WITH latest AS (
    SELECT critic, arg_max(version, made_at) AS version
    FROM step_verdicts
    JOIN partitions ON asset = 'step_verdicts/' || critic AND "partition" = batch
    GROUP BY critic
),
judged AS (
    SELECT
        critic,
        count(DISTINCT batch) AS batches,
        count(DISTINCT trajectory_id) AS runs,
        count(*) AS steps,
        count(*) FILTER (label <> 'unlabeled') AS labelled
    FROM step_verdicts
    GROUP BY critic
)
SELECT critic, version, batches, runs, steps, labelled, gold_set, f1
FROM judged
LEFT JOIN latest USING (critic)
LEFT JOIN critic_f1 USING (critic)
ORDER BY critic
