CREATE OR REPLACE VIEW tool_use AS
SELECT
    tool,
    command_word,
    count(*) AS steps,
    count(DISTINCT trajectory_id) AS runs,
    count(*) FILTER (failed) AS failed_steps,
    share(failed_steps, count(failed)) AS failed_share
FROM steps
GROUP BY tool, command_word
ORDER BY steps DESC, tool, command_word;

COMMENT ON VIEW tool_use IS 'Which tools and programs the steps use, and how often they fail.';
COMMENT ON COLUMN tool_use.tool IS 'Tool of the step''s first action; NULL for a turn without action.';
COMMENT ON COLUMN tool_use.command_word IS 'Program or sub-command it starts.';
COMMENT ON COLUMN tool_use.steps IS 'Steps.';
COMMENT ON COLUMN tool_use.runs IS 'Runs that have such a step.';
COMMENT ON COLUMN tool_use.failed_steps IS 'Steps with a return code that is not 0.';
COMMENT ON COLUMN tool_use.failed_share IS 'Share of those among the steps whose return code is known, 0 to 1.';
