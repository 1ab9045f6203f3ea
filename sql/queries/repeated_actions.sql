-- First actions of steps that a run gives three times or more, word by word; the fifty most frequent.
-- Which runs go in circles?
SELECT
    trajectory_id,
    tool,
    any_value(left(steps.command, 200)) AS command,
    count(*) AS times,
    list(step_index ORDER BY step_index) AS at_steps
FROM steps
WHERE steps.command <> ''
GROUP BY trajectory_id, tool, hash(steps.command)
HAVING count(*) > 2
ORDER BY times DESC, trajectory_id, command
LIMIT 50
