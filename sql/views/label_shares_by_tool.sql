CREATE OR REPLACE VIEW label_shares_by_tool AS
SELECT
    critic,
    tool,
    label,
    count(*) AS steps,
    share(count(*), sum(count(*)) OVER (PARTITION BY critic, tool)) AS share
FROM labelled_steps
GROUP BY critic, tool, label
ORDER BY critic, tool, steps DESC, label;

COMMENT ON VIEW label_shares_by_tool IS 'Labels by tool.';
COMMENT ON COLUMN label_shares_by_tool.critic IS 'The critic.';
COMMENT ON COLUMN label_shares_by_tool.tool IS 'Tool of the step''s first action; NULL for a turn without action.';
COMMENT ON COLUMN label_shares_by_tool.label IS 'good, unnecessary, mistake, recover or unlabeled.';
COMMENT ON COLUMN label_shares_by_tool.steps IS 'Steps with this label.';
COMMENT ON COLUMN label_shares_by_tool.share IS 'Share among the steps of the same critic and tool, 0 to 1.';
