-- Runs as the pages of `srft view` know them; given_runs has a row a run.
SELECT
    trajectory_id,
    instance_id,
    repo_of(instance_id) AS repo,
    batch,
    scaffold,
    model,
    exit_status,
    n_steps,
    coalesce(status, 'unknown') AS status,
    CASE WHEN graded(status) THEN status = 'resolved' END AS resolved
FROM given_runs
ORDER BY batch, trajectory_id
