-- The thirty commands that fail most often, by the first action of the step.
-- Where do agents stumble, whatever a critic says?
SELECT tool, command_word, steps, failed_steps, failed_share, runs
FROM tool_use
WHERE failed_steps > 0
ORDER BY failed_steps DESC, tool, command_word
LIMIT 30
