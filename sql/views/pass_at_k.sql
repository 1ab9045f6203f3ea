CREATE OR REPLACE VIEW pass_at_k AS
WITH cells AS (
    SELECT
        arm,
        seed,
        instance_id,
        count(resolved) AS scored,
        count(*) FILTER (resolved) AS resolved
    FROM eval_scores
    GROUP BY arm, seed, instance_id
),
most AS (
    SELECT arm, unnest(range(1, max(scored) + 1)) AS k FROM cells GROUP BY arm
)
SELECT
    arm,
    k,
    count(*) FILTER (scored >= k) AS tasks,
    count(*) FILTER (scored < k) AS left_out,
    avg(pass_at_k(scored, resolved, k)) AS pass_at_k
FROM cells
JOIN most USING (arm)
GROUP BY arm, k
ORDER BY arm, k;

COMMENT ON VIEW pass_at_k IS 'pass@k of each arm, for each k that some task has scored attempts for: the mean over tasks and seeds. Attempts of several seeds are never pooled.';
COMMENT ON COLUMN pass_at_k.arm IS 'The training arm.';
COMMENT ON COLUMN pass_at_k.k IS 'Attempts of which one must resolve the task.';
COMMENT ON COLUMN pass_at_k.tasks IS 'Tasks with at least k scored attempts with one seed; a task counts once a seed.';
COMMENT ON COLUMN pass_at_k.left_out IS 'Tasks that were played, but have fewer scored attempts with that seed.';
COMMENT ON COLUMN pass_at_k.pass_at_k IS 'Mean over these tasks of the unbiased estimate, 0 to 1 (arXiv 2107.03374).';
