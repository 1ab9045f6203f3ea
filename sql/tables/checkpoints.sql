CREATE OR REPLACE VIEW checkpoints AS
SELECT
    folder_of(partition_file) AS arm,
    TRY_CAST(partition_of(partition_file) AS INTEGER) AS seed,
    path,
    base_model,
    method,
    steps,
    rows,
    tokens,
    trained_tokens,
    padding_share,
    final_loss,
    loss_curve,
    kept_step,
    validation_tasks,
    validation_loss,
    validation_curve,
    weights_sha256,
    seconds,
    peak_memory_mb
FROM stored_checkpoints();

COMMENT ON VIEW checkpoints IS 'Trained models, one row an arm and seed.';
COMMENT ON COLUMN checkpoints.arm IS 'The training arm.';
COMMENT ON COLUMN checkpoints.seed IS 'Seed of the training.';
COMMENT ON COLUMN checkpoints.path IS 'Folder of the weights, relative to the platform''s folder where it lies inside.';
COMMENT ON COLUMN checkpoints.base_model IS 'The model that training began from.';
COMMENT ON COLUMN checkpoints.method IS 'full or lora.';
COMMENT ON COLUMN checkpoints.steps IS 'Optimizer steps.';
COMMENT ON COLUMN checkpoints.rows IS 'Rows of masked_tokens trained on: one a run, several where the arm splits too long runs.';
COMMENT ON COLUMN checkpoints.tokens IS 'Tokens of those rows, counted once.';
COMMENT ON COLUMN checkpoints.trained_tokens IS 'Tokens that carry loss, counted once.';
COMMENT ON COLUMN checkpoints.padding_share IS 'Share of padding among the tokens computed, 0 to 1.';
COMMENT ON COLUMN checkpoints.final_loss IS 'Mean loss of the last tenth of training, in nats a token.';
COMMENT ON COLUMN checkpoints.loss_curve IS 'Points of training: step, loss (nats a token), learning rate. See loss_curves.';
COMMENT ON COLUMN checkpoints.kept_step IS 'The optimizer step whose weights were kept; NULL without validation, as are the next.';
COMMENT ON COLUMN checkpoints.validation_tasks IS 'Tasks that were held out of the training.';
COMMENT ON COLUMN checkpoints.validation_loss IS 'Loss of held-out tasks by the weights that were kept, in nats a token with loss.';
COMMENT ON COLUMN checkpoints.validation_curve IS 'Points of validation: step, loss, and the loss of each label. See validation_curves.';
COMMENT ON COLUMN checkpoints.weights_sha256 IS 'Digest of the weights: equal exactly where the models are.';
COMMENT ON COLUMN checkpoints.seconds IS 'Wall time of training, in seconds.';
COMMENT ON COLUMN checkpoints.peak_memory_mb IS 'Largest memory in use, in MB.';
