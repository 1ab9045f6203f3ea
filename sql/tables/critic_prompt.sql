CREATE OR REPLACE VIEW critic_prompt AS
SELECT
    folder_of(partition_file) AS critic,
    version,
    model,
    prompt,
    settings::JSON AS settings,
    sees_gold_patch
FROM stored_critic_prompt();

COMMENT ON VIEW critic_prompt IS 'Prompt and settings of the critics that ask a model, one row a critic.';
COMMENT ON COLUMN critic_prompt.critic IS 'The critic.';
COMMENT ON COLUMN critic_prompt.version IS 'Changes with every word of the prompt and every setting that decides verdicts.';
COMMENT ON COLUMN critic_prompt.model IS 'The model that is asked.';
COMMENT ON COLUMN critic_prompt.prompt IS 'The template, as in prompt.md.';
COMMENT ON COLUMN critic_prompt.settings IS 'Settings that decide verdicts, as JSON.';
COMMENT ON COLUMN critic_prompt.sees_gold_patch IS 'Whether the reference solution leaks into the verdicts.';
