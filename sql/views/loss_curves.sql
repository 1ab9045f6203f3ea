CREATE OR REPLACE VIEW loss_curves AS
SELECT
    checkpoint.arm,
    checkpoint.seed,
    curve.point.step,
    curve.point.loss,
    curve.point.learning_rate
FROM checkpoints AS checkpoint, unnest(checkpoint.loss_curve) AS curve(point);

COMMENT ON VIEW loss_curves IS 'Loss along the training of each checkpoint.';
COMMENT ON COLUMN loss_curves.arm IS 'The training arm.';
COMMENT ON COLUMN loss_curves.seed IS 'Seed of the training.';
COMMENT ON COLUMN loss_curves.step IS 'Optimizer step.';
COMMENT ON COLUMN loss_curves.loss IS 'Mean loss, in nats a trained token.';
COMMENT ON COLUMN loss_curves.learning_rate IS 'Learning rate of the step.';
