-- Held-out tasks by how many attempts resolve them, over all arms.
-- Which tasks tell arms apart, and which are too easy or too hard to?
SELECT
    instance_id,
    count(resolved) AS scored,
    count(*) FILTER (resolved) AS resolved_attempts,
    share(resolved_attempts, scored) AS rate,
    list(DISTINCT arm ORDER BY arm) FILTER (resolved) AS resolved_by
FROM eval_scores
GROUP BY instance_id
ORDER BY rate, instance_id
