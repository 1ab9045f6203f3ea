CREATE OR REPLACE VIEW label_shares_by_command AS
SELECT
    critic,
    command_word,
    label,
    count(*) AS steps,
    share(count(*), sum(count(*)) OVER (PARTITION BY critic, command_word)) AS share
FROM labelled_steps
GROUP BY critic, command_word, label
ORDER BY critic, command_word, steps DESC, label;

COMMENT ON VIEW label_shares_by_command IS 'Labels by the program or sub-command that the step starts.';
COMMENT ON COLUMN label_shares_by_command.critic IS 'The critic.';
COMMENT ON COLUMN label_shares_by_command.command_word IS 'grep, python, str_replace, …; NULL where there is none.';
COMMENT ON COLUMN label_shares_by_command.label IS 'good, unnecessary, mistake, recover or unlabeled.';
COMMENT ON COLUMN label_shares_by_command.steps IS 'Steps with this label.';
COMMENT ON COLUMN label_shares_by_command.share IS 'Share among the steps of the same critic and command word, 0 to 1.';
