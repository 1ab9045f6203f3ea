-- Tasks that two arms played, and in how many scored attempts each resolves them.
WITH scored AS (
    SELECT
        instance_id,
        arm,
        count(resolved) AS attempts,
        count(*) FILTER (resolved) AS resolved,
        min_by(trajectory_id, (seed, attempt)) AS run
    FROM eval_scores
    WHERE arm IN ($a, $b)
    GROUP BY instance_id, arm
)
SELECT
    a.instance_id,
    a.attempts AS attempts_a,
    a.resolved AS resolved_a,
    a.run AS run_a,
    b.attempts AS attempts_b,
    b.resolved AS resolved_b,
    b.run AS run_b
FROM scored AS a
JOIN scored AS b ON a.instance_id = b.instance_id AND a.arm = $a AND b.arm = $b
WHERE a.attempts > 0 AND b.attempts > 0
ORDER BY a.instance_id
