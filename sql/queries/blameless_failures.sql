-- Runs that fail although a critic labels every step and none of them a mistake.
-- What does the critic overlook?
SELECT critic, trajectory_id, status, n_steps
FROM first_mistakes
JOIN runs USING (trajectory_id, status, n_steps)
WHERE NOT has_mistake AND NOT resolved
ORDER BY critic, n_steps, trajectory_id
