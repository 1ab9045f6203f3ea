CREATE OR REPLACE VIEW gold_verdicts AS
SELECT
    verdict.critic,
    gold.gold_set,
    gold.annotator,
    verdict.batch,
    gold.trajectory_id,
    gold.step_index,
    gold.label AS gold_label,
    verdict.label,
    gold.note,
    verdict.reason
FROM gold_labels AS gold
JOIN step_verdicts AS verdict USING (trajectory_id, step_index)
WHERE gold.label IS NOT NULL;

COMMENT ON VIEW gold_verdicts IS 'Steps with a gold label and each critic''s verdict side by side: where a critic goes wrong, and in which words.';
COMMENT ON COLUMN gold_verdicts.critic IS 'The critic.';
COMMENT ON COLUMN gold_verdicts.gold_set IS 'The gold set.';
COMMENT ON COLUMN gold_verdicts.annotator IS 'Who gave the gold label.';
COMMENT ON COLUMN gold_verdicts.batch IS 'The partition of the run.';
COMMENT ON COLUMN gold_verdicts.trajectory_id IS 'The run.';
COMMENT ON COLUMN gold_verdicts.step_index IS 'The step, from 0.';
COMMENT ON COLUMN gold_verdicts.gold_label IS 'Label of the annotator.';
COMMENT ON COLUMN gold_verdicts.label IS 'Label of the critic.';
COMMENT ON COLUMN gold_verdicts.note IS 'What the annotator added.';
COMMENT ON COLUMN gold_verdicts.reason IS 'Why, in the critic''s words.';
