-- Runs in which a command holds a text, in small letters.
SELECT trajectory_id
FROM stored_trajectories()
WHERE contains(lower(array_to_string(flatten(step_commands), chr(10))), $text)
