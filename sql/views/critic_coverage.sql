CREATE OR REPLACE VIEW critic_coverage AS
WITH whole AS (
    SELECT count(*) AS runs, sum(n_steps)::BIGINT AS steps FROM runs WHERE n_steps > 0
),
asked AS (
    SELECT
        critic,
        count(*) AS runs,
        count(*) FILTER (labelled = n_steps) AS judged,
        count(*) FILTER (labelled BETWEEN 1 AND n_steps - 1) AS partly_judged,
        count(*) FILTER (labelled = 0) AS unanswered,
        sum(n_steps)::BIGINT AS steps,
        sum(labelled)::BIGINT AS labelled
    FROM first_mistakes
    GROUP BY critic
)
SELECT
    asked.critic,
    whole.runs,
    asked.judged AS judged_runs,
    asked.partly_judged AS partly_judged_runs,
    asked.unanswered AS unanswered_runs,
    whole.runs - asked.runs AS never_asked_runs,
    whole.steps,
    asked.labelled AS labelled_steps,
    asked.steps - asked.labelled AS unanswered_steps,
    whole.steps - asked.steps AS never_asked_steps,
    share(asked.labelled, whole.steps) AS share
FROM asked, whole
ORDER BY asked.critic;

COMMENT ON VIEW critic_coverage IS 'How much of the recorded runs each critic labelled: what it left unanswered and what it was never asked about are two things. Why: unanswered_reasons.';
COMMENT ON COLUMN critic_coverage.critic IS 'The critic.';
COMMENT ON COLUMN critic_coverage.runs IS 'Recorded runs with at least one step.';
COMMENT ON COLUMN critic_coverage.judged_runs IS 'Runs whose every step it labelled.';
COMMENT ON COLUMN critic_coverage.partly_judged_runs IS 'Runs of which it labelled some steps and left others unanswered.';
COMMENT ON COLUMN critic_coverage.unanswered_runs IS 'Runs that it was asked about without labelling a step.';
COMMENT ON COLUMN critic_coverage.never_asked_runs IS 'Runs that it was not asked about: it judges failed runs only, or their batch was not labelled.';
COMMENT ON COLUMN critic_coverage.steps IS 'Steps of all these runs.';
COMMENT ON COLUMN critic_coverage.labelled_steps IS 'Steps with a label.';
COMMENT ON COLUMN critic_coverage.unanswered_steps IS 'Steps that it was asked about without a valid answer; their label is unlabeled.';
COMMENT ON COLUMN critic_coverage.never_asked_steps IS 'Steps that it was not asked about; step_verdicts has no row of them.';
COMMENT ON COLUMN critic_coverage.share IS 'labelled_steps / steps, 0 to 1.';
