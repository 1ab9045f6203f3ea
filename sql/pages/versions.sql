-- Prompt and settings of every version of a critic, the latest first.
SELECT version, made_at, model, prompt, settings::VARCHAR AS settings
FROM critic_versions
WHERE critic = $critic
ORDER BY made_at DESC
