-- Spans of $arm that are trained though masked by label or weight, of no step, overlapping
-- another, or given twice; and runs in which not as many steps are masked as the labels say.
WITH spans AS (
    SELECT
        *,
        lead(token_start) OVER (
            PARTITION BY batch, trajectory_id, part ORDER BY token_start
        ) AS next_start,
        count(*) OVER (PARTITION BY batch, trajectory_id, step_index) AS times,
        min(step_index) FILTER (label = 'mistake') OVER (
            PARTITION BY batch, trajectory_id
        ) AS first_mistake
    FROM step_tokens
    WHERE arm = $arm
),
runs AS (
    SELECT DISTINCT batch, trajectory_id, status, status <> 'resolved' OR $mask_resolved AS is_masked
    FROM masked_tokens
    WHERE arm = $arm
),
uneven AS (
    SELECT batch, trajectory_id
    FROM spans
    WHERE label <> 'unlabeled'
    GROUP BY batch, trajectory_id
    HAVING len($as_many_as) > 0
        AND count(*) FILTER (NOT trained) <> count(*) FILTER (list_contains($as_many_as, label))
)
SELECT batch, s.trajectory_id, s.step_index, s.label, s.trained, s.token_start, s.token_end, r.status
FROM spans AS s
JOIN runs AS r USING (batch, trajectory_id)
LEFT JOIN steps USING (trajectory_id, step_index)
LEFT JOIN uneven AS u USING (batch, trajectory_id)
WHERE steps.step_index IS NULL
   OR s.times > 1
   OR s.token_end < s.token_start
   OR s.next_start < s.token_end
   OR (s.trained AND s.weight <= 0)
   OR (r.is_masked AND u.trajectory_id IS NOT NULL)
   OR (
       s.trained AND r.is_masked
       AND (
           list_contains($masked, s.label)
           OR s.label = $unlabeled
           OR ($until_mistake AND s.step_index >= s.first_mistake)
       )
   )
