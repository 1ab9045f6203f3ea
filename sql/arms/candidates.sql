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
    outcome.grader
FROM trajectories AS run
LEFT JOIN test_outcomes AS outcome USING (trajectory_id)
