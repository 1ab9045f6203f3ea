CREATE OR REPLACE VIEW mistakes_per_run AS
SELECT
    critic,
    status,
    count(*) FILTER (labelled = n_steps) AS runs,
    count(*) FILTER (labelled < n_steps) AS unanswered_runs,
    (sum(mistakes) FILTER (labelled = n_steps))::BIGINT AS mistakes,
    avg(mistakes) FILTER (labelled = n_steps) AS mean_mistakes,
    median(mistakes) FILTER (labelled = n_steps) AS median_mistakes,
    max(mistakes) FILTER (labelled = n_steps) AS most_mistakes,
    share(sum(mistakes) FILTER (labelled = n_steps), sum(n_steps) FILTER (labelled = n_steps)) AS share_of_steps
FROM first_mistakes
GROUP BY critic, status
ORDER BY critic, count(*) FILTER (labelled = n_steps) DESC, status;

COMMENT ON VIEW mistakes_per_run IS 'How many mistakes runs hold, by critic and outcome, over the runs whose every step the critic labelled.';
COMMENT ON COLUMN mistakes_per_run.critic IS 'The critic.';
COMMENT ON COLUMN mistakes_per_run.status IS 'Test outcome of the runs.';
COMMENT ON COLUMN mistakes_per_run.runs IS 'Runs whose every step is labelled.';
COMMENT ON COLUMN mistakes_per_run.unanswered_runs IS 'Runs that it was asked about and left out here: some or all steps are unanswered.';
COMMENT ON COLUMN mistakes_per_run.mistakes IS 'Steps labelled mistake.';
COMMENT ON COLUMN mistakes_per_run.mean_mistakes IS 'mistakes / runs.';
COMMENT ON COLUMN mistakes_per_run.median_mistakes IS 'Median of a run.';
COMMENT ON COLUMN mistakes_per_run.most_mistakes IS 'Most of a run.';
COMMENT ON COLUMN mistakes_per_run.share_of_steps IS 'Share of the steps of these runs, 0 to 1.';
