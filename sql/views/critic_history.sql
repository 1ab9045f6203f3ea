CREATE OR REPLACE VIEW critic_history AS
SELECT
    v.critic,
    v.version,
    v.version IN (SELECT s.version FROM step_verdicts AS s WHERE s.critic = v.critic) AS "current",
    count(DISTINCT v.batch) AS batches,
    count(DISTINCT v.trajectory_id) AS runs,
    count(*) AS steps,
    share(count(*) FILTER (WHERE v.label = 'mistake'), count(*)) AS mistakes,
    share(count(*) FILTER (WHERE v.label = 'unlabeled'), count(*)) AS unlabeled,
    max(v.made_at) AS made_at
FROM verdict_versions AS v
GROUP BY v.critic, v.version
ORDER BY v.critic, made_at;

COMMENT ON VIEW critic_history IS 'Versions of each critic, oldest first, with how much each labelled.';
COMMENT ON COLUMN critic_history.critic IS 'Who judged.';
COMMENT ON COLUMN critic_history.version IS 'Version of the critic, for `srft critic diff NAME@VERSION`.';
COMMENT ON COLUMN critic_history.current IS 'Whether step_verdicts holds verdicts of this version.';
COMMENT ON COLUMN critic_history.batches IS 'Batches that it labelled; a run that several held counts in the one that was labelled last.';
COMMENT ON COLUMN critic_history.runs IS 'Runs that it was asked about, those that are gone included.';
COMMENT ON COLUMN critic_history.steps IS 'Steps of these runs, each once.';
COMMENT ON COLUMN critic_history.mistakes IS 'Share of them labelled mistake.';
COMMENT ON COLUMN critic_history.unlabeled IS 'Share of them left unanswered.';
COMMENT ON COLUMN critic_history.made_at IS 'When it last labelled a batch, UTC.';
