-- Runs whose steps are not numbered 0, 1, 2, … or are not as many as the run says.
SELECT t.batch, t.trajectory_id, t.n_steps, count(s.step_index) AS steps,
       min(s.step_index) AS first_step, max(s.step_index) AS last_step
FROM trajectories t
LEFT JOIN steps s USING (trajectory_id)
GROUP BY ALL
HAVING count(s.step_index) <> t.n_steps
    OR count(DISTINCT s.step_index) <> t.n_steps
    OR (t.n_steps > 0 AND (min(s.step_index) <> 0 OR max(s.step_index) <> t.n_steps - 1))
