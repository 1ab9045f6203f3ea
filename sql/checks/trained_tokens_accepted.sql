-- Trained spans of $arm whose step is masked by its label, missing, or overlapping another.
WITH spans AS (
    SELECT *, lead(token_start) OVER (PARTITION BY trajectory_id ORDER BY token_start) AS next_start
    FROM step_tokens WHERE arm = $arm
),
runs AS (SELECT trajectory_id, status FROM masked_tokens WHERE arm = $arm)
SELECT s.trajectory_id, s.step_index, s.label, s.trained, s.token_start, s.token_end, r.status
FROM spans s
JOIN runs r USING (trajectory_id)
LEFT JOIN steps USING (trajectory_id, step_index)
WHERE steps.step_index IS NULL
   OR s.token_end < s.token_start
   OR s.next_start < s.token_end
   OR (s.trained AND (r.status <> 'resolved' OR $mask_resolved)
       AND (list_contains($masked, s.label) OR s.label = $unlabeled))
