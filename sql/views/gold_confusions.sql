CREATE OR REPLACE VIEW gold_confusions AS
SELECT critic, gold_set, gold_label, label, count(*) AS steps
FROM gold_verdicts
GROUP BY critic, gold_set, gold_label, label
ORDER BY critic, gold_set, steps DESC, gold_label, label;

COMMENT ON VIEW gold_confusions IS 'Which label of a critic meets which gold label; a step counts once for each annotator.';
COMMENT ON COLUMN gold_confusions.critic IS 'The critic.';
COMMENT ON COLUMN gold_confusions.gold_set IS 'The gold set.';
COMMENT ON COLUMN gold_confusions.gold_label IS 'Label of the annotators.';
COMMENT ON COLUMN gold_confusions.label IS 'Label of the critic.';
COMMENT ON COLUMN gold_confusions.steps IS 'Steps labelled so.';
