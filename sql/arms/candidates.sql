-- The runs of a batch as the setting `where` of an arm sees them, one row a run.
SELECT
    run.trajectory_id,
    run.instance_id,
    repo_of(run.instance_id) AS repo,
    run.batch,
    run.scaffold,
    run.format,
    run.model,
    run.exit_status,
    run.n_steps,
    run.submission IS NOT NULL AND run.submission <> '' AS has_patch,
    run.source,
    coalesce(outcome.status, 'unknown') AS status,
    coalesce(outcome.status = 'resolved', false) AS resolved,
    coalesce(outcome.status NOT IN ('infra_error', 'unknown'), false) AS graded,
    outcome.f2p_passed,
    outcome.f2p_total,
    outcome.p2p_passed,
    outcome.p2p_total,
    outcome.grader,
    coalesce(found.leaks, []) AS leaks,
    rate.solve_rate
FROM trajectories AS run
LEFT JOIN test_outcomes AS outcome USING (trajectory_id)
LEFT JOIN (
    SELECT trajectory_id, list(DISTINCT kind ORDER BY kind) AS leaks
    FROM integrity
    GROUP BY trajectory_id
) AS found USING (trajectory_id)
LEFT JOIN solve_rates AS rate ON rate.instance_id = run.instance_id
