-- Steps of judged runs without exactly one verdict of $critic, and verdicts without a step.
WITH verdicts AS (SELECT * FROM step_verdicts WHERE critic = $critic),
wanted AS (
    SELECT trajectory_id, step_index FROM steps
    WHERE trajectory_id IN (SELECT trajectory_id FROM verdicts)
)
SELECT coalesce(w.trajectory_id, v.trajectory_id) AS trajectory_id,
       coalesce(w.step_index, v.step_index) AS step_index,
       count(v.label) AS verdicts
FROM wanted w
FULL JOIN verdicts v USING (trajectory_id, step_index)
GROUP BY ALL
HAVING count(v.label) <> 1 OR count(w.step_index) = 0
