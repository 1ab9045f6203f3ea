CREATE OR REPLACE VIEW validation_curves AS
WITH points AS (
    SELECT arm, seed, kept_step, unnest(validation_curve) AS point
    FROM checkpoints
)

SELECT
    arm,
    seed,
    point.step,
    point.step = kept_step AS kept,
    point.loss,
    point.good,
    point.unnecessary,
    point.mistake,
    point.recover,
    point.unlabeled
FROM points;

COMMENT ON VIEW validation_curves IS 'Losses of held-out tasks along the training of each checkpoint, in nats a token.';
COMMENT ON COLUMN validation_curves.arm IS 'The training arm.';
COMMENT ON COLUMN validation_curves.seed IS 'Seed of the training.';
COMMENT ON COLUMN validation_curves.step IS 'Optimizer step; 0 is the base model.';
COMMENT ON COLUMN validation_curves.kept IS 'Whether the weights after this step are the checkpoint.';
COMMENT ON COLUMN validation_curves.loss IS 'Mean loss of the tokens that training would train, by their weights.';
COMMENT ON COLUMN validation_curves.good IS 'Mean loss of all tokens of good steps, whether or not they carry loss in training.';
COMMENT ON COLUMN validation_curves.unnecessary IS 'The same of unnecessary steps.';
COMMENT ON COLUMN validation_curves.mistake IS 'The same of mistakes: where it falls, the model learns to err.';
COMMENT ON COLUMN validation_curves.recover IS 'The same of steps that recover.';
COMMENT ON COLUMN validation_curves.unlabeled IS 'The same of steps without a label.';
