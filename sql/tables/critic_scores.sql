CREATE OR REPLACE VIEW critic_scores AS
SELECT
    folder_of(partition_file) AS critic,
    set AS gold_set,
    question,
    target,
    steps,
    runs,
    support,
    predicted,
    hits,
    share(hits, predicted) AS precision,
    wilson_low(hits, predicted) AS precision_low,
    wilson_high(hits, predicted) AS precision_high,
    share(hits, support) AS recall,
    wilson_low(hits, support) AS recall_low,
    wilson_high(hits, support) AS recall_high,
    f1,
    f1_low,
    f1_high,
    kappa,
    kappa_low,
    kappa_high,
    unlabeled,
    missing,
    ties,
    annotators,
    annotator_kappa
FROM stored_critic_scores();

COMMENT ON VIEW critic_scores IS 'How well each critic agrees with each gold set: per label, for what arms mask, and over all labels.';
COMMENT ON COLUMN critic_scores.critic IS 'The critic.';
COMMENT ON COLUMN critic_scores.gold_set IS 'The gold set.';
COMMENT ON COLUMN critic_scores.question IS 'label: one label against the rest; mask: what an arm masks against what it keeps; all: the four labels at once.';
COMMENT ON COLUMN critic_scores.target IS 'The label asked for, or the labels masked, joined by +; all where each counts for itself.';
COMMENT ON COLUMN critic_scores.steps IS 'Steps compared: with a gold label and a verdict.';
COMMENT ON COLUMN critic_scores.runs IS 'Runs that these steps are of.';
COMMENT ON COLUMN critic_scores.support IS 'Steps that are the target by the gold labels; for all, every step.';
COMMENT ON COLUMN critic_scores.predicted IS 'Steps that are the target by the critic; for all, every step that it labelled.';
COMMENT ON COLUMN critic_scores.hits IS 'Steps that are the target by both; for all, steps with the same label.';
COMMENT ON COLUMN critic_scores.precision IS 'hits / predicted.';
COMMENT ON COLUMN critic_scores.precision_low IS 'Lower end of its 95% Wilson interval, which takes steps for independent.';
COMMENT ON COLUMN critic_scores.precision_high IS 'Upper end.';
COMMENT ON COLUMN critic_scores.recall IS 'hits / support.';
COMMENT ON COLUMN critic_scores.recall_low IS 'Lower end of its 95% Wilson interval, which takes steps for independent.';
COMMENT ON COLUMN critic_scores.recall_high IS 'Upper end.';
COMMENT ON COLUMN critic_scores.f1 IS 'F1 of the target; for all, the mean over the labels in use. NULL where neither side uses the target.';
COMMENT ON COLUMN critic_scores.f1_low IS 'Lower end of its 95% interval, by a bootstrap over runs; NULL for a single run.';
COMMENT ON COLUMN critic_scores.f1_high IS 'Upper end.';
COMMENT ON COLUMN critic_scores.kappa IS 'Cohen''s kappa of critic and gold: 1 is full agreement, 0 is chance.';
COMMENT ON COLUMN critic_scores.kappa_low IS 'Lower end of its 95% interval, by a bootstrap over runs; NULL for a single run.';
COMMENT ON COLUMN critic_scores.kappa_high IS 'Upper end.';
COMMENT ON COLUMN critic_scores.unlabeled IS 'Compared steps that the critic left unlabeled; each is a miss.';
COMMENT ON COLUMN critic_scores.missing IS 'Gold steps of runs that the critic did not judge; not compared.';
COMMENT ON COLUMN critic_scores.ties IS 'Steps left out because annotators disagree without a majority.';
COMMENT ON COLUMN critic_scores.annotators IS 'People who labelled steps of the set.';
COMMENT ON COLUMN critic_scores.annotator_kappa IS 'Cohen''s kappa between annotators, pairs weighted by common steps; NULL where nobody shares a step.';
