CREATE OR REPLACE VIEW first_mistakes AS
SELECT
    verdict.critic,
    verdict.batch,
    verdict.trajectory_id,
    run.instance_id,
    run.status,
    run.n_steps,
    count(*) FILTER (verdict.label <> 'unlabeled') AS labelled,
    count(*) FILTER (verdict.label = 'mistake') AS mistakes,
    min(verdict.step_index) FILTER (verdict.label = 'mistake') AS first_mistake,
    share(first_mistake, run.n_steps) AS position,
    CASE WHEN mistakes > 0 THEN true WHEN labelled = run.n_steps THEN false END AS has_mistake
FROM step_verdicts AS verdict
JOIN runs AS run USING (trajectory_id)
GROUP BY verdict.critic, verdict.batch, verdict.trajectory_id, run.instance_id, run.status, run.n_steps;

COMMENT ON VIEW first_mistakes IS 'The first mistake of each run, by critic; one row a run that the critic was asked about, also where it found none or gave no answer.';
COMMENT ON COLUMN first_mistakes.critic IS 'The critic.';
COMMENT ON COLUMN first_mistakes.batch IS 'The partition of the run.';
COMMENT ON COLUMN first_mistakes.trajectory_id IS 'The run.';
COMMENT ON COLUMN first_mistakes.instance_id IS 'The task.';
COMMENT ON COLUMN first_mistakes.status IS 'Test outcome of the run.';
COMMENT ON COLUMN first_mistakes.n_steps IS 'Steps of the run.';
COMMENT ON COLUMN first_mistakes.labelled IS 'Steps with a label; the others are unanswered.';
COMMENT ON COLUMN first_mistakes.mistakes IS 'Steps labelled mistake.';
COMMENT ON COLUMN first_mistakes.first_mistake IS 'Index of the first step labelled mistake, from 0; NULL where there is none.';
COMMENT ON COLUMN first_mistakes.position IS 'first_mistake / n_steps: 0 is the beginning of the run.';
COMMENT ON COLUMN first_mistakes.has_mistake IS 'Whether a step is labelled mistake; NULL where none is, but steps are unanswered: nobody knows.';
