CREATE OR REPLACE VIEW gold_labels AS
SELECT set AS gold_set, trajectory_id, step_index, label, annotator, note
FROM stored_gold_labels();

COMMENT ON VIEW gold_labels IS 'What steps really are, as people or generated runs say; one row a step and annotator. See docs/gold.md.';
COMMENT ON COLUMN gold_labels.gold_set IS 'Name of the gold set; lab is what the scripted teacher says of its own steps.';
COMMENT ON COLUMN gold_labels.trajectory_id IS 'The run.';
COMMENT ON COLUMN gold_labels.step_index IS 'The step, from 0.';
COMMENT ON COLUMN gold_labels.label IS 'good, unnecessary, mistake or recover; NULL where the annotator skipped the step.';
COMMENT ON COLUMN gold_labels.annotator IS 'Who labelled.';
COMMENT ON COLUMN gold_labels.note IS 'What the annotator added.';
