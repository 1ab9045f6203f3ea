-- The twenty longest runs.
-- Do long runs succeed?
SELECT trajectory_id, batch, scaffold, model, n_steps, status, exit_status
FROM runs
ORDER BY n_steps DESC, trajectory_id
LIMIT 20
