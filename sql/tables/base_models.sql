CREATE OR REPLACE VIEW base_models AS
SELECT name, path, architecture, parameters, vocabulary, final_loss
FROM stored_base_models();

COMMENT ON VIEW base_models IS 'Base models that the platform made itself.';
COMMENT ON COLUMN base_models.name IS 'Name, as arms say it.';
COMMENT ON COLUMN base_models.path IS 'Folder of weights and tokenizer, relative to the platform''s folder where it lies inside.';
COMMENT ON COLUMN base_models.architecture IS 'Class of the model (Llama, Qwen2, …).';
COMMENT ON COLUMN base_models.parameters IS 'Number of weights.';
COMMENT ON COLUMN base_models.vocabulary IS 'Tokens of its tokenizer.';
COMMENT ON COLUMN base_models.final_loss IS 'Loss at the end of pretraining, in nats a token.';
