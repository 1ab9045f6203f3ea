-- Steps that a critic calls mistakes, with the command and the reason.
-- What does the critic object to?
SELECT critic, trajectory_id, step_index, status, rule, left(command, 200) AS command, reason
FROM labelled_steps
WHERE label = 'mistake'
ORDER BY critic, trajectory_id, step_index
